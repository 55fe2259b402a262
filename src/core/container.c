/* SPDX-License-Identifier: Apache-2.0 */
#include "core/container.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/exec.h"
#include "core/manager.h"
#include "core/pod.h"
#include "core/signals.h"
#include "oci/annotation.h"
#include "unit/cgroup.h"

#define STATE_FILE "state.json"
#define STATE_MAX (16 * MIB)
#define STATE_VERSION 1
#define LOOK_AGAIN_USEC (1 * USEC_PER_SEC)

#define ROW(type_, field_) .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(Container, field_)

static const JsonField container_fields[] = {
        { ROW(STRUCT, config), .fields = container_config_fields, .required = true },
        { ROW(INT, state) },
        { ROW(STRING, image_id) },
        { ROW(STRING, image_ref) },
        { ROW(STRING, image_stop_signal) },
        { ROW(INT64, created_at_nsec) },
        { ROW(INT64, started_at_nsec) },
        { ROW(INT64, finished_at_nsec) },
        { ROW(INT, exit_code) },
        { ROW(STRING, reason) },
        { ROW(STRING, message) },
        { ROW(INT64, uid) },
        { ROW(INT64, gid) },
        { ROW(INT64S, groups), .n_offset = offsetof(Container, n_groups) },
        { ROW(INT, pid) },
        { ROW(STRING, process_cgroup) },
        {},
};

char *container_format_reservation(const Pod *p, const ContainerConfig *config) {
        char *s = NULL;

        return asprintf(&s, "container/%s/%s/%" PRIi64, p->id, config->name, config->attempt) < 0 ? NULL : s;
}

static int container_register(Container *c, Pod *p, Error *error) {
        Manager *m = p->manager;
        int r;

        annotations_filter(c->config.annotations, p->runtime->allowed_annotations);
        c->reservation = container_format_reservation(p, &c->config);
        if (!c->reservation)
                return -ENOMEM;
        if (hashmap_size(m->containers) >= CONTAINERS_MAX)
                return error_set(
                                error,
                                -ENOBUFS,
                                STATUS_RESOURCE_EXHAUSTED,
                                "there are %d containers already",
                                CONTAINERS_MAX);
        r = hashmap_put(m->names, c->reservation, c);
        if (r == -EEXIST) {
                const Container *holder = hashmap_get(m->names, c->reservation);

                return error_set(
                                error,
                                r,
                                STATUS_ALREADY_EXISTS,
                                "container %s holds the name %s, attempt %" PRIi64
                                ", in this pod sandbox, %s",
                                holder->id,
                                c->config.name,
                                c->config.attempt,
                                container_is_visible(holder) ? "remove it or ask for another attempt" :
                                                               "but is being removed");
        }
        if (r < 0)
                return r;
        r = hashmap_put(m->containers, c->id, c);
        if (r < 0) {
                hashmap_remove(m->names, c->reservation);
                return r;
        }
        c->manager = m; /* from here on container_free() takes it out */
        c->pod = p;
        p->n_containers++;
        return 0;
}

