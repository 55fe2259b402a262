/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pod.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/container.h"
#include "core/manager.h"
#include "oci/annotation.h"
#include "unit/cgroup.h"

#define STATE_FILE "state.json"
#define STATE_MAX (16 * MIB)
#define STATE_VERSION 1

#define ROW(type_, field_) .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(Pod, field_)

/* What is in the file, beside the version. */
static const JsonField pod_fields[] = {
        { ROW(STRUCT, config), .fields = pod_config_fields, .required = true },
        { ROW(INT, state) },
        { ROW(INT64, created_at_nsec) },
        { ROW(STRINGS, addresses) },
        { ROW(STRING, slice) },
        { ROW(BOOL, slice_owned) },
        { ROW(BOOL, network_attached) },
        { ROW(BOOL, released) },
        { ROW(INT64, n_oom_kills) },
        {},
};

char *pod_format_reservation(const PodConfig *config) {
        char *s = NULL;

        if (asprintf(&s,
                     "pod/%s/%s/%s/%" PRIi64,
                     strempty(config->namespace),
                     config->name,
                     strempty(config->uid),
                     config->attempt) < 0)
                return NULL;
        return s;
}

/* Puts a pod with id and configuration into the manager. */
static int pod_register(Pod *p, Manager *m, Error *error) {
        int r;

        p->runtime = config_find_runtime(m->config, strempty(p->config.runtime_handler));
        if (!p->runtime)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "runtime handler %.100s is not configured in crio.conf",
                                p->config.runtime_handler);
        annotations_filter(p->config.annotations, p->runtime->allowed_annotations);
        p->reservation = pod_format_reservation(&p->config);
        if (!p->reservation)
                return -ENOMEM;
        if (hashmap_size(m->pods) >= PODS_MAX)
                return error_set(
                                error,
                                -ENOBUFS,
                                STATUS_RESOURCE_EXHAUSTED,
                                "there are %d pod sandboxes already",
                                PODS_MAX);
        r = hashmap_put(m->names, p->reservation, p);
        if (r == -EEXIST) {
                const Pod *holder = hashmap_get(m->names, p->reservation);

                return error_set(
                                error,
                                r,
                                STATUS_ALREADY_EXISTS,
                                "pod sandbox %s holds the name %s/%s, attempt %" PRIi64 ", %s",
                                holder->id,
                                strempty(p->config.namespace),
                                p->config.name,
                                p->config.attempt,
                                pod_is_visible(holder) ? "remove it or ask for another attempt" :
                                                         "but is being removed");
        }
        if (r < 0)
                return r;
        r = hashmap_put(m->pods, p->id, p);
        if (r < 0) {
                hashmap_remove(m->names, p->reservation);
                return r;
        }
        p->manager = m; /* from here on pod_free() takes it out */
        return 0;
}

