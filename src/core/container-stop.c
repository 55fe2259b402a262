/* SPDX-License-Identifier: Apache-2.0 */

/*
 * StopContainer: the stop signal, patience, SIGKILL. Nothing is held while it waits.
 */

#include <signal.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "core/container.h"
#include "core/manager.h"

/* Between SIGKILL and the record of the end. */
#define KILL_TIMEOUT_USEC (1 * USEC_PER_MINUTE)
/* How often it is killed, and PID 1 asked, meanwhile. */
#define KILL_AGAIN_USEC (2 * USEC_PER_SEC)
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

struct ContainerStop {
        Container *container;
        Operation operation;
        sd_event_source *timer;
        uint64_t deadline_usec;      /* of patience */
        uint64_t kill_deadline_usec; /* set once it is killed */
        bool killing;
};

ContainerStop *container_stop_free(ContainerStop *x) {
        if (!x)
                return NULL;

        x->timer = sd_event_source_disable_unref(x->timer);
        operation_done(&x->operation);
        free(x);
        return NULL;
}

static int stop_arm(ContainerStop *x, uint64_t usec);

/* A process that was forked at that moment, or word of the end that got lost. */
static int stop_kill_again(ContainerStop *x) {
        Container *c = x->container;

        if (!c->exit) {
                (void) container_kill(c, SIGKILL); /* again in a while */
                container_look(c);
        }
        return stop_arm(x, usec_from_now(KILL_AGAIN_USEC));
}

static int stop_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        ContainerStop *x = userdata;

        if (!x->killing)
                operation_resume(&x->operation, 0);
        else if (usec < x->kill_deadline_usec)
                return stop_kill_again(x);
        else
                operation_resume(
                                &x->operation,
                                error_set(&x->operation.error,
                                          -ETIMEDOUT,
                                          STATUS_DEADLINE_EXCEEDED,
                                          "container %s does not end, even after SIGKILL",
                                          x->container->id));
        return 0;
}

static int stop_arm(ContainerStop *x, uint64_t usec) {
        if (x->timer) {
                int r = sd_event_source_set_time(x->timer, usec);

                return r < 0 ? r : sd_event_source_set_enabled(x->timer, SD_EVENT_ONESHOT);
        }
        return sd_event_add_time(
                        x->container->manager->event,
                        &x->timer,
                        CLOCK_MONOTONIC,
                        usec,
                        TIMER_ACCURACY_USEC,
                        stop_on_timer,
                        x);
}

static bool is_over(const Container *c) {
        return c->state == CONTAINER_EXITED;
}

static int stop_step_signal(Operation *op) {
        ContainerStop *x = container_of(op, ContainerStop, operation);
        Container *c = x->container;
        int r;

        /* What was never started has nobody who would hear a signal. */
        if (is_over(c) || c->exit || c->state != CONTAINER_RUNNING || x->deadline_usec <= now_usec())
                return STEP_DONE;
        r = container_kill(c, container_get_stop_signal(c));
        if (r == -ESRCH)
                return STEP_DONE;
        if (r < 0)
                return error_set(
                                &op->error,
                                r,
                                STATUS_INTERNAL,
                                "signal container %s: %s",
                                c->id,
                                STRERROR(r));
        r = stop_arm(x, x->deadline_usec);
        return r < 0 ? r : STEP_WAIT;
}

static int stop_step_kill(Operation *op) {
        ContainerStop *x = container_of(op, ContainerStop, operation);
        Container *c = x->container;
        int r;

        if (is_over(c))
                return STEP_DONE;
        x->killing = true;
        if (!c->exit) {
                if (c->state == CONTAINER_RUNNING)
                        c->killed = true;
                r = container_kill(c, SIGKILL);
                if (r < 0 && r != -ESRCH)
                        return error_set(
                                        &op->error,
                                        r,
                                        STATUS_INTERNAL,
                                        "kill container %s: %s",
                                        c->id,
                                        STRERROR(r));
                if (r == -ESRCH)
                        container_look(c); /* ended already: PID 1 knows how */
        }
        x->kill_deadline_usec = usec_from_now(KILL_TIMEOUT_USEC);
        r = stop_arm(x, usec_from_now(KILL_AGAIN_USEC));
        return r < 0 ? r : STEP_WAIT;
}

static void stop_undo_timer(Operation *op) {
        ContainerStop *x = container_of(op, ContainerStop, operation);

        x->timer = sd_event_source_disable_unref(x->timer);
}

static const OperationStep stop_steps[] = {
        { "signal", stop_step_signal, stop_undo_timer },
        { "kill", stop_step_kill, stop_undo_timer },
        {},
};

static void stop_on_done(Operation *op, int r) {
        ContainerStop *x = container_of(op, ContainerStop, operation);

        x->container->stop = NULL;
        (void) container_stop_free(x);
}

void container_stop_on_exited(Container *c) {
        if (c->stop)
                operation_resume(&c->stop->operation, 0);
}

/* A second stop can only make it shorter. */
static void stop_shorten(ContainerStop *x, uint64_t deadline_usec) {
        if (deadline_usec >= x->deadline_usec)
                return;
        x->deadline_usec = deadline_usec;
        if (!x->killing && x->timer && stop_arm(x, deadline_usec) < 0)
                log_warning("container %s: the timer of its stop could not be set, the longer one holds",
                            x->container->id);
}

int container_stop(Container *c, uint64_t timeout_usec, OperationWaiter *w, Error *error) {
        uint64_t deadline_usec = usec_from_now(timeout_usec);
        ContainerStop *x = c->stop;
        int r;

        if (is_over(c) || c->state == CONTAINER_CREATING)
                return 1;
        if (x) {
                stop_shorten(x, deadline_usec);
                operation_join(&x->operation, w);
                return 0;
        }

        x = new0(ContainerStop, 1);
        if (!x)
                return -ENOMEM;
        *x = (ContainerStop){ .container = c, .deadline_usec = deadline_usec };
        r =
                        operation_start(&x->operation,
                                        "stop container",
                                        c->manager->event,
                                        stop_steps,
                                        USEC_INFINITY,
                                        stop_on_done);
        if (r < 0) {
                free(x);
                return r;
        }
        c->stop = x;
        operation_join(&x->operation, w);
        return 0;
}
