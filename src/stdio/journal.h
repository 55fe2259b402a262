/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Journal: lines of containers for journald, in its native protocol, never waiting for it.
 *
 * Source: systemd "Native Journal Protocol".
 */

#include "stdio/table.h"

/* A socket that is connected to journald and does not block; negative errno. */
int journal_open(void);

/**
 * journal_send() - one entry
 *
 * Return: 0, -EAGAIN (journald does not listen now), -EMSGSIZE and others (it never will), -ECONNREFUSED,
 * -ENOTCONN (nobody is there).
 */
int journal_send(int fd, const Slot *slot, const Record *record);

/* Says that @n_lines are missing here. */
int journal_send_gap(int fd, const Slot *slot, uint64_t n_lines);
