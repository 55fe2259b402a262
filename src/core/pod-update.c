/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UpdatePodSandboxResources. The kubelet changes the control group of a pod itself, around this call: for
 * a slice that is somebody else's the values are only kept. A slice of our own has nobody else.
 */

#include "core/limits.h"
#include "core/manager.h"
#include "core/pod.h"
#include "core/resources-check.h"

#define POD_UPDATE_TIMEOUT_USEC (1 * USEC_PER_MINUTE)

struct PodUpdate {
        Pod *pod;
        Operation operation;
        SystemdCall *call;
        ContainerResources resources; /* all of them, as they will be */
};

PodUpdate *pod_update_free(PodUpdate *x) {
        if (!x)
                return NULL;

        x->call = systemd_call_cancel(x->call);
        operation_done(&x->operation);
        json_field_done(container_resources_fields, &x->resources);
        free(x);
        return NULL;
}

static void update_on_slice(int r, const Error *error, void *userdata) {
        PodUpdate *x = userdata;

        x->call = NULL;
        if (r < 0)
                error_copy(&x->operation.error, error);
        operation_resume(&x->operation, r);
}

static int update_step_slice(Operation *op) {
        PodUpdate *x = container_of(op, PodUpdate, operation);
        Pod *p = x->pod;
        Limits limits;
        int r;

        if (!p->slice_owned || p->released)
                return STEP_DONE;
        r = limits_fill(&limits, &x->resources, 0, /* cpu_weight= */ true, &op->error);
        if (r < 0)
                return r;

        const SystemdChange change = { .name = p->slice,
                                       .properties = limits.extras,
                                       .n_properties = limits.n,
                                       .on_done = update_on_slice,
                                       .userdata = x };

        r = systemd_set_properties(p->manager->systemd, &change, &x->call, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void update_undo_slice(Operation *op) {
        PodUpdate *x = container_of(op, PodUpdate, operation);

        x->call = systemd_call_cancel(x->call);
}

static int update_step_publish(Operation *op) {
        PodUpdate *x = container_of(op, PodUpdate, operation);
        Pod *p = x->pod;

        json_field_done(container_resources_fields, &p->config.resources);
        p->config.resources = x->resources;
        x->resources = (ContainerResources){ 0 };
        return pod_save(p, &op->error);
}

static const OperationStep update_steps[] = {
        { "slice", update_step_slice, update_undo_slice },
        { "publish", update_step_publish, NULL },
        {},
};

static void update_on_done(Operation *op, int r) {
        PodUpdate *x = container_of(op, PodUpdate, operation);

        x->pod->update = NULL;
        (void) pod_update_free(x);
}

int pod_update(Pod *p, const ContainerResources *resources, OperationWaiter *w, Error *error) {
        PodUpdate *x;
        int r;

        r = resources_check(resources, error);
        if (r < 0)
                return r;
        if (p->update)
                return error_set(
                                error,
                                -EBUSY,
                                STATUS_ABORTED,
                                "pod sandbox %s is being updated already",
                                p->id);

        x = new0(PodUpdate, 1);
        if (!x)
                return -ENOMEM;
        x->pod = p;
        r = limits_copy(&p->config.resources, &x->resources);
        if (r >= 0)
                r = limits_merge(&x->resources, resources);
        if (r >= 0)
                r =
                                operation_start(&x->operation,
                                                "update pod",
                                                p->manager->event,
                                                update_steps,
                                                POD_UPDATE_TIMEOUT_USEC,
                                                update_on_done);
        if (r < 0) {
                (void) pod_update_free(x);
                return r;
        }
        p->update = x;
        operation_join(&x->operation, w);
        return 0;
}
