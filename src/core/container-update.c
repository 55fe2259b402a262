/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UpdateContainerResources and ReopenContainerLog.
 */

#include <fcntl.h>
#include <inttypes.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "core/container-log.h"
#include "core/container.h"
#include "core/limits.h"
#include "core/manager.h"
#include "core/resources-check.h"
#include "core/runtime.h"
#include "oci/resources.h"
#include "peer/iod.h"
#include "unit/cgroup.h"
#include "unit/systemd.h"

struct ContainerUpdate {
        Container *container;
        Operation operation;
        RuntimeCall *runtime;
        SystemdCall *call;
        IodCall *iod;
        ContainerResources resources; /* all of them, as they will be */
        char *file;                   /* with what is to change */
};

ContainerUpdate *container_update_free(ContainerUpdate *x) {
        if (!x)
                return NULL;

        x->runtime = runtime_call_free(x->runtime);
        x->call = systemd_call_cancel(x->call);
        x->iod = iod_call_cancel(x->iod);
        operation_done(&x->operation);
        json_field_done(container_resources_fields, &x->resources);
        free(x->file);
        free(x);
        return NULL;
}

static void update_on_runtime(int r, const Error *error, void *userdata) {
        ContainerUpdate *x = userdata;

        x->runtime = runtime_call_free(x->runtime);
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

static int update_step_runtime(Operation *op) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);
        Container *c = x->container;
        _cleanup_free_ char *option = str_join("--resources=", x->file, NULL);
        char *const arguments[] = { option, c->id, NULL };
        int r;

        if (!option)
                return -ENOMEM;
        r = runtime_call(c, "update", arguments, update_on_runtime, x, &x->runtime, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void update_undo_runtime(Operation *op) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);

        x->runtime = runtime_call_free(x->runtime);
}

static void update_on_properties(int r, const Error *error, void *userdata) {
        ContainerUpdate *x = userdata;

        x->call = NULL;
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

/* Where the runtime left limits of the start on the scope, they would hold on. */
static int update_step_scope(Operation *op) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);
        Container *c = x->container;
        _cleanup_free_ char *scope = container_get_scope(c);
        Limits limits;
        int r;

        if (!scope)
                return -ENOMEM;
        r = limits_fill(&limits, &x->resources, c->manager->config->pids_limit, false, &op->error);
        if (r < 0)
                return r;

        const SystemdChange change = { .name = scope,
                                       .properties = limits.extras,
                                       .n_properties = limits.n,
                                       .on_done = update_on_properties,
                                       .userdata = x };

        r = systemd_set_properties(c->manager->systemd, &change, &x->call, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void update_undo_scope(Operation *op) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);

        x->call = systemd_call_cancel(x->call);
}

static int update_step_publish(Operation *op) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);
        Container *c = x->container;

        json_field_done(container_resources_fields, &c->config.resources);
        c->config.resources = x->resources;
        x->resources = (ContainerResources){ 0 };
        return container_save(c, &op->error);
}

static const OperationStep update_steps[] = {
        { "runtime", update_step_runtime, update_undo_runtime },
        { "scope", update_step_scope, update_undo_scope },
        { "publish", update_step_publish, NULL },
        {},
};

static void update_on_reopened(int r, const int *fds, const Error *error, void *userdata) {
        ContainerUpdate *x = userdata;

        x->iod = NULL;
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

static int reopen_step_log(Operation *op) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);
        _cleanup_(container_log_done) ContainerLog log = CONTAINER_LOG_INIT;
        Container *c = x->container;
        int r;

        r = container_log_open(c, false, &log, &op->error);
        if (r < 0)
                return r;
        if (log.fd < 0)
                return error_set(
                                &op->error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "container %s has no log",
                                c->id);
        r = iod_reopen(c->manager->iod,
                       &(IodOpen){ .id = c->id, .log_fd = log.fd },
                       update_on_reopened,
                       x,
                       &x->iod,
                       &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void reopen_undo_log(Operation *op) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);

        x->iod = iod_call_cancel(x->iod);
}

