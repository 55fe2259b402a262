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

/* What record_format() made. */
typedef struct RecordRun {
        size_t n;     /* records */
        bool partial; /* whether the last one is a partial one */
} RecordRun;

/* One line of a log file, as record_parse() finds it. */
typedef struct Record {
        RecordStream stream;
        bool partial;
        const char *content; /* inside the line */
        size_t size;
} Record;

/**
 * record_slice() - how much to format at once
 * @max:  at least 1
 *
 * A slice ends with a line where one ends within @max bytes, so that cutting output into slices makes no
 * partial records that the output itself does not.
 *
 * Return: 1 to @max bytes, one more for the newline of a line that fills the slice; 0 when @size is 0.
 */
size_t record_slice(const char *data, size_t size, size_t max);

/**
 * record_format() - all of @data as records
 * @realtime_nsec:  time of all of them
 *
 * Return: 0, -ENOMEM, -E2BIG (of the buffer).
 */
int record_format(
                Buffer *out,
                RecordStream stream,
                int64_t realtime_nsec,
                const char *data,
                size_t size,
                RecordRun *ret);

/**
 * record_parse() - the reverse, for one line
 * @line:  without its newline
 *
 * Return: 0, -EINVAL for what is not a record (others may have written into the file).
 */
int record_parse(const char *line, size_t size, Record *ret);
