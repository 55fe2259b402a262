/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Exec: one command that a client runs in a container (ExecSync).
 *
 * In a cgroup of its own below the container's, so that a timeout ends all of its processes and nothing
 * else. Ends with the container.
 */

#include "basic/error.h"

typedef struct Container Container;
typedef struct Exec Exec;

/* Both streams together stay below what a client can receive in one message. */
#define EXEC_OUTPUT_MAX (16 * MIB - 64 * KIB) /* of each stream; both have to fit into one answer */
#define EXEC_ARGUMENTS_MAX (2 * MIB)
#define EXECS_MAX 256 /* at a time, in one container */

typedef struct ExecResult {
        int exit_code;
        const char *out, *err; /* borrowed */
        size_t out_size, err_size;
} ExecResult;

/* @result: NULL on failure; -ETIMEDOUT with DEADLINE_EXCEEDED. The Exec is freed afterwards. */
typedef void (*ExecDone)(int r, const ExecResult *result, const Error *error, void *userdata);

/**
 * exec_start() - run a command
 * @timeout_usec:  USEC_INFINITY for none
 * @ret:           for exec_cancel()
 */
int exec_start(Container *c,
               char *const *args,
               uint64_t timeout_usec,
               ExecDone on_done,
               void *userdata,
               Exec **ret,
               Error *error);

/* Kills it with all its processes; on_done is not called. Returns NULL. */
Exec *exec_cancel(Exec *e);

/* Its container is gone: the command fails now. */
void exec_on_container_ended(Exec *e);

/* Commands of our predecessor, whose clients are gone. */
void exec_clean_all(Container *c);
