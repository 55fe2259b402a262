/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Fault: places where tests let a program die, fail or stand still.
 *
 * Off unless the environment names a directory (FAULT_ENVIRONMENT), which only root can do, in a drop-in of
 * our unit; then a point costs a comparison. In that directory
 *   armed  has a line "ACTION OPERATION/STEP:MOMENT" for each fault, and
 *   trace  gets a line for each point that is passed, if the file is there.
 * kill (SIGKILL of this process) and fail (-EIO) strike once: their line is taken out first. Where the
 * directory can not be written they strike each time. hold stands still until somebody takes its line out.
 * For all programs; tests of the node tier write the files (test/lib/faults.py).
 */

#include "basic/macros.h"

#define FAULT_ENVIRONMENT "CRIO_FAULTS"

/* fault_point(): come here again in a moment. */
#define FAULT_HOLD 1

/* Looks at the environment; once, at start. A relative directory is as good as none. */
void fault_init(void);

/* The directory, NULL when there are no faults; for programs that start others. */
const char *fault_get_directory(void);

/**
 * fault_point() - a place where a fault can be armed
 * @operation:  name of the work, without '/' and ':'
 * @step:       part of it
 * @moment:     "before", "after", …
 *
 * Return: 0, FAULT_HOLD, or -EIO.
 */
int fault_point(const char *operation, const char *step, const char *moment);

/* A line for the trace that is not a point. */
void fault_note(const char *line);
