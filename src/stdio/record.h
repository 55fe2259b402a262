/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Record: output of a container as lines of a CRI log file.
 *
 *   TIMESTAMP STREAM TAG CONTENT\n     TAG: F, or P when the line goes on in the next record of the same
 * stream
 *
 * Source: Kubernetes "CRI logging", kubelet_cri_logging.
 */

#include "basic/buffer.h"

/* Content of one record at most; longer lines are cut into partial ones. */
#define RECORD_CONTENT_MAX (16 * KIB)

typedef enum RecordStream {
        RECORD_STDOUT,
        RECORD_STDERR,
        _RECORD_STREAM_MAX,
} RecordStream;

/**
 * record_format() - all of @data as records
 * @realtime_nsec:  time of all of them
 * @ret_partial:    whether the last one is a partial one
 *
 * Return: 0, -ENOMEM, -E2BIG (of the buffer).
 */
int record_format(
                Buffer *out,
                RecordStream stream,
                int64_t realtime_nsec,
                const char *data,
                size_t size,
                bool *ret_partial);