int container_new(Pod *p, const char *id, ContainerConfig *config, Container **ret, Error *error) {
        _cleanup_(container_freep) Container *c = new0(Container, 1);
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Container){ .id = strdup(id), .config = *config, .pidfd = -EBADF };
        *config = CONTAINER_CONFIG_INIT;
        if (!c->id)
                return -ENOMEM;
        r = container_register(c, p, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Container *container_free(Container *c) {
        if (!c)
                return NULL;

        if (c->manager) {
                hashmap_remove(c->manager->containers, c->id);
                hashmap_remove(c->manager->names, c->reservation);
                c->pod->n_containers--;
        }
        while (c->execs)
                (void) exec_cancel(c->execs);
        if (c->watch.systemd)
                systemd_unwatch_unit(&c->watch);
        systemd_call_cancel(c->look);
        sd_event_source_disable_unref(c->look_timer);
        container_create_free(c->create);
        container_start_free(c->start);
        container_stop_free(c->stop);
        container_exit_free(c->exit);
        container_remove_free(c->remove);
        container_update_free(c->update);
        close_fd(c->pidfd);
        json_field_done(container_fields, c);
        free(c->reservation);
        free(c->id);
        free(c);
        return NULL;
}

char *container_get_directory(const Container *c, const char *file) {
        return str_join(RUN_CONTAINERS_DIR "/", c->id, file ? "/" : "", strempty(file), NULL);
}

char *container_get_service(const Container *c) {
        return str_join("crio-", c->id, ".service", NULL);
}

char *container_get_scope(const Container *c) {
        return str_join("crio-", c->id, ".scope", NULL);
}

char *container_get_cgroup_path(const Container *c) {
        _cleanup_free_ char *scope = container_get_scope(c);
        char *path = NULL;

        return scope && cgroup_path_from_unit(c->pod->slice, scope, &path) >= 0 ? path : NULL;
}

char *container_get_log_path(const Container *c) {
        if (isempty(c->config.log_path) || isempty(c->pod->config.log_directory))
                return strdup("");
        return path_join(c->pod->config.log_directory, c->config.log_path);
}

int container_get_stop_signal(const Container *c) {
        int n = signal_from_cri(c->config.stop_signal);

        if (n <= 0)
                n = signal_from_string(strempty(c->image_stop_signal));
        return n > 0 ? n : SIGTERM;
}

int container_save(Container *c, Error *error) {
        _cleanup_json_ json_t *json = json_field_save(container_fields, c);
        _cleanup_free_ char *path = container_get_directory(c, STATE_FILE), *text = NULL;
        int r;

        if (!json || !path || json_object_set_new(json, "version", json_integer(STATE_VERSION)) < 0 ||
            json_object_set_new(json, "pod", json_string(c->pod->id)) < 0)
                return -ENOMEM;
        text = json_dumps(json, JSON_COMPACT);
        if (!text)
                return -ENOMEM;
        r = mkdir_parents_at(AT_FDCWD, path, 0755);
        if (r >= 0)
                r = write_file_atomic_at(AT_FDCWD, path, text, strlen(text), 0600, 0);
        return r < 0 ? error_set(error, r, STATUS_INTERNAL, "write %s: %s", path, STRERROR(r)) : 0;
}

static int container_fill(Container *c, Manager *m, json_t *json, const char *path, Error *error) {
        const char *pod_id = json_string_value(json_object_get(json, "pod"));
        Pod *p = hashmap_get(m->pods, strempty(pod_id));
        int r;

        if (json_integer_value(json_object_get(json, "version")) != STATE_VERSION)
                return error_set(
                                error,
                                -EPROTO,
                                STATUS_INTERNAL,
                                "%s: not of a version that this crio can read",
                                path);
        if (!p)
                return error_set(
                                error,
                                -ENOENT,
                                STATUS_INTERNAL,
                                "%s: its pod sandbox %s is not there",
                                path,
                                strempty(pod_id));
        r = json_field_load(container_fields, json, c, error);
        if (r < 0)
                return error_prefix(error, r, "%s", path);
        if (c->state < 0 || c->state >= _CONTAINER_STATE_MAX || isempty(c->config.name))
                return error_set(error, -EBADMSG, STATUS_INTERNAL, "%s: makes no sense", path);
        return container_register(c, p, error);
}

int container_load(Manager *m, const char *id, Container **ret, Error *error) {
        _cleanup_(container_freep) Container *c = new0(Container, 1);
        _cleanup_json_ json_t *json = NULL;
        _cleanup_free_ char *path = str_join(RUN_CONTAINERS_DIR "/", id, "/" STATE_FILE, NULL), *text = NULL;
        size_t size;
        int r;

        if (!c || !path)
                return -ENOMEM;
        *c = (Container){ .id = strdup(id), .config = CONTAINER_CONFIG_INIT, .pidfd = -EBADF };
        if (!c->id)
                return -ENOMEM;
        r = read_file_at(AT_FDCWD, path, STATE_MAX, &text, &size);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "read %s: %s", path, STRERROR(r));
        r = json_parse(path, text, size, &json, error);
        if (r >= 0)
                r = container_fill(c, m, json, path, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static void container_on_change(UnitWatch *w, const UnitState *state) {
        Container *c = container_of(w, Container, watch);

        if (state->main_pid > 0 && c->pid == 0)
                c->pid = state->main_pid;
        if (state->exec_main_code != 0 &&
            (streq(state->sub_state, "exited") || streq(state->sub_state, "failed") ||
             streq(state->sub_state, "dead")))
                container_on_ended(c, state);
}

static void container_on_looked(int r, const UnitState *state, const Error *error, void *userdata) {
        Container *c = userdata;

        c->look = NULL;
        if (r >= 0) {
                c->watch.state = *state;
                container_on_change(&c->watch, state);
        } else if (r == -ENOENT)
                container_on_ended(c, NULL);
        else {
                log_warning("container %s: PID 1 does not say how it is: %s, asking again",
                            c->id,
                            error_get_text(error, r));
                container_look_later(c);
        }
}

void container_look(Container *c) {
        _cleanup_free_ char *unit = container_get_service(c);

        c->look = systemd_call_cancel(c->look);
        if (unit) /* a failure means that the connection is gone again: the next one asks */
                (void) systemd_get_unit(c->manager->systemd, unit, container_on_looked, c, &c->look, NULL);
}

static int container_on_look_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        container_look(userdata);
        return 0;
}

void container_look_later(Container *c) {
        int r;

        c->look_timer = sd_event_source_disable_unref(c->look_timer);
        r = sd_event_add_time_relative(
                        c->manager->event,
                        &c->look_timer,
                        CLOCK_MONOTONIC,
                        LOOK_AGAIN_USEC,
                        0,
                        container_on_look_timer,
                        c);
        if (r < 0)
                log_error("container %s: no timer: %s, its end is noticed at the next start",
                          c->id,
                          STRERROR(r));
}

/* PID 1 answers anew: an end may have been missed. */
static void container_on_reconnect(UnitWatch *w) {
        container_look(container_of(w, Container, watch));
}

int container_watch(Container *c, Error *error) {
        _cleanup_free_ char *unit = container_get_service(c);
        int r;

        if (!unit)
                return -ENOMEM;
        if (c->watch.systemd) /* a step that ran again */
                return 0;
        c->watch.on_change = container_on_change;
        c->watch.on_reconnect = container_on_reconnect;
        r = systemd_watch_unit(c->manager->systemd, unit, &c->watch);
        return r < 0 ? error_set(error, r, STATUS_INTERNAL, "watch %s: %s", unit, STRERROR(r)) : 0;
}

/* Whether a process is in the scope of this container: its number may have been given to another one. */
static bool container_owns_pid(const Container *c, pid_t pid) {
        _cleanup_free_ char *of_process = NULL, *cgroup = container_get_cgroup_path(c);

        return cgroup && cgroup_path_from_pid(pid, &of_process) >= 0 &&
                        strstr(of_process, path_basename(cgroup));
}

int container_open_process(Container *c) {
        int fd;

        if (c->pid <= 0)
                return -ESRCH;
        if (c->pidfd >= 0)
                return 0;
        fd = (int) syscall(SYS_pidfd_open, c->pid, 0);
        if (fd < 0)
                return -errno;
        if (!container_owns_pid(c, c->pid)) {
                close_fd(fd);
                return -ESRCH;
        }
        c->pidfd = fd;
        return 0;
}

int container_kill(Container *c, int signal_number) {
        _cleanup_free_ char *cgroup = NULL;
        int r;

        if (signal_number == SIGKILL) {
                cgroup = container_get_cgroup_path(c);
                r = cgroup ? cgroup_kill(cgroup) : -ENOMEM;
                if (r < 0)
                        log_warning("container %s: kill its control group: %s, killing its first process",
                                    c->id,
                                    STRERROR(r));
        }
        r = container_open_process(c);
        if (r < 0)
                return r;
        if (syscall(SYS_pidfd_send_signal, c->pidfd, signal_number, NULL, 0) < 0)
                return -errno;
        return 0;
}
