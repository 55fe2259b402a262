/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Streams: the standard streams of one container, and Iod: all of them.
 *
 * A Streams owns the read ends of stdout and stderr, the write end of stdin, and the log file. All of these
 * are in the fd store, under names made of the number of the container's Slot: "17" the pipes (and the
 * directory of the log, where that is needed), "a17" and "b17" the log files of even and odd generations.
 */

#include "basic/hashmap.h"
#include "stdio/copy.h"
#include "stdio/spool.h"

typedef struct sd_event sd_event;
typedef struct sd_event_source sd_event_source;
typedef struct Iod Iod;
typedef struct Streams Streams;

/* Pipes of containers that write much are made larger, so many at a time: all pipes of a user together have
 * a soft limit (64 MiB), beyond which every new one of an unprivileged process, container or not, is tiny.
 */
#define WIDE_PIPES_MAX 16

typedef struct WidePipe {
        Streams *streams; /* NULL: free */
        RecordStream stream;
        int64_t full_nsec; /* when it was last found full */
} WidePipe;

struct Iod {
        sd_event *event;
        Hashmap *streams; /* k: id, v: Streams, owned */
        Table table;
        Spool spool;
        Buffer records; /* scratch of the chunk under way */
        WidePipe wide[WIDE_PIPES_MAX];
        Copy copy;
        Streams **restored; /* by slot, while the fd store is taken over */
};

#define IOD_INIT ((Iod){ .table = TABLE_INIT, .spool = SPOOL_INIT, .copy = { .fd = -EBADF } })

/* What a container's streams are to be. Everything is borrowed. */
typedef struct StreamsSpec {
        const char *id;
        char *const *fields; /* "NAME=value" for the journal */
        bool journal, stdin_open;
        int log_fd;           /* opened for reading and appending; negative: no log file */
        int log_dir_fd;       /* with log_size_max: where log_name is */
        const char *log_name; /* may be NULL without log_size_max */
        int64_t log_size_max; /* negative: no limit */
} StreamsSpec;

/* @table_fd, @spool_fd: from the fd store, taken over; negative when there are none. */
int iod_init(Iod *iod, sd_event *event, int table_fd, int spool_fd);
void iod_done(Iod *iod);

/* A descriptor from the fd store, owned from here on. iod_restore() is called after the last one. */
void iod_add_stored(Iod *iod, const char *name, int fd);

/* Finishes the chunk of a process before us, and begins to read. */
int iod_restore(Iod *iod);

/**
 * streams_open() - pipes and log of a new container
 * @ret_fds:  the container's stdin, stdout and stderr, owned by the caller; stdin is negative without one
 *
 * Streams of the same id are closed first.
 *
 * Return: 0, -ENOSPC (TABLE_SLOTS_MAX or the fd store: no more containers), negative errno.
 */
int streams_open(Iod *iod, const StreamsSpec *spec, int ret_fds[3], Error *error);

/* Borrowed; NULL when streams of that id are not open. */
Streams *iod_find(Iod *iod, const char *id);

/* Tags entries of the journal with the unit of that process. */
void streams_set_pid(Streams *s, pid_t pid);

/* Everything that is in the pipes now goes to the log. @ret_bytes: that came out of them so far. */
void streams_drain(Streams *s, uint64_t *ret_bytes);

/* From now on, records go to this file, which is taken over. */
int streams_reopen(Streams *s, int log_fd, Error *error);

/* Also out of the fd store. What is not in the journal yet still gets there. */
void streams_close(Streams *s);
