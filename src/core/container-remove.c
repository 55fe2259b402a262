/* SPDX-License-Identifier: Apache-2.0 */

/*
 * RemoveContainer. Every step may be repeated, and copes with a container that was made in part.
 */

#include <fcntl.h>
#include <signal.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "core/container.h"
#include "core/gather.h"
#include "core/images.h"
#include "core/manager.h"
#include "core/runtime.h"
#include "image/store.h"
#include "peer/iod.h"
#include "unit/cgroup.h"

/* How often what has to go is killed while PID 1 stops its unit. */
#define KILL_AGAIN_USEC (100 * USEC_PER_MSEC)

struct ContainerRemove {
        Container *container;
        Operation operation;
        Gather gather;
        SystemdCall *call;
        sd_event_source *kill_timer;
        RuntimeCall *runtime;
        IodCall *iod;
};

ContainerRemove *container_remove_free(ContainerRemove *x) {
        if (!x)
                return NULL;

        gather_done(&x->gather);
        sd_event_source_disable_unref(x->kill_timer);
        x->call = systemd_call_cancel(x->call);
        x->runtime = runtime_call_free(x->runtime);
        x->iod = iod_call_cancel(x->iod);
        operation_done(&x->operation);
        free(x);
        return NULL;
}

/* What is being made is not made any further. */
static int remove_step_create(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        OperationWaiter *w;

        gather_begin(&x->gather, op);
        x->gather.forgiving = true; /* it fails, that is what we want */
        w = gather_add(&x->gather);
        if (w && container_create_cancel(x->container, w) != 0)
                gather_drop(&x->gather, w, 0, NULL);
        return gather_end(&x->gather);
}

static int remove_step_stop(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        _cleanup_error_ Error error = ERROR_INIT;
        OperationWaiter *w;
        int r;

        gather_begin(&x->gather, op);
        w = gather_add(&x->gather);
        if (w) {
                r = container_stop(x->container, 0, w, &error);
                if (r != 0)
                        gather_drop(&x->gather, w, r, &error);
        }
        return gather_end(&x->gather);
}

/* Its record is being written, or PID 1 is told to forget it. */
static int remove_step_exit(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        OperationWaiter *w;

        gather_begin(&x->gather, op);
        w = gather_add(&x->gather);
        if (w && container_join_exit(x->container, w) != 0)
                gather_drop(&x->gather, w, 0, NULL);
        return gather_end(&x->gather);
}

static void remove_undo_gather(Operation *op) {
        gather_done(&container_of(op, ContainerRemove, operation)->gather);
}

static void remove_on_runtime(int r, const Error *error, void *userdata) {
        ContainerRemove *x = userdata;

        if (r < 0)
                log_debug("container %s: %s, ignoring", x->container->id, error_get_text(error, r));
        x->runtime = runtime_call_free(x->runtime);
        operation_resume(&x->operation, 0);
}

static int remove_step_runtime(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        Container *c = x->container;
        static const char force[] = "--force";
        char *const arguments[] = { (char *) force, c->id, NULL };
        _cleanup_free_ char *cgroup = container_get_cgroup_path(c);
        int r;

        if (cgroup)
                (void) cgroup_kill(cgroup); /* the runtime kills, too, if it knows of it */

        r = runtime_call(c, "delete", arguments, remove_on_runtime, x, &x->runtime, &op->error);
        if (r < 0) {
                log_warning("container %s: %s, its runtime may keep a record",
                            c->id,
                            error_get_text(&op->error, r));
                error_done(&op->error);
                return STEP_DONE;
        }
        return STEP_WAIT;
}

static void remove_undo_runtime(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);

        x->runtime = runtime_call_free(x->runtime);
}

static int remove_kill(ContainerRemove *x);

static void remove_on_unit(int r, const Error *error, void *userdata) {
        ContainerRemove *x = userdata;

        x->call = NULL;
        x->kill_timer = sd_event_source_disable_unref(x->kill_timer);
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

static int remove_on_kill_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        return remove_kill(userdata);
}

/* The runtime may still be at work on it, and what it makes is deaf to the signal that PID 1 sends. */
static int remove_kill(ContainerRemove *x) {
        _cleanup_free_ char *cgroup = container_get_cgroup_path(x->container);

        if (cgroup)
                (void) cgroup_kill(cgroup); /* again in a moment */
        x->kill_timer = sd_event_source_disable_unref(x->kill_timer);
        return sd_event_add_time_relative(
                        x->container->manager->event,
                        &x->kill_timer,
                        CLOCK_MONOTONIC,
                        KILL_AGAIN_USEC,
                        0,
                        remove_on_kill_timer,
                        x);
}

