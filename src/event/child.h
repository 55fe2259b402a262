/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Child: a helper program that we run and wait for (CNI plugin, OCI runtime, worker).
 *
 * Described by a struct; none of our code runs between fork and exec (posix_spawn). Held by a pidfd, in a
 * process group of its own, with a deadline and limits on what it may print. What has to outlive a request
 * is a systemd unit, never a Child. Freed with child_free(), which kills it when it still runs.
 */

#include "basic/buffer.h"
#include "basic/error.h"

typedef struct sd_event sd_event;
typedef struct Child Child;

typedef struct ChildSpec {
        const char *const *argv;        /* argv[0]: absolute path */
        const char *const *environment; /* NULL: ours, less what systemd said to us */
        const void *stdin_data;         /* NULL: /dev/null; copied */
        size_t stdin_size;
        size_t stdout_max_bytes; /* 0: /dev/null; more than that fails with -E2BIG and kills it */
        size_t stderr_max_bytes; /* the last bytes are kept; 0: inherited */
        bool keep_head; /* of both: keep the first bytes and drop the rest, unchanged, instead of the above
                         */
        uint64_t timeout_usec; /* USEC_INFINITY for none */
        /* Descriptors for the child: fds[i] becomes descriptor 3 + i. Borrowed. */
        const int *fds;
        size_t n_fds;
} ChildSpec;

typedef struct ChildResult {
        int r;           /* 0: it ran and ended by itself; -ETIMEDOUT, -E2BIG, -ECANCELED: we killed it */
        int exit_code;   /* -1 when a signal ended it */
        int term_signal; /* 0 when it exited */
        const char *out; /* NUL-terminated, borrowed, never NULL */
        size_t out_size;
        const char *err; /* trailing newline removed unless @keep_head, borrowed, never NULL */
        size_t err_size;
} ChildResult;

/* Called once, from the loop, when it has ended and its output was read. May free the child. */
typedef void (*ChildDone)(Child *child, const ChildResult *result, void *userdata);

/**
 * child_start() - run a program
 * @event:  borrowed
 * @ret:    owned by the caller; valid before @on_done can run
 *
 * Return: 0, or negative errno of posix_spawn(3) (-ENOENT: no such program), with a text that names it.
 */
int child_start(sd_event *event,
                const ChildSpec *spec,
                ChildDone on_done,
                void *userdata,
                Child **ret,
                Error *error);

/* Kills it when it still runs (with its process group); on_done is not called. */
Child *child_free(Child *child);
DEFINE_CLEANUP(Child *, child_free);

/* SIGKILL; on_done follows with -ECANCELED. */
void child_kill(Child *child);

/* Valid until on_done was called. */
pid_t child_get_pid(const Child *child);

/**
 * child_result_check() - the usual reading of a result
 * @what:  names the program in the text
 *
 * Return: 0 for exit code 0; else negative errno (-EIO for a bad exit or a signal) with a text that holds
 * its last words.
 */
int child_result_check(const ChildResult *result, const char *what, Error *error);
