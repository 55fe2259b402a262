/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * IodClient: crio's end of the conversation with crio-iod.
 *
 * Asynchronous; connects when the first call is made (the socket starts the daemon). When the connection is
 * lost, calls that were not answered are sent again on the next one: all of them may be repeated, and
 * crio-iod may be restarted at any time. Every call is answered exactly once, from the loop.
 */

#include "basic/error.h"

typedef struct sd_event sd_event;
typedef struct IodClient IodClient;
typedef struct IodCall IodCall;

/* Everything is borrowed. */
typedef struct IodOpen {
        const char *id;
        int log_fd;     /* regular file, opened for reading and appending; negative: no log */
        int log_dir_fd; /* where log_name is; only needed with log_size_max */
        const char *log_name;
        bool stdin_open, journal;
        int64_t log_size_max;      /* negative: no limit */
        const char *const *fields; /* "NAME=value" */
} IodOpen;

/* @fds: the container's stdin, stdout and stderr, owned by the callee; NULL for calls other than open and on
 * failure. Without stdin_open stdin is /dev/null. */
typedef void (*IodDone)(int r, const int *fds, const Error *error, void *userdata);

/* -ENOMEM only. @event: borrowed. */
int iod_client_new(sd_event *event, IodClient **ret);
IodClient *iod_client_free(IodClient *c);
DEFINE_CLEANUP(IodClient *, iod_client_free);

/**
 * iod_open() - pipes and log for a new container
 * @on_done:  r is -ENOSPC with RESOURCE_EXHAUSTED when crio-iod can hold no more containers
 * @ret:      for iod_call_cancel(); may be NULL
 *
 * Return: 0, or negative errno (nothing was sent).
 */
int iod_open(IodClient *c,
             const IodOpen *open,
             IodDone on_done,
             void *userdata,
             IodCall **ret,
             Error *error);

/* The other calls of iod-protocol.h. @on_done may be NULL; r is -ENOENT for an id that is not open. */
int iod_set_pid(IodClient *c,
                const char *id,
                pid_t pid,
                IodDone on_done,
                void *userdata,
                IodCall **ret,
                Error *error);
int iod_drain(IodClient *c, const char *id, IodDone on_done, void *userdata, IodCall **ret, Error *error);
int iod_close(IodClient *c, const char *id, IodDone on_done, void *userdata, IodCall **ret, Error *error);

/* Only id and log_fd count. */
int iod_reopen(IodClient *c,
               const IodOpen *open,
               IodDone on_done,
               void *userdata,
               IodCall **ret,
               Error *error);

/* The callback will not be called; what was asked for still happens. NULL is fine. Returns NULL. */
IodCall *iod_call_cancel(IodCall *call);
