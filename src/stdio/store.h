/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The fd store of systemd: descriptors that come back when we are started again (sd_pid_notify_with_fds(3)).
 *
 * Messages are handled in the order in which they were sent, and before systemd notices that the sender
 * ended. What does not fit is dropped by systemd without a word: see fd_store_get_max().
 */

#include "basic/error.h"

/* Keeps duplicates of @fds under @name (no ':'). 0, or negative errno. Without systemd: 0. */
int fd_store_push(const char *name, const int *fds, size_t n_fds);

/* Drops everything of that name. */
int fd_store_remove(const char *name);

/* How many fit: FileDescriptorStoreMax= of our unit, where systemd says it (254 and later). */
size_t fd_store_get_max(void);