int pod_new(Manager *m, const char *id, PodConfig *config, Pod **ret, Error *error) {
        _cleanup_(pod_freep) Pod *p = new0(Pod, 1);
        int r;

        if (!p)
                return -ENOMEM;
        *p = (Pod){ .id = strdup(id), .config = *config };
        *config = (PodConfig){ 0 };
        if (!p->id)
                return -ENOMEM;
        r = pod_register(p, m, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

Pod *pod_free(Pod *p) {
        if (!p)
                return NULL;

        if (p->manager) {
                hashmap_remove(p->manager->pods, p->id);
                hashmap_remove(p->manager->names, p->reservation);
        }
        if (p->pause_watch.systemd)
                systemd_unwatch_unit(&p->pause_watch);
        systemd_call_cancel(p->look);
        sd_event_source_disable_unref(p->remove_timer);
        pod_run_free(p->run);
        pod_stop_free(p->stop);
        pod_remove_free(p->remove);
        pod_update_free(p->update);
        json_field_done(pod_fields, p);
        free(p->reservation);
        free(p->id);
        free(p);
        return NULL;
}

int64_t pod_count_oom_kills(const Pod *p) {
        _cleanup_free_ char *path = NULL;
        uint64_t n;

        if (cgroup_path_from_slice(p->slice, &path) < 0 ||
            cgroup_read_key(path, "memory.events", "oom_kill", &n) < 0)
                return 0;
        return (int64_t) MIN(n, (uint64_t) INT64_MAX);
}

char *pod_get_directory(const Pod *p, const char *file) {
        return str_join(RUN_PODS_DIR "/", p->id, file ? "/" : "", strempty(file), NULL);
}

char *pod_get_netns_path(const Pod *p) {
        if (p->config.network_mode == NAMESPACE_NODE)
                return strdup("");
        return str_join(p->manager->config->namespaces_dir, "/netns/", p->id, NULL);
}

void pod_get_hostname(const Pod *p, char ret[static POD_HOSTNAME_SIZE]) {
        ret[0] = '\0';
        if (!isempty(p->config.hostname))
                (void) snprintf(ret, POD_HOSTNAME_SIZE, "%s", p->config.hostname); /* checked to fit */
        else if (p->config.network_mode != NAMESPACE_NODE)
                (void) snprintf(ret, POD_HOSTNAME_SIZE, "%.12s", p->id); /* fits */
        else if (gethostname(ret, POD_HOSTNAME_SIZE) < 0)
                ret[0] = '\0'; /* fails only for a buffer that is too small */
}

char *pod_get_pause_unit(const Pod *p) {
        return str_join("crio-", p->id, ".service", NULL);
}

int pod_save(Pod *p, Error *error) {
        _cleanup_json_ json_t *json = json_field_save(pod_fields, p);
        _cleanup_free_ char *path = pod_get_directory(p, STATE_FILE), *text = NULL;
        int r;

        if (!json || !path || json_object_set_new(json, "version", json_integer(STATE_VERSION)) < 0)
                return -ENOMEM;
        text = json_dumps(json, JSON_COMPACT);
        if (!text)
                return -ENOMEM;
        r = mkdir_parents_at(AT_FDCWD, path, 0755);
        if (r >= 0)
                r = write_file_atomic_at(AT_FDCWD, path, text, strlen(text), 0600, 0);
        return r < 0 ? error_set(error, r, STATUS_INTERNAL, "write %s: %s", path, STRERROR(r)) : 0;
}

static int pod_check_loaded(const Pod *p, json_int_t version, const char *path, Error *error) {
        if (version != STATE_VERSION)
                return error_set(
                                error,
                                -EPROTO,
                                STATUS_INTERNAL,
                                "%s: version %lld is not one that this crio can read",
                                path,
                                (long long) version);
        if (p->state < 0 || p->state >= _POD_STATE_MAX || isempty(p->config.name))
                return error_set(error, -EBADMSG, STATUS_INTERNAL, "%s: makes no sense", path);
        return 0;
}

int pod_load(Manager *m, const char *id, Pod **ret, Error *error) {
        _cleanup_(pod_freep) Pod *p = new0(Pod, 1);
        _cleanup_json_ json_t *json = NULL;
        _cleanup_free_ char *path = str_join(RUN_PODS_DIR "/", id, "/" STATE_FILE, NULL), *text = NULL;
        size_t size;
        int r;

        if (!p || !path)
                return -ENOMEM;
        *p = (Pod){ .id = strdup(id) };
        if (!p->id)
                return -ENOMEM;

        r = read_file_at(AT_FDCWD, path, STATE_MAX, &text, &size);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "read %s: %s", path, STRERROR(r));
        r = json_parse(path, text, size, &json, error);
        if (r >= 0)
                r = json_field_load(pod_fields, json, p, error);
        if (r >= 0)
                r = pod_check_loaded(p, json_integer_value(json_object_get(json, "version")), path, error);
        if (r >= 0)
                r = pod_register(p, m, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static void pod_on_pause_change(UnitWatch *w, const UnitState *state) {
        Pod *p = container_of(w, Pod, pause_watch);
        _cleanup_error_ Error error = ERROR_INIT;

        if (p->state != POD_READY || p->stop || state->exec_main_code == 0)
                return;
        log_warning("pod %s: its pause process ended, the pod is not ready any more", p->id);
        p->state = POD_NOTREADY;
        if (pod_save(p, &error) < 0)
                log_warning("pod %s: %s", p->id, error_get_text(&error, 0));
}

static void pod_on_pause_looked(int r, const UnitState *state, const Error *error, void *userdata) {
        Pod *p = userdata;

        p->look = NULL;
        if (r >= 0 && state->main_pid != 0)
                p->pause_pid = state->main_pid;
        else if (r >= 0 || r == -ENOENT)
                pod_on_pause_change(&p->pause_watch, &(UnitState){ .exec_main_code = CLD_KILLED });
        else
                log_warning("pod %s: PID 1 does not say how its pause process is: %s, waiting for its next change",
                            p->id,
                            error_get_text(error, r));
}

/* PID 1 was asked anew who it is: an end may have been missed. */
static void pod_on_pause_reconnect(UnitWatch *w) {
        Pod *p = container_of(w, Pod, pause_watch);
        _cleanup_free_ char *unit = pod_get_pause_unit(p);

        p->look = systemd_call_cancel(p->look);
        if (unit) /* a failure means that the connection is gone again: the next one asks */
                (void) systemd_get_unit(p->manager->systemd, unit, pod_on_pause_looked, p, &p->look, NULL);
}

int pod_watch(Pod *p, Error *error) {
        _cleanup_free_ char *unit = pod_get_pause_unit(p);
        int r;

        if (!unit)
                return -ENOMEM;
        if (p->pause_watch.systemd) /* a step that ran again */
                return 0;
        p->pause_watch.on_change = pod_on_pause_change;
        p->pause_watch.on_reconnect = pod_on_pause_reconnect;
        r = systemd_watch_unit(p->manager->systemd, unit, &p->pause_watch);
        return r == -EEXIST ? 0 : r;
}
