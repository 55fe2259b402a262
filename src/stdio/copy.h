/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Copy: the journal's copy of what is in the log files.
 *
 * The log file itself is the queue: a cursor in the container's Slot says how far journald has got it. This
 * runs when nothing else is to be done, a block of one container in turn, and waits while journald does not
 * listen. A container that gets further ahead than COPY_LAG_MAX loses the lines in between from its copy;
 * they are counted, and an entry of the journal says how many. A line may be there twice after our death, at
 * most one.
 */

#include "basic/macros.h"

typedef struct Iod Iod;
typedef struct sd_event_source sd_event_source;
typedef struct Streams Streams;

#define COPY_LAG_MAX (16 * MIB)
/* The same for containers without a log file, whose lines wait in memory. */
#define COPY_LAG_MEMORY_MAX (1 * MIB)

typedef struct Copy {
        int fd; /* to journald; negative: not connected */
        char *block;
        Streams *first, *last; /* containers with lines to copy, in turn */
        sd_event_source *idle, *writable, *retry;
        uint64_t n_written; /* bytes of logs since the last turn */
} Copy;

/* Connects to journald. 0 also when it is not there yet; negative errno. */
int copy_init(Iod *iod);
void copy_done(Iod *iod);

/* There may be something to copy. */
void copy_wake(Streams *s);

/* So many bytes went to a log: even when there is no idle moment, a turn comes now and then. */
void copy_on_written(Streams *s, size_t size);

/* The log file before the present one will not be copied any further: there are two at most. */
void copy_give_up_old(Streams *s);

/* There is a new log file; the old one is let go when it is copied. */
void copy_file_changed(Streams *s);

/* Takes it out of the queue. */
void copy_forget(Streams *s);

/* Whether everything is in the journal, or never will be. */
bool copy_is_done(const Streams *s);

/* Frees the oldest container that only waits for its copy, and says so; false when there is none. */
bool copy_sacrifice(Iod *iod);
