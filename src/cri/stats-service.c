/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls about what pods and containers use. Read from their control groups at the moment of the call.
 */

#include <fcntl.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/number.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pod.h"
#include "cri/arena.h"
#include "cri/handlers.h"
#include "cri/labels.h"
#include "cri/request.h"
#include "image/store.h"
#include "proto/cri.pb-c.h"
#include "unit/cgroup.h"

#define NET_DEV_MAX (64 * KIB)
#define INTERFACES_MAX 64

static Runtime__V1__UInt64Value *value_new(Arena *a, uint64_t value) {
        Runtime__V1__UInt64Value *v;

        if (value == CGROUP_UNKNOWN)
                return NULL;
        v = arena_message(a, &runtime__v1__uint64_value__descriptor);
        v->value = value;
        return v;
}

static Runtime__V1__PsiData *psi_data_new(Arena *a, const double *avg, uint64_t total_usec) {
        Runtime__V1__PsiData *d = arena_message(a, &runtime__v1__psi_data__descriptor);

        d->total = total_usec * NSEC_PER_USEC;
        d->avg10 = avg[0];
        d->avg60 = avg[1];
        d->avg300 = avg[2];
        return d;
}

static Runtime__V1__PsiStats *psi_new(Arena *a, const CgroupPressure *p) {
        Runtime__V1__PsiStats *s;

        if (!p->known)
                return NULL;
        s = arena_message(a, &runtime__v1__psi_stats__descriptor);
        s->some = psi_data_new(a, p->some_avg, p->some_total_usec);
        s->full = psi_data_new(a, p->full_avg, p->full_total_usec);
        return s;
}

static Runtime__V1__CpuUsage *cpu_new(Arena *a, const CgroupStats *s, int64_t now) {
        Runtime__V1__CpuUsage *u = arena_message(a, &runtime__v1__cpu_usage__descriptor);

        u->timestamp = now;
        if (s->cpu_usage_usec != CGROUP_UNKNOWN)
                u->usage_core_nano_seconds = value_new(a, s->cpu_usage_usec * NSEC_PER_USEC);
        u->psi = psi_new(a, &s->cpu_pressure);
        return u;
}

static Runtime__V1__MemoryUsage *memory_new(Arena *a, const CgroupStats *s, int64_t now) {
        Runtime__V1__MemoryUsage *u = arena_message(a, &runtime__v1__memory_usage__descriptor);
        uint64_t working_set;

        u->timestamp = now;
        u->usage_bytes = value_new(a, s->memory_current);
        u->rss_bytes = value_new(a, s->memory_anon);
        u->page_faults = value_new(a, s->memory_pgfault);
        u->major_page_faults = value_new(a, s->memory_pgmajfault);
        u->psi = psi_new(a, &s->memory_pressure);
        if (s->memory_current == CGROUP_UNKNOWN || s->memory_inactive_file == CGROUP_UNKNOWN)
                return u;
        working_set = s->memory_current - MIN(s->memory_current, s->memory_inactive_file);
        u->working_set_bytes = value_new(a, working_set);
        if (s->memory_max < CGROUP_NO_LIMIT)
                u->available_bytes = value_new(a, s->memory_max - MIN(s->memory_max, working_set));
        return u;
}

static Runtime__V1__SwapUsage *swap_new(Arena *a, const CgroupStats *s, int64_t now) {
        Runtime__V1__SwapUsage *u = arena_message(a, &runtime__v1__swap_usage__descriptor);

        u->timestamp = now;
        u->swap_usage_bytes = value_new(a, s->swap_current);
        if (s->swap_max < CGROUP_NO_LIMIT && s->swap_current < CGROUP_NO_LIMIT)
                u->swap_available_bytes = value_new(a, s->swap_max - MIN(s->swap_max, s->swap_current));
        return u;
}

static Runtime__V1__IoUsage *io_new(Arena *a, const CgroupStats *s, int64_t now) {
        Runtime__V1__IoUsage *u = arena_message(a, &runtime__v1__io_usage__descriptor);

        u->timestamp = now;
        u->psi = psi_new(a, &s->io_pressure);
        return u;
}

