/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ContainerLog: where the output of a container goes, for container-create.c and container-update.c.
 *
 * crio opens the log file and crio-iod writes it: crio-iod has no way to the file system of its own.
 */

#include "basic/error.h"

typedef struct Container Container;

/* Owned; CONTAINER_LOG_INIT, container_log_done(). */
typedef struct ContainerLog {
        int fd, dir_fd; /* negative: the container has no log */
        char *name;     /* of the file in its directory */
} ContainerLog;

#define CONTAINER_LOG_INIT ((ContainerLog){ .fd = -EBADF, .dir_fd = -EBADF })

void container_log_done(ContainerLog *log);

/**
 * container_log_open() - open the log file, made where it is not there
 * @make_directories:  those above it, too
 *
 * A symlink in its place is not followed; one that leads nowhere is removed first.
 *
 * Return: 0 (also without a log), or negative errno with @error set.
 * Spec: crio-surface.md section 10, cri-semantics.md section 12.1.
 */
int container_log_open(const Container *c, bool make_directories, ContainerLog *ret, Error *error);

/* "NAME=value" fields that say in the journal who speaks. @ret: owned by the caller. 0 or -ENOMEM. */
int container_log_format_fields(const Container *c, char ***ret);

/* The same, and what makes the lines appear as those of the container's units. */
int container_log_format_line_fields(const Container *c, char ***ret);
