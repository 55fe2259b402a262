/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls that tell about containers. Answered from memory, also while something is being done to them.
 */

#include "basic/hashmap.h"
#include "basic/str.h"
#include "core/container-spec.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pod.h"
#include "core/signals.h"
#include "cri/arena.h"
#include "cri/handlers.h"
#include "cri/labels.h"
#include "cri/request.h"
#include "proto/cri.pb-c.h"

static Runtime__V1__ContainerState state_of(const Container *c) {
        static const Runtime__V1__ContainerState states[_CONTAINER_STATE_MAX] = {
                [CONTAINER_CREATING] = RUNTIME__V1__CONTAINER_STATE__CONTAINER_CREATED,
                [CONTAINER_CREATED] = RUNTIME__V1__CONTAINER_STATE__CONTAINER_CREATED,
                [CONTAINER_RUNNING] = RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING,
                [CONTAINER_EXITED] = RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED,
                [CONTAINER_UNKNOWN] = RUNTIME__V1__CONTAINER_STATE__CONTAINER_UNKNOWN,
        };

        return states[c->state];
}

static Runtime__V1__ContainerMetadata *metadata_new(Arena *a, const ContainerConfig *c) {
        Runtime__V1__ContainerMetadata *m = arena_message(a, &runtime__v1__container_metadata__descriptor);

        m->name = c->name;
        m->attempt = (uint32_t) c->attempt;
        return m;
}

static Runtime__V1__ImageSpec *image_new(Arena *a, const ContainerConfig *c, const char *image) {
        Runtime__V1__ImageSpec *s = arena_message(a, &runtime__v1__image_spec__descriptor);

        s->image = (char *) image;
        s->user_specified_image = c->user_specified_image ?: s->user_specified_image;
        s->runtime_handler = c->image_runtime_handler ?: s->runtime_handler;
        return s;
}

static bool filter_matches(const Runtime__V1__ContainerFilter *f, const Container *c) {
        if (!container_is_visible(c))
                return false;
        if (!f)
                return true;
        if (!isempty(f->id) && !startswith(c->id, f->id))
                return false;
        if (!isempty(f->pod_sandbox_id) && !startswith(c->pod->id, f->pod_sandbox_id))
                return false;
        if (f->state && f->state->state != state_of(c))
                return false;
        return labels_match((void **) f->label_selector, f->n_label_selector, c->config.labels);
}

static Runtime__V1__Container *item_new(Arena *a, const Container *c) {
        Runtime__V1__Container *i = arena_message(a, &runtime__v1__container__descriptor);

        i->id = c->id;
        i->pod_sandbox_id = c->pod->id;
        i->metadata = metadata_new(a, &c->config);
        i->image = image_new(a, &c->config, c->config.image);
        i->image_ref = c->image_ref;
        i->image_id = c->image_id;
        i->state = state_of(c);
        i->created_at = c->created_at_nsec;
        i->labels =
                        arena_map(a,
                                  &runtime__v1__container__labels_entry__descriptor,
                                  c->config.labels,
                                  &i->n_labels);
        i->annotations =
                        arena_map(a,
                                  &runtime__v1__container__annotations_entry__descriptor,
                                  c->config.annotations,
                                  &i->n_annotations);
        return i;
}

static Runtime__V1__Container **
items_new(Arena *a, const Manager *m, const Runtime__V1__ContainerFilter *filter, size_t *ret_n) {
        Runtime__V1__Container **items = arena_alloc(a, hashmap_size(m->containers), sizeof(*items));
        size_t n = 0;
        Container *c;

        if (!items)
                return NULL;
        HASHMAP_FOREACH(c, m->containers)
                if (filter_matches(filter, c))
                        items[n++] = item_new(a, c);
        *ret_n = n;
        return items;
}

HANDLER(handle_list_containers) {
        Runtime__V1__ListContainersResponse reply = RUNTIME__V1__LIST_CONTAINERS_RESPONSE__INIT;
        _cleanup_arena_ arena = { 0 };

        REQUEST(request,
                Runtime__V1__ListContainersRequest,
                runtime__v1__list_containers_request__descriptor);
        reply.containers = items_new(&arena, userdata, request->filter, &reply.n_containers);
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}

HANDLER(handle_stream_containers) {
        Runtime__V1__Container **items;
        _cleanup_arena_ arena = { 0 };
        size_t n = 0;
        int r;

        REQUEST(request,
                Runtime__V1__StreamContainersRequest,
                runtime__v1__stream_containers_request__descriptor);
        items = items_new(&arena, userdata, request->filter, &n);
        r = arena_failed(&arena) ? -ENOMEM : 0;
        for (size_t i = 0; i < n && r >= 0; i++) {
                Runtime__V1__StreamContainersResponse reply = RUNTIME__V1__STREAM_CONTAINERS_RESPONSE__INIT;

                reply.containers = items + i;
                reply.n_containers = 1;
                r = request_send(call, &reply.base);
        }
        grpc_call_finish(call, r);
}

static void add_mounts(Arena *a, const Container *c, Runtime__V1__ContainerStatus *s) {
        const ContainerConfig *config = &c->config;

        s->mounts = (Runtime__V1__Mount **)
                        arena_messages(a, &runtime__v1__mount__descriptor, config->n_mounts);
        if (!s->mounts)
                return;
        s->n_mounts = config->n_mounts;
        for (size_t i = 0; i < s->n_mounts; i++) {
                s->mounts[i]->container_path = config->mounts[i].container_path;
                s->mounts[i]->host_path = config->mounts[i].host_path;
                s->mounts[i]->readonly = config->mounts[i].readonly;
                s->mounts[i]->recursive_read_only = config->mounts[i].recursive_readonly;
                s->mounts[i]->propagation = config->mounts[i].propagation;
        }
}

