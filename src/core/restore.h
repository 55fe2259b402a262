/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Restore: what a new daemon does before it serves anybody.
 *
 * Reads the files of its predecessor, asks PID 1 once what runs, records what ended meanwhile, takes back
 * what was half made. For the Manager only.
 */

#include "core/manager.h"

Restore *restore_free(Restore *x);
