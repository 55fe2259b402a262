/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a container: its last output is in its log before anybody hears that it ended, and its record
 * is on disk before PID 1 may forget it.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/exec.h"
#include "core/manager.h"
#include "core/pod.h"
#include "peer/iod.h"
#include "unit/cgroup.h"

#define EXIT_TIMEOUT_USEC (1 * USEC_PER_MINUTE)
#define SIGNAL_EXIT_BASE 128

struct ContainerExit {
        Container *container;
        Operation operation;
        SystemdCall *call;
        IodCall *iod;
        UnitState unit;
        bool known;
};

ContainerExit *container_exit_free(ContainerExit *x) {
        if (!x)
                return NULL;

        x->call = systemd_call_cancel(x->call);
        x->iod = iod_call_cancel(x->iod);
        operation_done(&x->operation);
        free(x);
        return NULL;
}

static void exit_on_drained(int r, const int *fds, const Error *error, void *userdata) {
        ContainerExit *x = userdata;

        x->iod = NULL;
        if (r < 0)
                log_warning("container %s: its last output may come late: %s",
                            x->container->id,
                            error_get_text(error, r));
        operation_resume(&x->operation, 0);
}

/* Of a scope; 0 when it is gone, too. */
static int64_t count_oom_kills(const Container *c) {
        _cleanup_free_ char *cgroup = container_get_cgroup_path(c);
        uint64_t n;

        if (!cgroup || cgroup_read_key(cgroup, "memory.events", "oom_kill", &n) < 0)
                return 0;
        return (int64_t) MIN(n, (uint64_t) INT64_MAX);
}

/*
 * A scope goes with its last process, and then its counter can not be read any more. The pod's slice counts
 * all: what neither the scopes that are there nor those that ended account for was in this one.
 */
static int64_t exit_count_oom_kills(const Container *c) {
        int64_t own = count_oom_kills(c), claimed = c->pod->n_oom_kills;
        const Container *other;

        if (own > 0)
                return own;
        HASHMAP_FOREACH(other, c->manager->containers)
                if (other->pod == c->pod && other != c && other->state != CONTAINER_EXITED)
                        claimed += other->n_oom_kills ?: count_oom_kills(other);
        return MAX(pod_count_oom_kills(c->pod) - claimed, INT64_C(0));
}

static int exit_step_drain(Operation *op) {
        ContainerExit *x = container_of(op, ContainerExit, operation);
        Container *c = x->container;
        _cleanup_free_ char *cgroup = container_get_cgroup_path(c);
        int r;

        c->n_oom_kills = exit_count_oom_kills(c);
        /* What the first process left behind in a shared process namespace. */
        if (cgroup) {
                r = cgroup_kill(cgroup);
                if (r < 0)
                        log_warning("container %s: kill its control group: %s, ignoring",
                                    c->id,
                                    STRERROR(r));
        }
        r = iod_drain(c->manager->iod, c->id, exit_on_drained, x, &x->iod, &op->error);
        if (r < 0) {
                log_warning("container %s: its last output may come late: %s",
                            c->id,
                            error_get_text(&op->error, r));
                error_done(&op->error);
                return STEP_DONE;
        }
        return STEP_WAIT;
}

static void exit_undo_drain(Operation *op) {
        ContainerExit *x = container_of(op, ContainerExit, operation);

        x->iod = iod_call_cancel(x->iod);
}

/* Also where a shell was the first process and passed on how its child ended. */
static bool exit_was_oom(const Container *c) {
        return c->n_oom_kills > 0 && c->exit_code == SIGNAL_EXIT_BASE + SIGKILL && !c->killed;
}

static void exit_fill(ContainerExit *x) {
        Container *c = x->container;
        const UnitState *unit = &x->unit;
        const char *reason = "Completed";
        int r;

        c->finished_at_nsec = x->known && unit->exec_main_exit_usec > 0 ?
                        (int64_t) (unit->exec_main_exit_usec * NSEC_PER_USEC) :
                        now_realtime_nsec();
        if (c->start_failed) { /* reason and code are there */
                c->started_at_nsec = c->finished_at_nsec;
                return;
        }
        if (!x->known) {
                c->exit_code = EXIT_UNKNOWN;
                reason = "Unknown";
        } else {
                c->exit_code = unit->exec_main_status +
                                (unit->exec_main_code == CLD_EXITED ? 0 : SIGNAL_EXIT_BASE);
                if (exit_was_oom(c))
                        reason = "OOMKilled";
                else if (c->exit_code != 0)
                        reason = "Error";
        }
        /* A short one ended before we heard from the runtime that it was started. */
        if (c->started_at_nsec == 0 || c->started_at_nsec > c->finished_at_nsec)
                c->started_at_nsec = c->finished_at_nsec;
        r = str_replace(&c->reason, reason);
        if (r >= 0 && !x->known)
                r = str_replace(&c->message, "nobody saw how the process ended");
        if (r < 0)
                log_warning("container %s: no memory for the reason of its end, leaving it out", c->id);
}