static Runtime__V1__ContainerAttributes *container_attributes_new(Arena *a, const Container *c) {
        Runtime__V1__ContainerAttributes *x =
                        arena_message(a, &runtime__v1__container_attributes__descriptor);

        x->id = c->id;
        x->metadata = arena_message(a, &runtime__v1__container_metadata__descriptor);
        x->metadata->name = c->config.name;
        x->metadata->attempt = (uint32_t) c->config.attempt;
        x->labels =
                        arena_map(a,
                                  &runtime__v1__container_attributes__labels_entry__descriptor,
                                  c->config.labels,
                                  &x->n_labels);
        x->annotations =
                        arena_map(a,
                                  &runtime__v1__container_attributes__annotations_entry__descriptor,
                                  c->config.annotations,
                                  &x->n_annotations);
        return x;
}

/* NULL: it is gone. */
static Runtime__V1__ContainerStats *container_stats_new(Arena *a, const Container *c) {
        _cleanup_free_ char *path = container_get_cgroup_path(c);
        Runtime__V1__ContainerStats *x;
        int64_t now = now_realtime_nsec();
        CgroupStats s;

        if (!path || cgroup_read_stats(path, &s) < 0)
                return NULL;
        x = arena_message(a, &runtime__v1__container_stats__descriptor);
        x->attributes = container_attributes_new(a, c);
        x->cpu = cpu_new(a, &s, now);
        x->memory = memory_new(a, &s, now);
        x->swap = swap_new(a, &s, now);
        x->io = io_new(a, &s, now);
        return x;
}

static bool container_matches(const Runtime__V1__ContainerStatsFilter *f, const Container *c) {
        if (c->state != CONTAINER_RUNNING)
                return false;
        if (!f)
                return true;
        if (!isempty(f->id) && !startswith(c->id, f->id))
                return false;
        if (!isempty(f->pod_sandbox_id) && !startswith(c->pod->id, f->pod_sandbox_id))
                return false;
        return labels_match((void **) f->label_selector, f->n_label_selector, c->config.labels);
}

static Runtime__V1__ContainerStats **container_list_new(
                Arena *a,
                const Manager *m,
                const Runtime__V1__ContainerStatsFilter *filter,
                const Pod *pod,
                size_t *ret_n) {
        Runtime__V1__ContainerStats **list = arena_alloc(a, hashmap_size(m->containers), sizeof(*list));
        size_t n = 0;
        Container *c;

        if (!list)
                return NULL;
        HASHMAP_FOREACH(c, m->containers) {
                if (!container_matches(filter, c) || (pod && c->pod != pod))
                        continue;
                list[n] = container_stats_new(a, c);
                n += list[n] != NULL;
        }
        *ret_n = n;
        return list;
}

HANDLER(handle_container_stats) {
        Runtime__V1__ContainerStatsResponse reply = RUNTIME__V1__CONTAINER_STATS_RESPONSE__INIT;
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_arena_ arena = { 0 };
        Container *c;
        int r;

        REQUEST(request,
                Runtime__V1__ContainerStatsRequest,
                runtime__v1__container_stats_request__descriptor);
        r = manager_find_container(userdata, request->container_id, &c, &error);
        if (r >= 0) {
                reply.stats = container_stats_new(&arena, c);
                if (!reply.stats) {
                        reply.stats = arena_message(&arena, &runtime__v1__container_stats__descriptor);
                        reply.stats->attributes = container_attributes_new(&arena, c);
                }
                r = arena_failed(&arena) ? -ENOMEM : 0;
        }
        if (r < 0)
                grpc_call_fail(call, r, &error);
        else
                request_reply(call, &reply.base);
}

HANDLER(handle_list_container_stats) {
        Runtime__V1__ListContainerStatsResponse reply = RUNTIME__V1__LIST_CONTAINER_STATS_RESPONSE__INIT;
        _cleanup_arena_ arena = { 0 };

        REQUEST(request,
                Runtime__V1__ListContainerStatsRequest,
                runtime__v1__list_container_stats_request__descriptor);
        reply.stats = container_list_new(&arena, userdata, request->filter, NULL, &reply.n_stats);
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}

HANDLER(handle_stream_container_stats) {
        Runtime__V1__ContainerStats **list;
        _cleanup_arena_ arena = { 0 };
        size_t n = 0;
        int r;

        REQUEST(request,
                Runtime__V1__StreamContainerStatsRequest,
                runtime__v1__stream_container_stats_request__descriptor);
        list = container_list_new(&arena, userdata, request->filter, NULL, &n);
        r = arena_failed(&arena) ? -ENOMEM : 0;
        for (size_t i = 0; i < n && r >= 0; i++) {
                Runtime__V1__StreamContainerStatsResponse reply =
                                RUNTIME__V1__STREAM_CONTAINER_STATS_RESPONSE__INIT;

                reply.container_stats = list + i;
                reply.n_container_stats = 1;
                r = request_send(call, &reply.base);
        }
        grpc_call_finish(call, r);
}

