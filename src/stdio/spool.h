/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Spool: the one chunk of output that is on its way from a pipe to a log file, in memory that outlives the
 * process.
 *
 * README.md beside this file has the argument why nothing is lost or doubled.
 */

#include "basic/error.h"
#include "basic/id.h"
#include "stdio/record.h"

#define SPOOL_SIZE (1 * MIB)

typedef struct SpoolEntry {
        uint32_t begun; /* 0: nothing is under way */
        uint32_t stream;
        int64_t log_size, realtime_nsec;
        char id[ID_SIZE + 1];
} SpoolEntry;

typedef struct Spool {
        int data_fd, entry_fd;
        char *data;        /* mapping of SPOOL_SIZE; only as much as the file is long may be touched */
        SpoolEntry *entry; /* mapping */
} Spool;

#define SPOOL_INIT ((Spool){ .data_fd = -EBADF, .entry_fd = -EBADF })

/* Takes over the descriptors of a process before us; negative ones are made anew and put into the fd store.
 */
int spool_init(Spool *s, int data_fd, int entry_fd);
void spool_done(Spool *s);

/* Bytes that have left a pipe and may not be in the log yet. Negative errno on failure. */
ssize_t spool_get_size(const Spool *s);

/**
 * spool_fill() - move what is in a pipe
 * @log_size:  of the log file now
 *
 * Return: number of bytes, 0 at the end of the pipe, -EAGAIN when it is empty.
 */
ssize_t
spool_fill(Spool *s,
           const char *id,
           RecordStream stream,
           int pipe_fd,
           int64_t log_size,
           int64_t realtime_nsec);

/* The chunk has arrived. */
int spool_clear(Spool *s);