static int exit_step_record(Operation *op) {
        ContainerExit *x = container_of(op, ContainerExit, operation);
        Container *c = x->container;
        int r;

        exit_fill(x);
        if (c->n_oom_kills > 0) {
                c->pod->n_oom_kills += c->n_oom_kills;
                r = pod_save(c->pod, &op->error);
                if (r < 0)
                        return r;
        }
        c->state = CONTAINER_EXITED;
        c->pidfd = close_fd(c->pidfd);
        while (c->execs)
                exec_on_container_ended(c->execs);
        log_info("container %s: %s of %s/%s ended with %d (%s)",
                 c->id,
                 c->config.name,
                 c->pod->config.namespace,
                 c->pod->config.name,
                 c->exit_code,
                 strempty(c->reason));
        r = container_save(c, &op->error);
        container_stop_on_exited(c);
        return r;
}

static void exit_on_released(int r, const Error *error, void *userdata) {
        ContainerExit *x = userdata;

        x->call = NULL;
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

/* PID 1 may forget it now. */
static int exit_step_release(Operation *op) {
        ContainerExit *x = container_of(op, ContainerExit, operation);
        Container *c = x->container;
        _cleanup_free_ char *unit = container_get_service(c);
        int r;

        if (!unit)
                return -ENOMEM;
        if (!x->known)
                return STEP_DONE;
        r = streq(x->unit.active_state, "failed") ? systemd_reset_failed_unit(
                                                                    c->manager->systemd,
                                                                    unit,
                                                                    exit_on_released,
                                                                    x,
                                                                    &x->call,
                                                                    &op->error) :
                                                    systemd_stop_unit(
                                                                    c->manager->systemd,
                                                                    unit,
                                                                    exit_on_released,
                                                                    x,
                                                                    &x->call,
                                                                    &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void exit_undo_release(Operation *op) {
        ContainerExit *x = container_of(op, ContainerExit, operation);

        x->call = systemd_call_cancel(x->call);
}

static const OperationStep exit_steps[] = {
        { "drain", exit_step_drain, exit_undo_drain },
        { "record", exit_step_record, NULL },
        { "release", exit_step_release, exit_undo_release },
        {},
};

/* For an end that is on record already. */
static const OperationStep release_steps[] = {
        { "release", exit_step_release, exit_undo_release },
        {},
};

static void exit_on_done(Operation *op, int r) {
        ContainerExit *x = container_of(op, ContainerExit, operation);
        Container *c = x->container;

        c->unit_kept = r < 0;
        c->exit = NULL;
        if (r < 0 && c->state == CONTAINER_EXITED)
                log_warning("container %s: after its end: %s, PID 1 keeps its unit until it is removed",
                            c->id,
                            error_get_text(&op->error, r));
        else if (r < 0) {
                log_warning("container %s: its end is not on record: %s, trying again",
                            c->id,
                            error_get_text(&op->error, r));
                container_look_later(c);
        }
        (void) container_exit_free(x);
}

static int exit_begin(Container *c, const UnitState *unit, const OperationStep *steps) {
        ContainerExit *x = new0(ContainerExit, 1);
        int r;

        if (!x)
                return -ENOMEM;
        *x = (ContainerExit){ .container = c, .known = unit };
        if (unit)
                x->unit = *unit;
        r =
                        operation_start(&x->operation,
                                        steps == exit_steps ? "exit" : "release unit",
                                        c->manager->event,
                                        steps,
                                        EXIT_TIMEOUT_USEC,
                                        exit_on_done);
        if (r < 0) {
                free(x);
                return r;
        }
        c->exit = x;
        return 0;
}

void container_on_ended(Container *c, const UnitState *state) {
        int r;

        if (c->state == CONTAINER_CREATING || c->state == CONTAINER_EXITED || c->exit)
                return;
        if (c->start) { /* container_exit_resume() follows */
                c->ended = true;
                c->ended_known = state;
                return;
        }
        r = exit_begin(c, state, exit_steps);
        if (r < 0) {
                log_error("container %s: its end is not on record: %s, trying again", c->id, STRERROR(r));
                container_look_later(c);
        }
}

void container_release_unit(Container *c, bool failed) {
        UnitState state = {};

        (void) snprintf(state.active_state, sizeof(state.active_state), "%s", failed ? "failed" : "active");
        c->unit_kept = exit_begin(c, &state, release_steps) < 0;
}

void container_exit_resume(Container *c) {
        if (!c->ended)
                return;
        c->ended = false;
        container_on_ended(c, c->ended_known ? &c->watch.state : NULL);
}

int container_join_exit(Container *c, OperationWaiter *w) {
        if (!c->exit)
                return 1;
        operation_join(&c->exit->operation, w);
        return 0;
}