/* Columns of /proc/net/dev behind the name. */
enum {
        RX_BYTES = 0,
        RX_ERRORS = 2,
        TX_BYTES = 8,
        TX_ERRORS = 10,
        N_COLUMNS = 16,
};

static Runtime__V1__NetworkInterfaceUsage *interface_new(Arena *a, char *line) {
        Runtime__V1__NetworkInterfaceUsage *u;
        _cleanup_strv_ char **words = NULL;
        uint64_t values[N_COLUMNS];
        char *colon = strchr(line, ':');

        if (!colon)
                return NULL;
        *colon = '\0';
        line += strspn(line, " ");
        if (streq(line, "lo") || strv_split(colon + 1, " ", &words) < 0 || strv_length(words) < N_COLUMNS)
                return NULL;
        for (size_t i = 0; i < N_COLUMNS; i++)
                if (parse_u64(words[i], UINT64_MAX, &values[i]) < 0)
                        return NULL;
        u = arena_message(a, &runtime__v1__network_interface_usage__descriptor);
        u->name = arena_printf(a, "%s", line);
        u->rx_bytes = value_new(a, values[RX_BYTES]);
        u->rx_errors = value_new(a, values[RX_ERRORS]);
        u->tx_bytes = value_new(a, values[TX_BYTES]);
        u->tx_errors = value_new(a, values[TX_ERRORS]);
        return u;
}

/* A process inside the network namespace of a pod; 0: none. */
static pid_t find_process(const Pod *p) {
        Container *c;

        HASHMAP_FOREACH(c, p->manager->containers)
                if (c->pod == p && c->state == CONTAINER_RUNNING)
                        return c->pid;
        return 0;
}

/* NULL: there is nobody through whose eyes to look, or the network is that of the node. */
static Runtime__V1__NetworkUsage *network_usage_new(Arena *a, const Pod *p) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        Runtime__V1__NetworkInterfaceUsage **all;
        Runtime__V1__NetworkUsage *u;
        pid_t pid = find_process(p);
        size_t n = 0;

        if (p->config.network_mode == NAMESPACE_NODE || pid == 0)
                return NULL;
        if (asprintf(&path, "/proc/%d/net/dev", (int) pid) < 0 ||
            read_file_at(AT_FDCWD, path, NET_DEV_MAX, &text, NULL) < 0)
                return NULL;
        all = arena_alloc(a, INTERFACES_MAX, sizeof(*all));
        if (!all)
                return NULL;
        for (char *line = text, *next; line && n < INTERFACES_MAX; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                all[n] = interface_new(a, line);
                n += all[n] != NULL;
        }
        if (n == 0)
                return NULL;
        u = arena_message(a, &runtime__v1__network_usage__descriptor);
        u->timestamp = now_realtime_nsec();
        u->default_interface = all[0]; /* CNI's first */
        u->interfaces = all + 1;
        u->n_interfaces = n - 1;
        return u;
}

static Runtime__V1__LinuxPodSandboxStats *linux_new(Arena *a, const Pod *p) {
        Runtime__V1__LinuxPodSandboxStats *l =
                        arena_message(a, &runtime__v1__linux_pod_sandbox_stats__descriptor);
        _cleanup_free_ char *path = NULL;
        int64_t now = now_realtime_nsec();
        CgroupStats s;

        l->containers = container_list_new(a, p->manager, NULL, p, &l->n_containers);
        l->network = network_usage_new(a, p);
        if (cgroup_path_from_slice(p->slice, &path) < 0 || cgroup_read_stats(path, &s) < 0)
                return l;
        l->cpu = cpu_new(a, &s, now);
        l->memory = memory_new(a, &s, now);
        l->io = io_new(a, &s, now);
        l->process = arena_message(a, &runtime__v1__process_usage__descriptor);
        l->process->timestamp = now;
        l->process->process_count = value_new(a, s.pids_current);
        return l;
}

