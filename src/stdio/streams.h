/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Streams: the standard streams of one container, and Iod: all of them.
 *
 * A Streams owns the read ends of stdout and stderr, the write end of stdin, the log file and its directory;
 * all of these are in the fd store under "c-<id>-<what>", with the parameters as "c-<id>-meta".
 */

#include "basic/error.h"
#include "basic/hashmap.h"
#include "stdio/record.h"
#include "stdio/spool.h"

typedef struct sd_event sd_event;
typedef struct sd_event_source sd_event_source;
typedef struct Iod Iod;
typedef struct Streams Streams;

/* Owned strings; json_field tables load and save it. */
typedef struct StreamsMeta {
        char *id, *log_name;
        int64_t log_size_max;
        bool journal;
        char **fields;
        int pid;
} StreamsMeta;

struct Iod {
        sd_event *event;
        Hashmap *streams; /* k: id, v: Streams, owned */
        Spool spool;
        Buffer records; /* scratch of the chunk under way */
        int journal_fd;
};

/* Without containers. 0 or -ENOMEM. */
int iod_init(Iod *iod, sd_event *event);
void iod_done(Iod *iod);

/* A descriptor from the fd store, owned from here on. iod_restore() is called after the last one. */
int iod_add_stored(Iod *iod, const char *name, int fd);
int iod_restore(Iod *iod);

/**
 * streams_open() - pipes and log of a new container
 * @meta:        moved from on success
 * @log_dir_fd:  borrowed
 * @ret_fds:     the container's ends, owned by the caller
 */
int streams_open(Iod *iod, StreamsMeta *meta, int log_dir_fd, bool stdin_open, int ret_fds[3], Error *error);

/* By the container's id; NULL when it is not known. */
Streams *iod_find(Iod *iod, const char *id);
/* The main process, also in the fd store's copy. 0 or negative errno. */
int streams_set_pid(Streams *s, pid_t pid);

/* Everything that is in the pipes now goes to the log. */
void streams_drain(Streams *s, uint64_t *ret_bytes);
int streams_reopen(Streams *s, Error *error);

/* Also out of the fd store. */
Streams *streams_close(Streams *s);
