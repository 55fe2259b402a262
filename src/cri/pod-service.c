/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls about pod sandboxes.
 */

#include "basic/hashmap.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pod.h"
#include "cri/arena.h"
#include "cri/convert.h"
#include "cri/handlers.h"
#include "cri/labels.h"
#include "cri/request.h"
#include "proto/cri.pb-c.h"

static Runtime__V1__PodSandboxMetadata *metadata_new(Arena *a, const PodConfig *c) {
        Runtime__V1__PodSandboxMetadata *m =
                        arena_message(a, &runtime__v1__pod_sandbox_metadata__descriptor);

        m->name = c->name;
        m->uid = c->uid;
        m->namespace_ = c->namespace;
        m->attempt = (uint32_t) c->attempt;
        return m;
}

static Runtime__V1__PodSandboxState state_of(const Pod *p) {
        return p->state == POD_READY ? RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY :
                                       RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY;
}

static void answer_run(GrpcCall *call, const Id *id) {
        Runtime__V1__RunPodSandboxResponse reply = RUNTIME__V1__RUN_POD_SANDBOX_RESPONSE__INIT;

        reply.pod_sandbox_id = (char *) id->text;
        request_reply(call, &reply.base);
}

HANDLER(handle_run_pod_sandbox) {
        _cleanup_error_ Error error = ERROR_INIT;
        PodConfig config = { 0 };
        RequestWait *w;
        int r;

        REQUEST(request,
                Runtime__V1__RunPodSandboxRequest,
                runtime__v1__run_pod_sandbox_request__descriptor);
        w = request_wait_new(call, answer_run);
        if (!w)
                return;
        r = convert_pod_config(request->config, request->runtime_handler, &config, &error);
        if (r >= 0)
                r = pod_run(userdata, &config, &w->waiter, &w->id, &error);
        json_field_done(pod_config_fields, &config);
        request_wait_settle(w, r, &error);
}

