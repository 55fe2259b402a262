/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What PID 1 says in its messages: properties of units, and errors. For unit/ only.
 */

#include <systemd/sd-bus.h>

#include "basic/error.h"

typedef struct UnitState UnitState;

/* From an a{sv} of properties, into what is known of them. 0 or negative errno of sd-bus. */
int unit_state_read(sd_bus_message *m, UnitState *state);

/* Sets @error; -EEXIST, -ENOENT (no such unit), -ETIMEDOUT (no answer), else -EIO. @name: of the unit, for
 * the text. */
int systemd_error_read(Error *error, const char *name, const sd_bus_error *e);
