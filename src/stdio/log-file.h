/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * LogFile: the CRI log file of one container, as the part of Streams that writes it.
 *
 * Records are written whole. What can not be written (full disk) is dropped, because a container must not
 * wait for a log, and counted; the log says how much as soon as it can be written again.
 */

#include "stdio/streams.h"

/**
 * log_file_deliver() - step 3 of the chunk under way
 * @offset:  where to begin in the bytes of the spool
 * @size:    of the spool
 */
void log_file_deliver(Streams *s, size_t offset, size_t size);

/**
 * log_file_switch() - go on in another file
 * @log_fd:  taken over, also on failure
 * @offset:  how much of the chunk under way is in the old file
 *
 * Both files are in the fd store at any moment until one store makes the new one count.
 */
int log_file_switch(Streams *s, int log_fd, size_t offset);

/* Says what was lost, if anything was and the file can be written. Between chunks. */
void log_file_say_lost(Streams *s);

/* Time for new records: now, but never before the latest record of the file. */
int64_t log_file_now(const Streams *s);