static void answer_stop(GrpcCall *call, const Id *id) {
        Runtime__V1__StopPodSandboxResponse reply = RUNTIME__V1__STOP_POD_SANDBOX_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

/* An unknown one is as good as done; an id that stands for several is not. */
static int find_or_done(Manager *m, const char *id, Pod **ret, Error *error) {
        int r = manager_find_pod(m, id, ret, error);

        if (r != -ENOENT)
                return r;
        error_done(error);
        return 1;
}

HANDLER(handle_stop_pod_sandbox) {
        _cleanup_error_ Error error = ERROR_INIT;
        RequestWait *w;
        Pod *p;
        int r;

        REQUEST(request,
                Runtime__V1__StopPodSandboxRequest,
                runtime__v1__stop_pod_sandbox_request__descriptor);
        w = request_wait_new(call, answer_stop);
        if (!w)
                return;
        r = find_or_done(userdata, request->pod_sandbox_id, &p, &error);
        if (r == 0)
                r = pod_stop(p, &w->waiter, &error);
        request_wait_settle(w, r, &error);
}

static void answer_remove(GrpcCall *call, const Id *id) {
        Runtime__V1__RemovePodSandboxResponse reply = RUNTIME__V1__REMOVE_POD_SANDBOX_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

HANDLER(handle_remove_pod_sandbox) {
        _cleanup_error_ Error error = ERROR_INIT;
        RequestWait *w;
        Pod *p;
        int r;

        REQUEST(request,
                Runtime__V1__RemovePodSandboxRequest,
                runtime__v1__remove_pod_sandbox_request__descriptor);
        w = request_wait_new(call, answer_remove);
        if (!w)
                return;
        r = find_or_done(userdata, request->pod_sandbox_id, &p, &error);
        if (r == 0)
                r = pod_remove(p, /* abandon= */ true, &w->waiter, &error);
        request_wait_settle(w, r, &error);
}

static Runtime__V1__PodSandboxNetworkStatus *network_new_status(Arena *a, const Pod *p) {
        Runtime__V1__PodSandboxNetworkStatus *n =
                        arena_message(a, &runtime__v1__pod_sandbox_network_status__descriptor);
        size_t count = strv_length(p->addresses);

        if (count == 0)
                return n;
        n->ip = p->addresses[0];
        n->additional_ips = (Runtime__V1__PodIP **)
                        arena_messages(a, &runtime__v1__pod_ip__descriptor, count - 1);
        if (!n->additional_ips)
                return n;
        n->n_additional_ips = count - 1;
        for (size_t i = 1; i < count; i++)
                n->additional_ips[i - 1]->ip = p->addresses[i];
        return n;
}

static Runtime__V1__LinuxPodSandboxStatus *linux_new(Arena *a, const Pod *p) {
        Runtime__V1__LinuxPodSandboxStatus *l =
                        arena_message(a, &runtime__v1__linux_pod_sandbox_status__descriptor);
        Runtime__V1__NamespaceOption *o = arena_message(a, &runtime__v1__namespace_option__descriptor);

        o->network = p->config.network_mode;
        o->pid = p->config.pid_mode;
        o->ipc = p->config.ipc_mode;
        l->namespaces = arena_message(a, &runtime__v1__namespace__descriptor);
        l->namespaces->options = o;
        return l;
}

static Runtime__V1__PodSandboxStatus *pod_status_new(Arena *a, const Pod *p) {
        Runtime__V1__PodSandboxStatus *s = arena_message(a, &runtime__v1__pod_sandbox_status__descriptor);

        s->id = p->id;
        s->metadata = metadata_new(a, &p->config);
        s->state = state_of(p);
        s->created_at = p->created_at_nsec;
        s->network = network_new_status(a, p);
        s->linux = linux_new(a, p);
        s->labels =
                        arena_map(a,
                                  &runtime__v1__pod_sandbox_status__labels_entry__descriptor,
                                  p->config.labels,
                                  &s->n_labels);
        s->annotations =
                        arena_map(a,
                                  &runtime__v1__pod_sandbox_status__annotations_entry__descriptor,
                                  p->config.annotations,
                                  &s->n_annotations);
        s->runtime_handler = p->config.runtime_handler ?: s->runtime_handler;
        return s;
}

static void add_info(Arena *a, const Pod *p, Runtime__V1__PodSandboxStatusResponse *reply) {
        _cleanup_free_ char *netns = pod_get_netns_path(p);
        _cleanup_json_ json_t *json =
                        json_pack("{s:i, s:s, s:s}",
                                  "pid",
                                  (int) p->pause_pid,
                                  "cgroupSlice",
                                  p->slice,
                                  "netns",
                                  strempty(netns));
        char **pairs = arena_alloc(a, 3, sizeof(char *));

        if (!pairs)
                return;
        pairs[0] = arena_printf(a, "info");
        pairs[1] = arena_own(a, json ? json_dumps(json, JSON_COMPACT) : NULL);
        reply->info =
                        arena_map(a,
                                  &runtime__v1__pod_sandbox_status_response__info_entry__descriptor,
                                  pairs,
                                  &reply->n_info);
}

HANDLER(handle_pod_sandbox_status) {
        Runtime__V1__PodSandboxStatusResponse reply = RUNTIME__V1__POD_SANDBOX_STATUS_RESPONSE__INIT;
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_arena_ arena = { 0 };
        Pod *p;
        int r;

        REQUEST(request,
                Runtime__V1__PodSandboxStatusRequest,
                runtime__v1__pod_sandbox_status_request__descriptor);
        r = manager_find_pod(userdata, request->pod_sandbox_id, &p, &error);
        if (r >= 0) {
                reply.status = pod_status_new(&arena, p);
                if (request->verbose)
                        add_info(&arena, p, &reply);
                r = arena_failed(&arena) ? -ENOMEM : 0;
        }
        if (r < 0)
                grpc_call_fail(call, r, &error);
        else
                request_reply(call, &reply.base);
}

static bool filter_matches(const Runtime__V1__PodSandboxFilter *f, const Pod *p) {
        if (!pod_is_visible(p))
                return false;
        if (!f)
                return true;
        if (!isempty(f->id) && !startswith(p->id, f->id))
                return false;
        if (f->state && f->state->state != state_of(p))
                return false;
        return labels_match((void **) f->label_selector, f->n_label_selector, p->config.labels);
}

static Runtime__V1__PodSandbox *item_new(Arena *a, const Pod *p) {
        Runtime__V1__PodSandbox *i = arena_message(a, &runtime__v1__pod_sandbox__descriptor);

        i->id = p->id;
        i->metadata = metadata_new(a, &p->config);
        i->state = state_of(p);
        i->created_at = p->created_at_nsec;
        i->labels =
                        arena_map(a,
                                  &runtime__v1__pod_sandbox__labels_entry__descriptor,
                                  p->config.labels,
                                  &i->n_labels);
        i->annotations =
                        arena_map(a,
                                  &runtime__v1__pod_sandbox__annotations_entry__descriptor,
                                  p->config.annotations,
                                  &i->n_annotations);
        i->runtime_handler = p->config.runtime_handler ?: i->runtime_handler;
        return i;
}

/* All that match; NULL when the arena failed. */
static Runtime__V1__PodSandbox **
items_new(Arena *a, const Manager *m, const Runtime__V1__PodSandboxFilter *filter, size_t *ret_n) {
        Runtime__V1__PodSandbox **items = arena_alloc(a, hashmap_size(m->pods), sizeof(*items));
        size_t n = 0;
        Pod *p;

        if (!items)
                return NULL;
        HASHMAP_FOREACH(p, m->pods)
                if (filter_matches(filter, p))
                        items[n++] = item_new(a, p);
        *ret_n = n;
        return items;
}

HANDLER(handle_list_pod_sandbox) {
        Runtime__V1__ListPodSandboxResponse reply = RUNTIME__V1__LIST_POD_SANDBOX_RESPONSE__INIT;
        _cleanup_arena_ arena = { 0 };

        REQUEST(request,
                Runtime__V1__ListPodSandboxRequest,
                runtime__v1__list_pod_sandbox_request__descriptor);
        reply.items = items_new(&arena, userdata, request->filter, &reply.n_items);
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}

/* One message an item: far below every limit. */
HANDLER(handle_stream_pod_sandboxes) {
        Runtime__V1__PodSandbox **items;
        _cleanup_arena_ arena = { 0 };
        size_t n = 0;
        int r;

        REQUEST(request,
                Runtime__V1__StreamPodSandboxesRequest,
                runtime__v1__stream_pod_sandboxes_request__descriptor);
        items = items_new(&arena, userdata, request->filter, &n);
        r = arena_failed(&arena) ? -ENOMEM : 0;
        for (size_t i = 0; i < n && r >= 0; i++) {
                Runtime__V1__StreamPodSandboxesResponse reply =
                                RUNTIME__V1__STREAM_POD_SANDBOXES_RESPONSE__INIT;

                reply.pod_sandboxes = items + i;
                reply.n_pod_sandboxes = 1;
                r = request_send(call, &reply.base);
        }
        grpc_call_finish(call, r);
}

static void answer_update_resources(GrpcCall *call, const Id *id) {
        Runtime__V1__UpdatePodSandboxResourcesResponse reply =
                        RUNTIME__V1__UPDATE_POD_SANDBOX_RESOURCES_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

HANDLER(handle_update_pod_sandbox_resources) {
        _cleanup_error_ Error error = ERROR_INIT;
        ContainerResources resources = { 0 };
        RequestWait *w;
        Pod *p;
        int r;

        REQUEST(request,
                Runtime__V1__UpdatePodSandboxResourcesRequest,
                runtime__v1__update_pod_sandbox_resources_request__descriptor);
        w = request_wait_new(call, answer_update_resources);
        if (!w)
                return;
        r = manager_find_pod(userdata, request->pod_sandbox_id, &p, &error);
        if (r >= 0)
                r = convert_pod_resources(request->resources, request->overhead, &resources, &error);
        if (r >= 0)
                r = pod_update(p, &resources, &w->waiter, &error);
        json_field_done(container_resources_fields, &resources);
        request_wait_settle(w, r, &error);
}
