/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UpdateContainerResources and ReopenContainerLog.
 */

#include <fcntl.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "core/container-log.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/resources-check.h"
#include "core/runtime.h"
#include "oci/resources.h"
#include "peer/iod.h"

struct ContainerUpdate {
        Container *container;
        Operation operation;
        RuntimeCall *runtime;
        IodCall *iod;
        ContainerResources resources; /* all of them, as they will be */
        char *file;                   /* with what is to change */
};

ContainerUpdate *container_update_free(ContainerUpdate *x) {
        if (!x)
                return NULL;

        x->runtime = runtime_call_free(x->runtime);
        x->iod = iod_call_cancel(x->iod);
        operation_done(&x->operation);
        json_field_done(container_resources_fields, &x->resources);
        free(x->file);
        free(x);
        return NULL;
}

/* A copy by way of the table that describes both. */
static int resources_copy(const ContainerResources *from, ContainerResources *to) {
        _cleanup_json_ json_t *json = json_field_save(container_resources_fields, from);

        return json ? json_field_load(container_resources_fields, json, to, NULL) : -ENOMEM;
}

/* What is given replaces what is there. */
static int resources_merge(ContainerResources *to, const ContainerResources *from) {
        int64_t oom_score_adj = to->oom_score_adj;
        _cleanup_json_ json_t *a = json_field_save(container_resources_fields, to),
                              *b = json_field_save(container_resources_fields, from);
        ContainerResources merged = { 0 };
        const char *key;
        json_t *value;
        int r;

        if (!a || !b)
                return -ENOMEM;
        json_object_foreach(b, key, value) {
                bool zero = json_is_integer(value) && json_integer_value(value) == 0;

                if (!zero && json_object_set(a, key, value) < 0)
                        return -ENOMEM;
        }
        r = json_field_load(container_resources_fields, a, &merged, NULL);
        merged.oom_score_adj = oom_score_adj; /* of the start: an update does not change it */
        if (r < 0) {
                json_field_done(container_resources_fields, &merged);
                return r;
        }
        json_field_done(container_resources_fields, to);
        *to = merged;
        return 0;
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
        r = x->file ? resources_copy(&c->config.resources, &x->resources) : -ENOMEM;
        if (r >= 0)
                r = resources_merge(&x->resources, resources);
        /* A memory limit without its swap limit, and the other way round, would be read as "remove". */
        if (r >= 0 && resources->memory_limit_bytes != 0 && resources->memory_swap_limit_bytes == 0)
                resources->memory_swap_limit_bytes = x->resources.memory_swap_limit_bytes;
        if (r >= 0)
                r = oci_resources_format(resources, c->manager->controllers, &text, error);
        if (r >= 0)
                r = write_file_atomic_at(AT_FDCWD, x->file, text, strlen(text), 0600, 0);
        return r;
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
