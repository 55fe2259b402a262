/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * IodClient: crio's end of the conversation with crio-iod.
 *
 * Asynchronous; connects when the first call is made (the socket starts the daemon) and again after a loss.
 * Every call is answered exactly once, from the loop, also when the connection is lost (-ECONNRESET).
 */

#include "basic/error.h"

typedef struct sd_event sd_event;
typedef struct IodClient IodClient;
typedef struct IodCall IodCall;

typedef struct IodOpen {
        const char *id;
        int log_dir_fd; /* borrowed; negative: no log */
        const char *log_name;
        bool stdin_open, journal;
        int64_t log_size_max;      /* negative: no limit */
        const char *const *fields; /* "NAME=value" */
} IodOpen;

/* @fds: the container's stdin, stdout and stderr, owned by the callee; NULL for calls other than open and on
 * failure. */
typedef void (*IodDone)(int r, const int *fds, const Error *error, void *userdata);

/* Connects to nothing yet. 0 or -ENOMEM. */
int iod_client_new(sd_event *event, IodClient **ret);
IodClient *iod_client_free(IodClient *c);
DEFINE_CLEANUP(IodClient *, iod_client_free);

/* Pipes and log of a new container; on_done gets the container's ends. Of all calls: @id borrowed, @ret for
 * iod_call_cancel(); 0 (on_done follows), or negative errno with a text. */
int iod_open(IodClient *c,
             const IodOpen *open,
             IodDone on_done,
             void *userdata,
             IodCall **ret,
             Error *error);
/* The main process, for OBJECT_PID= of the journal's copy. */
int iod_set_pid(IodClient *c,
                const char *id,
                pid_t pid,
                IodDone on_done,
                void *userdata,
                IodCall **ret,
                Error *error);
/* Everything that is in the pipes goes to the log; a new log file after rotation; the container is
 * forgotten. */
int iod_drain(IodClient *c, const char *id, IodDone on_done, void *userdata, IodCall **ret, Error *error);
int iod_reopen(IodClient *c, const char *id, IodDone on_done, void *userdata, IodCall **ret, Error *error);
int iod_close(IodClient *c, const char *id, IodDone on_done, void *userdata, IodCall **ret, Error *error);

/* The callback will not be called; what was asked for still happens. NULL is fine. Returns NULL. */
IodCall *iod_call_cancel(IodCall *call);
