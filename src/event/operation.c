/* SPDX-License-Identifier: Apache-2.0 */
#include "event/operation.h"

#include <inttypes.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fault.h"
#include "basic/log.h"
#include "basic/str.h"

/* A deadline may pass this much later, so that the kernel can bundle wake-ups. */
#define DEADLINE_ACCURACY_USEC (10 * USEC_PER_MSEC)

/* How long STEP_AGAIN waits. */
#define AGAIN_USEC (2 * USEC_PER_MSEC)

static void operation_schedule(Operation *op) {
        int r;

        r = sd_event_source_set_enabled(op->defer_source, SD_EVENT_ONESHOT);
        assert(r >= 0); /* the source is ours and of this process */
}

static void operation_finish(Operation *op) {
        OperationWaiter *w;
        int r = op->result;

        op->defer_source = sd_event_source_disable_unref(op->defer_source);
        op->deadline_source = sd_event_source_disable_unref(op->deadline_source);
        op->again_source = sd_event_source_disable_unref(op->again_source);
        op->running = false;

        while ((w = op->waiters)) {
                operation_leave(w);
                w->on_done(w, r, &op->error);
        }
        op->on_done(op, r); /* may free the object */
}

/* Tests let us die, fail or (before a step) stand still here. */
static int operation_fault(Operation *op, const char *moment) {
        const char *step = op->steps[op->current].name;
        int r = fault_point(op->name, step, moment);

        if (r < 0)
                return error_set(
                                &op->error,
                                r,
                                STATUS_INTERNAL,
                                "%s: a test failed step %s:%s",
                                op->name,
                                step,
                                moment);
        return r == FAULT_HOLD ? STEP_AGAIN : STEP_DONE;
}

/* For tests: which steps there are. */
static void operation_note(const Operation *op) {
        _cleanup_free_ char *line = str_join("operation ", op->name, ":", NULL);

        for (const OperationStep *s = op->steps; s->name && line; s++) {
                char *longer = str_join(line, " ", s->name, NULL);

                FREE_AND_REPLACE(line, longer);
        }
        if (line)
                fault_note(line);
}

static void operation_undo(Operation *op) {
        log_debug("%s: failed in step %s, undoing: %s",
                  op->name,
                  op->steps[op->current].name ?: "end",
                  error_get_text(&op->error, op->result));

        for (size_t i = op->current + 1; i-- > 0;) {
                if (op->steps[i].name)
                        (void) fault_point(op->name, op->steps[i].name, "undo"); /* can only die here */
                if (op->steps[i].undo)
                        op->steps[i].undo(op);
        }
}

static int operation_on_again(sd_event_source *source, uint64_t usec, void *userdata) {
        operation_schedule(userdata);
        return 0;
}

/* Runs the present step again, unless the operation is cancelled before. */
static int operation_arm_again(Operation *op) {
        op->again_source = sd_event_source_disable_unref(op->again_source);
        return sd_event_add_time_relative(
                        op->event,
                        &op->again_source,
                        CLOCK_MONOTONIC,
                        AGAIN_USEC,
                        AGAIN_USEC,
                        operation_on_again,
                        op);
}

/* What the present step says, or said: a step may be resumed before it returns. */
static int operation_run_step(Operation *op) {
        int r, fault;

        r = operation_fault(op, "before");
        if (r != STEP_DONE)
                return r;
        op->waiting = true;
        r = op->steps[op->current].run(op);
        if (r == STEP_WAIT) {
                fault = operation_fault(op, "waiting");
                if (fault < 0)
                        r = fault;
                else if (op->resumed)
                        r = op->resume_result;
                else
                        return STEP_WAIT;
        }
        op->waiting = op->resumed = false;
        return r;
}

/* For whoever asks where the time goes: "make pod: network took 28.123 ms". */
static void operation_log_time(Operation *op) {
        uint64_t now = now_usec();

        log_debug("%s: %s took %" PRIu64 ".%03u ms",
                  op->name,
                  op->steps[op->current].name,
                  (now - op->step_usec) / USEC_PER_MSEC,
                  (unsigned) ((now - op->step_usec) % USEC_PER_MSEC));
        op->step_usec = now;
}