/* Only what was not recorded as ended can still have a unit. It goes before the runtime is told: whatever
 * the runtime still does for it ends with it. */
static int remove_step_unit(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        Container *c = x->container;
        _cleanup_free_ char *unit = container_get_service(c);
        int r;

        if (c->state == CONTAINER_EXITED && !c->unit_kept)
                return STEP_DONE;
        if (!unit)
                return -ENOMEM;
        r = systemd_stop_unit(c->manager->systemd, unit, remove_on_unit, x, &x->call, &op->error);
        if (r >= 0)
                r = remove_kill(x);
        return r < 0 ? r : STEP_WAIT;
}

static int remove_step_unit_failed(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        Container *c = x->container;
        _cleanup_free_ char *unit = container_get_service(c);
        int r;

        if (c->state == CONTAINER_EXITED && !c->unit_kept)
                return STEP_DONE;
        if (!unit)
                return -ENOMEM;
        r = systemd_reset_failed_unit(c->manager->systemd, unit, remove_on_unit, x, &x->call, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void remove_undo_unit(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);

        x->kill_timer = sd_event_source_disable_unref(x->kill_timer);
        x->call = systemd_call_cancel(x->call);
}

static void remove_on_stdio(int r, const int *fds, const Error *error, void *userdata) {
        ContainerRemove *x = userdata;

        x->iod = NULL;
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

static int remove_step_stdio(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        int r;

        r = iod_close(x->container->manager->iod, x->container->id, remove_on_stdio, x, &x->iod, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void remove_undo_stdio(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);

        x->iod = iod_call_cancel(x->iod);
}

static int remove_step_layer(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        r = store_remove_container(x->container->manager->store, x->container->id, false, &error);
        if (r == -EAGAIN)
                return STEP_AGAIN;
        error_move(&op->error, &error);
        images_clean(x->container->manager->images);
        return r < 0 ? r : STEP_DONE;
}

static int remove_step_files(Operation *op) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        Container *c = x->container;
        _cleanup_free_ char *dir = container_get_directory(c, NULL);
        int r;

        r = dir ? rm_rf_at(AT_FDCWD, dir) : -ENOMEM;
        if (r < 0)
                return error_set(
                                &op->error,
                                r,
                                STATUS_INTERNAL,
                                "remove state of container %s: %s",
                                c->id,
                                STRERROR(r));
        c->remove = NULL; /* x lives until its completion */
        x->container = NULL;
        (void) container_free(c);
        return STEP_DONE;
}

static const OperationStep remove_steps[] = {
        { "create", remove_step_create, remove_undo_gather },
        { "stop", remove_step_stop, remove_undo_gather },
        { "exit", remove_step_exit, remove_undo_gather },
        { "unit", remove_step_unit, remove_undo_unit },
        { "unit-failed", remove_step_unit_failed, remove_undo_unit },
        { "runtime", remove_step_runtime, remove_undo_runtime },
        { "stdio", remove_step_stdio, remove_undo_stdio },
        { "layer", remove_step_layer, NULL },
        { "files", remove_step_files, NULL },
        {},
};

static void remove_on_done(Operation *op, int r) {
        ContainerRemove *x = container_of(op, ContainerRemove, operation);
        Container *c = x->container;

        if (c) {
                log_warning("container %s: could not be removed: %s, waiting to be asked again",
                            c->id,
                            error_get_text(&op->error, r));
                c->remove = NULL;
                if (c->state == CONTAINER_CREATING) /* half of it is there: clients have to see it */
                        c->state = CONTAINER_UNKNOWN;
        }
        (void) container_remove_free(x);
}

int container_remove(Container *c, OperationWaiter *w, Error *error) {
        ContainerRemove *x = c->remove;
        int r;

        if (x) {
                if (w)
                        operation_join(&x->operation, w);
                return 0;
        }

        x = new0(ContainerRemove, 1);
        if (!x)
                return -ENOMEM;
        x->container = c;
        r =
                        operation_start(&x->operation,
                                        "remove container",
                                        c->manager->event,
                                        remove_steps,
                                        CONTAINER_TIMEOUT_USEC,
                                        remove_on_done);
        if (r < 0) {
                free(x);
                return r;
        }
        c->remove = x;
        if (w)
                operation_join(&x->operation, w);
        return 0;
}
