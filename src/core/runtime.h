/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runtime: command lines for OCI runtimes (crun, runc) and what they say in their logs.
 *
 * Source: the command line that crun and runc share (oci-runtime, "command line").
 */

#include "basic/error.h"

typedef struct Child Child;
typedef struct Container Container;

/* The command line up to and including @verb; owned by the caller. -ENOMEM. */
int runtime_format_command(const Container *c, const char *verb, char ***ret);

/* The same for "exec", whose failures go to its stderr, as JSON lines like in the log. */
int runtime_format_exec(const Container *c, char ***ret);

/* The last error in a log in JSON lines, owned by the caller; NULL when there is none. */
char *runtime_log_get_error(const char *log);

/* The same from the log file of a container; empties the file. */
char *runtime_take_error(const Container *c);

typedef void (*RuntimeDone)(int r, const Error *error, void *userdata);

/**
 * runtime_call() - run a verb and wait
 * @arguments:  behind the verb; NULL-terminated
 * @on_done:    once, from the loop; the owner then frees the call
 */
typedef struct RuntimeCall RuntimeCall;
int runtime_call(
                Container *c,
                const char *verb,
                char *const *arguments,
                RuntimeDone on_done,
                void *userdata,
                RuntimeCall **ret,
                Error *error);
/* Kills it when it still runs. Returns NULL. */
RuntimeCall *runtime_call_free(RuntimeCall *call);