/* The present step is done. */
static void operation_advance(Operation *op) {
        if (log_get_level() >= LOG_DEBUG)
                operation_log_time(op);
        op->result = MIN(operation_fault(op, "after"), 0);
        if (op->result == 0)
                op->current++;
}

static int operation_on_defer(sd_event_source *source, void *userdata) {
        Operation *op = userdata;
        int r;

        if (op->resumed) {
                op->resumed = op->waiting = false;
                op->result = op->resume_result;
                if (op->result == 0)
                        operation_advance(op);
        }

        while (op->result == 0 && op->steps[op->current].run) {
                r = operation_run_step(op);
                if (r == STEP_WAIT)
                        return 0;
                if (r == STEP_AGAIN) {
                        r = operation_arm_again(op);
                        if (r >= 0)
                                return 0;
                }
                if (r < 0)
                        op->result = r;
                else
                        operation_advance(op);
        }

        if (op->result < 0)
                operation_undo(op);
        operation_finish(op);
        return 0;
}

static int operation_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Operation *op = userdata;
        const char *step = op->steps[op->current].name;

        (void) error_set(
                        &op->error,
                        -ETIMEDOUT,
                        STATUS_DEADLINE_EXCEEDED,
                        "%s: timed out in step %s",
                        op->name,
                        step);
        operation_cancel(op, -ETIMEDOUT);
        return 0;
}

int operation_start(
                Operation *op,
                const char *name,
                sd_event *event,
                const OperationStep *steps,
                uint64_t timeout_usec,
                OperationDone on_done) {
        int r;

        assert(!op->running);
        assert(on_done);

        error_done(&op->error);
        *op = (Operation){ .name = name, .steps = steps, .event = event, .on_done = on_done };

        r = sd_event_add_defer(event, &op->defer_source, operation_on_defer, op);
        if (r >= 0 && timeout_usec != USEC_INFINITY)
                r = sd_event_add_time(
                                event,
                                &op->deadline_source,
                                CLOCK_MONOTONIC,
                                usec_from_now(timeout_usec),
                                DEADLINE_ACCURACY_USEC,
                                operation_on_deadline,
                                op);
        if (r < 0) {
                op->defer_source = sd_event_source_disable_unref(op->defer_source);
                return r;
        }

        op->running = true;
        if (log_get_level() >= LOG_DEBUG)
                op->step_usec = now_usec();
        if (fault_get_directory())
                operation_note(op);
        return 0;
}

void operation_resume(Operation *op, int r) {
        if (!op->running || !op->waiting || op->resumed)
                return;

        assert(r <= 0);
        op->resumed = true;
        op->resume_result = r;
        operation_schedule(op);
}

void operation_cancel(Operation *op, int r) {
        assert(r < 0);

        if (!op->running)
                return;
        if (op->waiting) {
                op->resumed = true; /* also over a success that the loop has not seen yet */
                op->resume_result = r;
        } else if (op->result == 0)
                op->result = r;
        operation_schedule(op);
}

void operation_done(Operation *op) {
        OperationWaiter *w;

        op->defer_source = sd_event_source_disable_unref(op->defer_source);
        op->deadline_source = sd_event_source_disable_unref(op->deadline_source);
        op->again_source = sd_event_source_disable_unref(op->again_source);
        op->running = false;
        while ((w = op->waiters)) {
                operation_leave(w);
                w->on_done(w, -ECANCELED, &op->error);
        }
        error_done(&op->error);
}

void operation_join(Operation *op, OperationWaiter *w) {
        assert(op->running);
        assert(!w->operation);

        w->operation = op;
        w->previous = NULL;
        w->next = op->waiters;
        if (w->next)
                w->next->previous = w;
        op->waiters = w;
}

void operation_leave(OperationWaiter *w) {
        if (!w->operation)
                return;

        if (w->previous)
                w->previous->next = w->next;
        else
                w->operation->waiters = w->next;
        if (w->next)
                w->next->previous = w->previous;
        w->operation = NULL;
        w->next = w->previous = NULL;
}