static const OperationStep reopen_steps[] = {
        { "log", reopen_step_log, reopen_undo_log },
        {},
};

static void update_on_done(Operation *op, int r) {
        ContainerUpdate *x = container_of(op, ContainerUpdate, operation);

        if (x->file)
                (void) rm_rf_at(AT_FDCWD, x->file); /* goes with the container at the latest */
        x->container->update = NULL;
        (void) container_update_free(x);
}

static int update_begin(Container *c, ContainerUpdate *x, const OperationStep *steps, OperationWaiter *w) {
        int r;

        x->container = c;
        r =
                        operation_start(&x->operation,
                                        "update container",
                                        c->manager->event,
                                        steps,
                                        CONTAINER_TIMEOUT_USEC,
                                        update_on_done);
        if (r < 0)
                return r;
        c->update = x;
        operation_join(&x->operation, w);
        return 0;
}

static int update_prepare(Container *c, ContainerResources *resources, ContainerUpdate *x, Error *error) {
        _cleanup_free_ char *text = NULL;
        int r;

        x->file = container_get_directory(c, "resources.json");
        r = x->file ? limits_copy(&c->config.resources, &x->resources) : -ENOMEM;
        if (r >= 0)
                r = limits_merge(&x->resources, resources);
        /* A memory limit without its swap limit, and the other way round, would be read as "remove". */
        if (r >= 0 && resources->memory_limit_bytes != 0 && resources->memory_swap_limit_bytes == 0)
                resources->memory_swap_limit_bytes = x->resources.memory_swap_limit_bytes;
        if (r >= 0)
                r = oci_resources_format(resources, c->manager->controllers, &text, error);
        if (r >= 0)
                r = write_file_atomic_at(AT_FDCWD, x->file, text, strlen(text), 0600, 0);
        return r;
}

/* The kernel would kill to keep such a limit. */
static int check_usage(Container *c, const ContainerResources *resources, Error *error) {
        _cleanup_free_ char *path = container_get_cgroup_path(c);
        CgroupStats s;

        if (resources->memory_limit_bytes <= 0 || !path || cgroup_read_stats(path, &s) < 0 ||
            s.memory_current == CGROUP_UNKNOWN ||
            s.memory_current <= (uint64_t) resources->memory_limit_bytes)
                return 0;
        return error_set(
                        error,
                        -EBUSY,
                        STATUS_FAILED_PRECONDITION,
                        "memory_limit_in_bytes %" PRIi64 " is below the %" PRIu64
                        " bytes that container %s uses",
                        resources->memory_limit_bytes,
                        s.memory_current,
                        c->id);
}

int container_update(Container *c, ContainerResources *resources, OperationWaiter *w, Error *error) {
        ContainerUpdate *x;
        int r;

        r = resources_check(resources, error);
        if (r < 0)
                return r;
        if (c->state != CONTAINER_RUNNING && c->state != CONTAINER_CREATED)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "container %s neither runs nor waits to be started, it can not be updated",
                                c->id);
        if (c->update)
                return error_set(
                                error,
                                -EBUSY,
                                STATUS_ABORTED,
                                "container %s is being updated already",
                                c->id);

        r = check_usage(c, resources, error);
        if (r < 0)
                return r;
        x = new0(ContainerUpdate, 1);
        if (!x)
                return -ENOMEM;
        r = update_prepare(c, resources, x, error);
        if (r >= 0)
                r = update_begin(c, x, update_steps, w);
        if (r < 0)
                (void) container_update_free(x);
        return r;
}

int container_reopen_log(Container *c, OperationWaiter *w, Error *error) {
        ContainerUpdate *x;
        int r;

        if (c->state != CONTAINER_RUNNING)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "container %s is not running, its log is not opened again",
                                c->id);
        if (c->update)
                return error_set(error, -EBUSY, STATUS_ABORTED, "container %s is being updated", c->id);
        x = new0(ContainerUpdate, 1);
        if (!x)
                return -ENOMEM;
        r = update_begin(c, x, reopen_steps, w);
        if (r < 0)
                (void) container_update_free(x);
        return r;
}