static Runtime__V1__PodSandboxStats *pod_stats_new(Arena *a, const Pod *p) {
        Runtime__V1__PodSandboxStats *s = arena_message(a, &runtime__v1__pod_sandbox_stats__descriptor);
        Runtime__V1__PodSandboxAttributes *x =
                        arena_message(a, &runtime__v1__pod_sandbox_attributes__descriptor);

        x->id = p->id;
        x->metadata = arena_message(a, &runtime__v1__pod_sandbox_metadata__descriptor);
        x->metadata->name = p->config.name;
        x->metadata->uid = p->config.uid;
        x->metadata->namespace_ = p->config.namespace;
        x->metadata->attempt = (uint32_t) p->config.attempt;
        x->labels =
                        arena_map(a,
                                  &runtime__v1__pod_sandbox_attributes__labels_entry__descriptor,
                                  p->config.labels,
                                  &x->n_labels);
        x->annotations =
                        arena_map(a,
                                  &runtime__v1__pod_sandbox_attributes__annotations_entry__descriptor,
                                  p->config.annotations,
                                  &x->n_annotations);
        s->attributes = x;
        s->linux = linux_new(a, p);
        return s;
}

static bool pod_matches(const Runtime__V1__PodSandboxStatsFilter *f, const Pod *p) {
        if (p->state != POD_READY)
                return false;
        if (!f)
                return true;
        if (!isempty(f->id) && !startswith(p->id, f->id))
                return false;
        return labels_match((void **) f->label_selector, f->n_label_selector, p->config.labels);
}

static Runtime__V1__PodSandboxStats **
pod_list_new(Arena *a, const Manager *m, const Runtime__V1__PodSandboxStatsFilter *filter, size_t *ret_n) {
        Runtime__V1__PodSandboxStats **list = arena_alloc(a, hashmap_size(m->pods), sizeof(*list));
        size_t n = 0;
        Pod *p;

        if (!list)
                return NULL;
        HASHMAP_FOREACH(p, m->pods)
                if (pod_matches(filter, p))
                        list[n++] = pod_stats_new(a, p);
        *ret_n = n;
        return list;
}

HANDLER(handle_pod_sandbox_stats) {
        Runtime__V1__PodSandboxStatsResponse reply = RUNTIME__V1__POD_SANDBOX_STATS_RESPONSE__INIT;
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_arena_ arena = { 0 };
        Pod *p;
        int r;

        REQUEST(request,
                Runtime__V1__PodSandboxStatsRequest,
                runtime__v1__pod_sandbox_stats_request__descriptor);
        r = manager_find_pod(userdata, request->pod_sandbox_id, &p, &error);
        if (r >= 0) {
                reply.stats = pod_stats_new(&arena, p);
                r = arena_failed(&arena) ? -ENOMEM : 0;
        }
        if (r < 0)
                grpc_call_fail(call, r, &error);
        else
                request_reply(call, &reply.base);
}

HANDLER(handle_list_pod_sandbox_stats) {
        Runtime__V1__ListPodSandboxStatsResponse reply = RUNTIME__V1__LIST_POD_SANDBOX_STATS_RESPONSE__INIT;
        _cleanup_arena_ arena = { 0 };

        REQUEST(request,
                Runtime__V1__ListPodSandboxStatsRequest,
                runtime__v1__list_pod_sandbox_stats_request__descriptor);
        reply.stats = pod_list_new(&arena, userdata, request->filter, &reply.n_stats);
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}

HANDLER(handle_stream_pod_sandbox_stats) {
        Runtime__V1__PodSandboxStats **list;
        _cleanup_arena_ arena = { 0 };
        size_t n = 0;
        int r;

        REQUEST(request,
                Runtime__V1__StreamPodSandboxStatsRequest,
                runtime__v1__stream_pod_sandbox_stats_request__descriptor);
        list = pod_list_new(&arena, userdata, request->filter, &n);
        r = arena_failed(&arena) ? -ENOMEM : 0;
        for (size_t i = 0; i < n && r >= 0; i++) {
                Runtime__V1__StreamPodSandboxStatsResponse reply =
                                RUNTIME__V1__STREAM_POD_SANDBOX_STATS_RESPONSE__INIT;

                reply.pod_sandbox_stats = list + i;
                reply.n_pod_sandbox_stats = 1;
                r = request_send(call, &reply.base);
        }
        grpc_call_finish(call, r);
}
