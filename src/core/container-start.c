/* SPDX-License-Identifier: Apache-2.0 */

/*
 * StartContainer. A process that ends before this is over is looked at afterwards, so that a container never
 * goes from CREATED to EXITED without having been RUNNING.
 */

#include <dirent.h>
#include <signal.h>
#include <stdio.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/number.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pod.h"
#include "core/runtime.h"

struct ContainerStart {
        Container *container;
        Operation operation;
        RuntimeCall *runtime;
};

ContainerStart *container_start_free(ContainerStart *x) {
        if (!x)
                return NULL;

        x->runtime = runtime_call_free(x->runtime);
        operation_done(&x->operation);
        free(x);
        return NULL;
}

static void start_on_runtime(int r, const Error *error, void *userdata) {
        ContainerStart *x = userdata;

        x->runtime = runtime_call_free(x->runtime);
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

static int start_step_runtime(Operation *op) {
        ContainerStart *x = container_of(op, ContainerStart, operation);
        Container *c = x->container;
        char *const arguments[] = { c->id, NULL };
        int r;

        r = runtime_call(c, "start", arguments, start_on_runtime, x, &x->runtime, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void start_undo_runtime(Operation *op) {
        ContainerStart *x = container_of(op, ContainerStart, operation);

        x->runtime = runtime_call_free(x->runtime);
}

static int start_step_publish(Operation *op) {
        Container *c = container_of(op, ContainerStart, operation)->container;

        c->started_at_nsec = now_realtime_nsec();
        c->state = CONTAINER_RUNNING;
        return container_save(c, &op->error);
}

static const OperationStep start_steps[] = {
        { "runtime", start_step_runtime, start_undo_runtime },
        { "publish", start_step_publish, NULL },
        {},
};

/* The process was never executed: whatever is there ends, and the reason stays. */
static void start_failed(Container *c, const char *text) {
        if (str_replace(&c->reason, "StartError") < 0 || str_replace(&c->message, text) < 0)
                log_warning("container %s: no memory for the reason of its failure, leaving it out", c->id);
        c->exit_code = EXIT_NOT_STARTED;
        c->start_failed = true;
        if (c->state != CONTAINER_EXITED && container_kill(c, SIGKILL) < 0)
                container_look(c); /* nothing there that could end: PID 1 knows how it did */
}

static void start_on_done(Operation *op, int r) {
        ContainerStart *x = container_of(op, ContainerStart, operation);
        Container *c = x->container;

        c->start = NULL;
        if (r >= 0)
                log_info("container %s: %s of %s/%s runs as %d",
                         c->id,
                         c->config.name,
                         c->pod->config.namespace,
                         c->pod->config.name,
                         c->pid);
        else
                start_failed(c, error_get_text(&op->error, r));
        (void) container_start_free(x);
        container_exit_resume(c);
}

/* Both runtimes let the first process of a created container hold the fifo on which it waits for its start.
 */
static int process_waits_for_start(pid_t pid) {
        char path[sizeof("/proc//fd") + DECIMAL_MAX];
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", pid); /* fits by construction */
        dir = opendir(path);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                _cleanup_free_ char *target = NULL;

                if (readlink_at(dirfd(dir), entry->d_name, &target) >= 0 && endswith(target, "/exec.fifo"))
                        return true;
        }
        return false;
}

int container_find_started(Container *c, Error *error) {
        if (c->state != CONTAINER_CREATED || process_waits_for_start(c->pid) != false)
                return 0;
        log_info("container %s: was started before this crio was", c->id);
        c->started_at_nsec = now_realtime_nsec();
        c->state = CONTAINER_RUNNING;
        return container_save(c, error);
}

int container_start(Container *c, OperationWaiter *w, Error *error) {
        ContainerStart *x = c->start;
        int r;

        if (x && !c->stop && !c->remove) { /* whoever asks again while it runs wants that one */
                operation_join(&x->operation, w);
                return 0;
        }
        if (c->state != CONTAINER_CREATED || x || c->stop || c->remove || c->exit || c->ended)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "container %s is not in state created, it can not be started",
                                c->id);
        if (c->pod->state != POD_READY)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "pod sandbox %s of container %s is not ready",
                                c->pod->id,
                                c->id);

        x = new0(ContainerStart, 1);
        if (!x)
                return -ENOMEM;
        x->container = c;
        r =
                        operation_start(&x->operation,
                                        "start container",
                                        c->manager->event,
                                        start_steps,
                                        CONTAINER_TIMEOUT_USEC,
                                        start_on_done);
        if (r < 0) {
                free(x);
                return r;
        }
        c->start = x;
        operation_join(&x->operation, w);
        return 0;
}