static Runtime__V1__LinuxContainerResources *resources_new(Arena *a, const ContainerResources *from) {
        Runtime__V1__LinuxContainerResources *r =
                        arena_message(a, &runtime__v1__linux_container_resources__descriptor);

        r->cpu_period = from->cpu_period_usec;
        r->cpu_quota = from->cpu_quota_usec;
        r->cpu_shares = from->cpu_shares;
        r->memory_limit_in_bytes = from->memory_limit_bytes;
        r->memory_swap_limit_in_bytes = from->memory_swap_limit_bytes;
        r->oom_score_adj = from->oom_score_adj;
        r->cpuset_cpus = from->cpuset_cpus ?: r->cpuset_cpus;
        r->cpuset_mems = from->cpuset_mems ?: r->cpuset_mems;
        r->unified =
                        arena_map(a,
                                  &runtime__v1__linux_container_resources__unified_entry__descriptor,
                                  from->unified,
                                  &r->n_unified);
        r->hugepage_limits = (Runtime__V1__HugepageLimit **)
                        arena_messages(a, &runtime__v1__hugepage_limit__descriptor, from->n_hugepage_limits);
        if (!r->hugepage_limits)
                return r;
        r->n_hugepage_limits = from->n_hugepage_limits;
        for (size_t i = 0; i < r->n_hugepage_limits; i++) {
                r->hugepage_limits[i]->page_size = from->hugepage_limits[i].page_size;
                r->hugepage_limits[i]->limit = (uint64_t) from->hugepage_limits[i].limit_bytes;
        }
        return r;
}

static Runtime__V1__ContainerUser *user_new(Arena *a, const Container *c) {
        Runtime__V1__ContainerUser *u = arena_message(a, &runtime__v1__container_user__descriptor);

        u->linux = arena_message(a, &runtime__v1__linux_container_user__descriptor);
        u->linux->uid = c->uid;
        u->linux->gid = c->gid;
        u->linux->supplemental_groups = c->groups;
        u->linux->n_supplemental_groups = c->n_groups;
        return u;
}

static void add_end(const Container *c, Runtime__V1__ContainerStatus *s) {
        if (c->state != CONTAINER_EXITED)
                return;
        s->finished_at = c->finished_at_nsec;
        s->exit_code = c->exit_code;
        s->reason = c->reason ?: s->reason;
        s->message = c->message ?: s->message;
}

static Runtime__V1__ContainerStatus *container_status_new(Arena *a, const Container *c) {
        Runtime__V1__ContainerStatus *s = arena_message(a, &runtime__v1__container_status__descriptor);

        s->id = c->id;
        s->metadata = metadata_new(a, &c->config);
        s->state = state_of(c);
        s->created_at = c->created_at_nsec;
        s->started_at = c->started_at_nsec;
        add_end(c, s);
        s->image = image_new(a, &c->config, c->config.user_specified_image ?: c->config.image);
        s->image_ref = c->image_ref;
        s->image_id = c->image_id;
        s->labels =
                        arena_map(a,
                                  &runtime__v1__container_status__labels_entry__descriptor,
                                  c->config.labels,
                                  &s->n_labels);
        s->annotations =
                        arena_map(a,
                                  &runtime__v1__container_status__annotations_entry__descriptor,
                                  c->config.annotations,
                                  &s->n_annotations);
        add_mounts(a, c, s);
        s->log_path = arena_own(a, container_get_log_path(c));
        s->resources = arena_message(a, &runtime__v1__container_resources__descriptor);
        s->resources->linux = resources_new(a, &c->config.resources);
        s->user = user_new(a, c);
        s->stop_signal = signal_to_cri(container_get_stop_signal(c));
        return s;
}

static void add_info(Arena *a, const Container *c, Runtime__V1__ContainerStatusResponse *reply) {
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *spec = NULL, *json = NULL;
        char **pairs = arena_alloc(a, 3, sizeof(char *));
        size_t size;

        if (!pairs)
                return;
        if (container_read_spec(c, &text, &size, NULL) < 0 ||
            json_parse("config.json", text, size, &spec, NULL) < 0)
                spec = json_null(); /* only for people */
        json =
                        json_pack("{s:s, s:i, s:b, s:O}",
                                  "sandboxID",
                                  c->pod->id,
                                  "pid",
                                  c->state == CONTAINER_RUNNING ? c->pid : 0,
                                  "privileged",
                                  (int) c->config.privileged,
                                  "runtimeSpec",
                                  spec);
        pairs[0] = arena_printf(a, "info");
        pairs[1] = arena_own(a, json ? json_dumps(json, JSON_COMPACT) : NULL);
        reply->info =
                        arena_map(a,
                                  &runtime__v1__container_status_response__info_entry__descriptor,
                                  pairs,
                                  &reply->n_info);
}

HANDLER(handle_container_status) {
        Runtime__V1__ContainerStatusResponse reply = RUNTIME__V1__CONTAINER_STATUS_RESPONSE__INIT;
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_arena_ arena = { 0 };
        Container *c;
        int r;

        REQUEST(request,
                Runtime__V1__ContainerStatusRequest,
                runtime__v1__container_status_request__descriptor);
        r = manager_find_container(userdata, request->container_id, &c, &error);
        if (r >= 0) {
                reply.status = container_status_new(&arena, c);
                if (request->verbose)
                        add_info(&arena, c, &reply);
                r = arena_failed(&arena) ? -ENOMEM : 0;
        }
        if (r < 0)
                grpc_call_fail(call, r, &error);
        else
                request_reply(call, &reply.base);
}
