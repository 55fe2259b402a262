/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Orphan: a container that PID 1 supervises and of which we have no file, because somebody removed it.
 *
 * Nobody can ask for it any more, so it is killed, and what belongs to it goes: its units, the runtime's
 * record, its streams and, when the store is repaired, its layer. Owned by the Manager. For core/restore.c.
 */

#include "basic/error.h"

typedef struct Manager Manager;
typedef struct Orphan Orphan;

/* Of a unit's name ("crio-ID.service"): whether it has neither an object nor a directory here. */
bool orphan_is(const Manager *m, const char *unit);

/* Begins to remove it. Failures later are logged; the next start tries again. 0 or -ENOMEM. */
int orphan_remove(Manager *m, const char *unit);

/* For the destructor of the daemon: all that are being removed. */
void orphan_free_all(Manager *m);
