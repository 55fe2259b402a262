/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Journal: copies of log lines for journald, in its native protocol, never waiting for it.
 *
 * What journald was too slow for is counted, and said in the journal as soon as it listens again.
 * Source: systemd "Native Journal Protocol".
 */

#include "stdio/record.h"

/**
 * journal_send_lines() - send every line of a chunk
 * @fields:  text that ends with a newline, "NAME=value\n…"; says who speaks
 * @n_lost:  lines of this container that were lost so far; kept up to date
 */
void journal_send_lines(
                int fd,
                const char *fields,
                RecordStream stream,
                const char *data,
                size_t size,
                uint64_t *n_lost);

/* A socket that is connected to journald and does not block; negative errno. */
int journal_open(void);
