/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Spool: the one chunk of output that is on its way from a pipe to a log file, in memory that outlives the
 * process.
 *
 * README.md beside this file has the argument why nothing is lost or doubled.
 */

#include "stdio/table.h"

#define SPOOL_SIZE (1 * MIB)

/* Bytes are at its start, and its file position, which is the kernel's and lives as long as the file, says
 * how many. The memory behind is kept while it is busy: new pages for each chunk took a third of the time.
 */
typedef struct Spool {
        int fd;
        char *data;        /* mapping of SPOOL_SIZE; only as much as the file is long may be touched */
        Chunk *chunk;      /* borrowed from the Table */
        size_t size, kept; /* of the last chunk, and of the file at most */
} Spool;

#define SPOOL_INIT ((Spool){ .fd = -EBADF })

/* @fd: of a process before us, taken over; negative: a new one is made and put into the fd store. */
int spool_init(Spool *s, int fd, Chunk *chunk);
void spool_done(Spool *s);

/* Bytes that have left a pipe and may not be in the log yet. Negative errno on failure. */
ssize_t spool_get_size(const Spool *s);

/* Step 1: says what is going to happen. @log_size: of the log file now. */
void spool_begin(
                Spool *s,
                const Table *table,
                const Slot *slot,
                RecordStream stream,
                int64_t log_size,
                int64_t realtime_nsec);

/* Step 2: number of bytes that came out of the pipe, 0 at its end, -EAGAIN when it is empty. */
ssize_t spool_fill(Spool *s, int pipe_fd, size_t max_bytes);

/* The log file is going to change: what follows begins at @offset of the chunk, in the empty next file.
 * Counts from the moment when Slot.generation is one more. */
void spool_mark(Spool *s, const Slot *slot, size_t offset);

/* Steps 4 and 5: the chunk has arrived. */
int spool_clear(Spool *s);
