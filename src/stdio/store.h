/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The fd store of systemd: descriptors that come back when we are started again (sd_pid_notify_with_fds(3)).
 */

#include "basic/error.h"

/* Keeps a duplicate of @fd under @name (at most 255 bytes, no ':'). 0, or negative errno. Without systemd:
 * 0. */
int fd_store_push(const char *name, int fd);

/* Drops everything of that name. */
int fd_store_remove(const char *name);
