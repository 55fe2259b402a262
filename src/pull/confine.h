/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Confine: takes from the process that reads archives what it has no use for. For pull/ only.
 */

#include "basic/macros.h"

/* No network, no other program, no other process from here on: such system calls fail with EPERM. 0, or
 * negative errno, with which nothing should be read. */
int confine_unpacker(void);
