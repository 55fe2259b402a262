/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Operation: something that takes time, as a table of steps with their undos.
 *
 * Embedded in the object that holds the state of the work (container_of() leads back to it). Only the loop
 * runs steps, never a caller, a callback or another step. Failure, deadline and operation_cancel() all go
 * one way: undo from the current step backwards, then the completions, each exactly once; the last one is
 * the owner's and the last touch of the object, so that it may free it there.
 *
 * Each step is a fault point (basic/fault.h) "NAME/STEP": before it runs, waiting for what it armed, after
 * it is done, undo before it is taken back.
 *
 * Anybody can join a running operation (OperationWaiter) and leave it again; the work goes on without them.
 */

#include "basic/error.h"

typedef struct sd_event sd_event;
typedef struct sd_event_source sd_event_source;
typedef struct Operation Operation;
typedef struct OperationWaiter OperationWaiter;

/* A step is done and the next one may run. */
#define STEP_DONE 0
/* The step armed something that will call operation_resume(). */
#define STEP_WAIT 1
/* Something is in use by somebody else (a lock of the store): the step runs again in a moment. */
#define STEP_AGAIN 2

typedef struct OperationStep {
        const char *name;
        /* STEP_DONE, STEP_WAIT, STEP_AGAIN or a negative errno (then op->error should say why). */
        int (*run)(Operation *op);
        /* Disarms what the step armed and takes back what it did, half done or whole; never waits, never
         * fails. NULL: nothing to undo. */
        void (*undo)(Operation *op);
} OperationStep;

/* @r: 0 or negative errno; details are in op->error, borrowed. */
typedef void (*OperationDone)(Operation *op, int r);

struct OperationWaiter {
        void (*on_done)(OperationWaiter *w, int r, const Error *error);
        Operation *operation; /* NULL when it does not wait */
        OperationWaiter *next, *previous;
};

struct Operation {
        const char *name;
        const OperationStep *steps; /* ends with an empty row */
        size_t current;
        uint64_t step_usec; /* when the current step began; only kept at log level debug */
        sd_event *event;
        sd_event_source *defer_source;
        sd_event_source *deadline_source;
        sd_event_source *again_source;
        OperationDone on_done;
        OperationWaiter *waiters;
        Error error;
        int result; /* first failure */
        bool running, waiting, resumed;
        int resume_result;
};

/**
 * operation_start() - begin
 * @op:            embedded in the caller's object, zeroed or done
 * @event:         borrowed
 * @steps:         static table, ends with an empty row
 * @timeout_usec:  from now, USEC_INFINITY for none; -ETIMEDOUT is the result when it passes
 * @on_done:       the owner's completion, called from the loop, never from here
 *
 * Return: 0, or -ENOMEM (nothing was started, on_done will not be called).
 */
int operation_start(
                Operation *op,
                const char *name,
                sd_event *event,
                const OperationStep *steps,
                uint64_t timeout_usec,
                OperationDone on_done);

/* Ends the wait of the current step with 0 (next step) or a negative errno (undo). Ignored unless it waits.
 */
void operation_resume(Operation *op, int r);

/* Fails the operation with @r (negative errno, usually -ECANCELED) from the loop, as soon as possible.
 * Ignored when it does not run. */
void operation_cancel(Operation *op, int r);

/* Drops a running operation without undo and without completion of its owner; its waiters hear -ECANCELED.
 * For destructors of owners that go away with the whole daemon. Safe on zeroed and finished ones. */
void operation_done(Operation *op);

/* From operation_start() until right before the owner's completion. */
static inline bool operation_is_running(const Operation *op) {
        return op->running;
}

/* Waits for @op with @w->on_done, which is called once, before the owner's completion. */
void operation_join(Operation *op, OperationWaiter *w);

/* Stops waiting; on_done is not called. Safe when it does not wait. */
void operation_leave(OperationWaiter *w);
