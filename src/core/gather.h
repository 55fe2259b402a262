/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Gather: one step of an operation that waits for several others.
 *
 * A value inside the operation's object. gather_begin(), gather_add() for each, then gather_end() as the
 * result of the step. The first failure is the result, after all have ended. For core/ only.
 */

#include "event/operation.h"

typedef struct GatherWaiter GatherWaiter;

typedef struct Gather {
        Operation *operation;
        GatherWaiter *waiters; /* owned */
        size_t n_pending;
        int r;
        bool forgiving; /* set behind gather_begin(): failures of others are not those of the step */
        Error error;
} Gather;

/* Starts afresh; @op is resumed when the last one ended. */
void gather_begin(Gather *g, Operation *op);

/* A waiter for operation_join(); NULL without memory (then gather_end() fails). */
OperationWaiter *gather_add(Gather *g);

/* Takes a waiter back that is not needed, because there was nothing to wait for or it failed at once. */
void gather_drop(Gather *g, OperationWaiter *w, int r, const Error *error);

/* STEP_WAIT, STEP_DONE or a negative errno; a failure's text goes into the operation. */
int gather_end(Gather *g);

/* Stops waiting. */
void gather_done(Gather *g);
