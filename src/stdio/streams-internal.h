/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Streams from the inside, for streams.c, streams-restore.c, log-file.c and copy.c.
 */

#include "stdio/streams.h"

/* Longest name in the fd store, NUL included. */
#define STORE_NAME_MAX 8

struct Streams {
        Iod *iod;
        Slot *slot;       /* NULL: not in the table yet, or any more */
        int pipes[3];     /* by descriptor number in the container; negative: none, or at its end */
        int dir_fd;       /* of the log, with log_size_max */
        int log_fd;       /* negative: no log */
        int old_fd;       /* the log file before that, while the journal copy needs it */
        int64_t log_size; /* while a chunk is under way */
        unsigned pipe_size[_RECORD_STREAM_MAX];
        sd_event_source *sources[_RECORD_STREAM_MAX];
        bool in_copy; /* is in the queue of the Copy */
        Streams *copy_next, *copy_previous;
};

/* A Streams without descriptors for a slot, known to the Iod unless it is closed. */
int streams_new(Iod *iod, Slot *slot, Streams **ret);
Streams *streams_free(Streams *s);
DEFINE_CLEANUP(Streams *, streams_free);

/* Begins to read from the pipes. */
int streams_watch(Streams *s);

/* Names in the fd store. @generation: of the log file. */
void streams_store_name(const Streams *s, char name[STORE_NAME_MAX]);
void streams_store_log_name(const Streams *s, uint64_t generation, char name[STORE_NAME_MAX]);

/* Gives up the slot and everything in the fd store, and frees it. */
void streams_forget(Streams *s);

/* 0 when @fd is negative. */
int64_t streams_file_size(int fd);
