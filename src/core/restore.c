/* SPDX-License-Identifier: Apache-2.0 */
#include "core/restore.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/exec.h"
#include "core/gather.h"
#include "core/images.h"
#include "core/orphan.h"
#include "core/pod.h"
#include "event/child.h"
#include "image/store.h"
#include "peer/place.h"
#include "unit/cgroup.h"
#include "unit/systemd.h"

#define RESTORE_TIMEOUT_USEC (5 * USEC_PER_MINUTE)
#define PIN_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define PIN_STDERR_MAX (4 * KIB)
#define SETTLE_TIMEOUT_USEC (20 * USEC_PER_SEC)
#define UNDO_PATIENCE_USEC (10 * USEC_PER_SEC)

struct Restore {
        Manager *manager;
        Operation operation;
        Child *pin;
        SystemdCall *call;
        Hashmap *units; /* k, v: name of a unit with the state behind its NUL, owned */
        Gather gather;
        sd_event_source *undo_timer;
        uint64_t settle_deadline_usec;
        ManagerStarted on_done;
        void *userdata;
};

Restore *restore_free(Restore *x) {
        char *unit;

        if (!x)
                return NULL;

        gather_done(&x->gather);
        sd_event_source_disable_unref(x->undo_timer);
        child_free(x->pin);
        x->call = systemd_call_cancel(x->call);
        operation_done(&x->operation);
        while ((unit = hashmap_first(x->units)))
                free(hashmap_remove(x->units, unit));
        hashmap_free(x->units);
        free(x);
        return NULL;
}

static void restore_on_pins(Child *child, const ChildResult *result, void *userdata) {
        Restore *x = userdata;
        int r;

        r = child_result_check(result, "mount namespace of containers", &x->operation.error);
        x->pin = child_free(child);
        operation_resume(&x->operation, r);
}

/* A daemon before us made it: no program has to look. */
static bool mount_namespace_is_pinned(void) {
        struct statfs s;

        return statfs(PRIVATE_MNT_NS, &s) >= 0 && s.f_type == NSFS_MAGIC;
}

static int restore_step_pins(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        const char *const argv[] = { CRIO_LIBEXECDIR "/crio-pin", "init", NULL };
        int r;

        if (mount_namespace_is_pinned())
                return STEP_DONE;
        r = child_start(x->manager->event,
                        &(ChildSpec){ .argv = argv,
                                      .stderr_max_bytes = PIN_STDERR_MAX,
                                      .timeout_usec = PIN_TIMEOUT_USEC },
                        restore_on_pins,
                        x,
                        &x->pin,
                        &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void restore_undo_pins(Operation *op) {
        Restore *x = container_of(op, Restore, operation);

        x->pin = child_free(x->pin);
}

/* Calls @load for every id below a directory; one that can not be read is logged and left alone. */
static int load_all(Manager *m, const char *path, int (*load)(Manager *m, const char *id, Error *error)) {
        _cleanup_closedir_ DIR *dir = opendir(path);
        struct dirent *entry;

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                _cleanup_error_ Error error = ERROR_INIT;
                _cleanup_free_ char *file = str_join(entry->d_name, "/state.json", NULL);
                struct stat st;

                if (!id_is_valid(entry->d_name))
                        continue;
                if (!file)
                        return -ENOMEM;
                if (fstatat(dirfd(dir), file, &st, 0) < 0 && errno == ENOENT) {
                        /* Nothing exists before that file. */
                        (void) rm_rf_at(dirfd(dir), entry->d_name);
                        continue;
                }
                if (load(m, entry->d_name, &error) < 0)
                        log_error("%s, leaving it alone", error_get_text(&error, -EIO));
        }
        return 0;
}

static int load_pod(Manager *m, const char *id, Error *error) {
        Pod *p;

        return pod_load(m, id, &p, error);
}

static int load_container(Manager *m, const char *id, Error *error) {
        Container *c;

        return container_load(m, id, &c, error);
}

static int restore_step_read(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        int r;

        r = load_all(x->manager, RUN_PODS_DIR, load_pod);
        if (r >= 0)
                r = load_all(x->manager, RUN_CONTAINERS_DIR, load_container);
        if (r < 0)
                return error_set(&op->error, r, STATUS_INTERNAL, "read " RUN_DIR ": %s", STRERROR(r));
        log_info("found %zu pod sandboxes and %zu containers",
                 hashmap_size(x->manager->pods),
                 hashmap_size(x->manager->containers));
        return STEP_DONE;
}

static void restore_on_unit(int r, const char *name, const char *active, const char *sub, void *userdata) {
        Restore *x = userdata;
        _cleanup_free_ char *unit = NULL;

        if (r < 0 || !name) {
                x->call = NULL;
                if (r < 0)
                        error_set(&x->operation.error, r, STATUS_INTERNAL, "list units: %s", STRERROR(r));
                operation_resume(&x->operation, MIN(r, 0));
                return;
        }
        unit = malloc(strlen(name) + strlen(sub) + 2);
        if (!unit)
                return; /* counts as absent: the next step asks for it by name */
        memcpy(unit, name, strlen(name) + 1);
        memcpy(unit + strlen(name) + 1, sub, strlen(sub) + 1);
        if (hashmap_put(x->units, unit, unit) >= 0)
                (void) TAKE_PTR(unit);
}

static int restore_step_units(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        int r;

        r = systemd_list_units(
                        x->manager->systemd,
                        "crio-*.service",
                        restore_on_unit,
                        x,
                        &x->call,
                        &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void restore_undo_units(Operation *op) {
        Restore *x = container_of(op, Restore, operation);

        x->call = systemd_call_cancel(x->call);
}

static int restore_container(Restore *x, Container *c, Error *error) {
        _cleanup_free_ char *unit = container_get_service(c);
        const char *entry;
        int r;

        if (c->state == CONTAINER_CREATING)
                return 0;
        if (!unit)
                return -ENOMEM;
        entry = hashmap_get(x->units, unit);
        if (c->state == CONTAINER_EXITED) {
                if (entry) /* its record was written, and then there was no time to tell PID 1 */
                        container_release_unit(c, streq(entry + strlen(entry) + 1, "failed"));
                return 0;
        }
        r = container_watch(c, error);
        if (r < 0)
                return r;
        if (!entry) {
                container_on_ended(c, NULL);
                return 0;
        }
        if (streq(entry + strlen(entry) + 1, "running") && container_open_process(c) >= 0) {
                c->watch.state.main_pid = c->pid;
                exec_clean_all(c);
                r = container_find_started(c, error);
                if (r < 0)
                        return r;
        } else
                container_look(c);
        return 0;
}

static int restore_step_match(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        Container *c;
        Pod *p;
        int r;

        HASHMAP_FOREACH(p, x->manager->pods)
                if (p->state == POD_READY && pod_has_pause(p)) {
                        r = pod_watch(p, &op->error);
                        if (r < 0)
                                return r;
                        p->pause_watch.on_reconnect(&p->pause_watch);
                }
        HASHMAP_FOREACH(c, x->manager->containers) {
                r = restore_container(x, c, &op->error);
                if (r < 0)
                        return r;
        }
        x->settle_deadline_usec = usec_from_now(SETTLE_TIMEOUT_USEC);
        return STEP_DONE;
}

/* What ended while nobody looked is recorded before anybody may ask. */
static int restore_step_settle(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        Container *c;
        Pod *p;

        HASHMAP_FOREACH(c, x->manager->containers)
                if ((c->look || c->exit) && now_usec() < x->settle_deadline_usec)
                        return STEP_AGAIN;
        HASHMAP_FOREACH(p, x->manager->pods)
                if (p->look && now_usec() < x->settle_deadline_usec)
                        return STEP_AGAIN;
        return STEP_DONE;
}

/* What takes longer to be taken back (a network that hangs) goes on while we serve. */
static int restore_on_undo_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Restore *x = userdata;

        log_warning("remains of calls that were cut off are still being removed, serving meanwhile");
        operation_resume(&x->operation, 0);
        return 0;
}

static int restore_wait_for_undo(Restore *x) {
        int r = gather_end(&x->gather);

        x->undo_timer = sd_event_source_disable_unref(x->undo_timer);
        if (r != STEP_WAIT)
                return r;
        r = sd_event_add_time_relative(
                        x->manager->event,
                        &x->undo_timer,
                        CLOCK_MONOTONIC,
                        UNDO_PATIENCE_USEC,
                        0,
                        restore_on_undo_timer,
                        x);
        return r < 0 ? r : STEP_WAIT;
}

static int restore_step_undo_containers(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        Container *c;

        gather_begin(&x->gather, op);
        x->gather.forgiving = true; /* logged, and tried again when it is removed */
        HASHMAP_FOREACH(c, x->manager->containers) {
                _cleanup_error_ Error error = ERROR_INIT;
                OperationWaiter *w;
                int r;

                if (c->state != CONTAINER_CREATING)
                        continue;
                log_info("container %s was not created to its end, removing it", c->id);
                w = gather_add(&x->gather);
                r = w ? container_remove(c, w, &error) : 0;
                if (r != 0)
                        gather_drop(&x->gather, w, 0, NULL);
        }
        return restore_wait_for_undo(x);
}

static int restore_step_undo_pods(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        Pod *p;

        gather_begin(&x->gather, op);
        x->gather.forgiving = true; /* logged, and tried again when it is removed */
        HASHMAP_FOREACH(p, x->manager->pods) {
                _cleanup_error_ Error error = ERROR_INIT;
                OperationWaiter *w;
                int r;

                if (p->state != POD_CREATING)
                        continue;
                log_info("pod %s was not started to its end, removing it", p->id);
                w = gather_add(&x->gather);
                r = w ? pod_remove(p, /* abandon= */ false, w, &error) : 0;
                if (r != 0)
                        gather_drop(&x->gather, w, 0, NULL);
        }
        return restore_wait_for_undo(x);
}

static void restore_undo_gather(Operation *op) {
        Restore *x = container_of(op, Restore, operation);

        x->undo_timer = sd_event_source_disable_unref(x->undo_timer);
        gather_done(&x->gather);
}

/* What nobody can ask for any more; goes on while we serve. */
static int restore_step_orphans(Operation *op) {
        Restore *x = container_of(op, Restore, operation);
        char *unit;

        HASHMAP_FOREACH(unit, x->units) {
                if (!orphan_is(x->manager, unit))
                        continue;
                log_warning("%s: files of its container are gone, removing it", unit);
                if (orphan_remove(x->manager, unit) < 0)
                        return -ENOMEM;
        }
        return STEP_DONE;
}

static int restore_step_store(Operation *op) {
        Restore *x = container_of(op, Restore, operation);

        x->undo_timer = sd_event_source_disable_unref(x->undo_timer);
        images_repair(x->manager->images);
        return STEP_DONE;
}

static const OperationStep restore_steps[] = {
        { "pins", restore_step_pins, restore_undo_pins },
        { "read", restore_step_read, NULL },
        { "units", restore_step_units, restore_undo_units },
        { "match", restore_step_match, NULL },
        { "settle", restore_step_settle, NULL },
        { "undo-containers", restore_step_undo_containers, restore_undo_gather },
        { "undo-pods", restore_step_undo_pods, restore_undo_gather },
        { "orphans", restore_step_orphans, NULL },
        { "store", restore_step_store, NULL },
        {},
};

static void restore_on_done(Operation *op, int r) {
        Restore *x = container_of(op, Restore, operation);
        _cleanup_error_ Error error = ERROR_INIT;
        ManagerStarted on_done = x->on_done;
        void *userdata = x->userdata;
        Manager *m = x->manager;

        error_move(&error, &op->error);
        m->restore = restore_free(x);
        on_done(m, r, &error, userdata);
}

int manager_start(Manager *m, ManagerStarted on_done, void *userdata, Error *error) {
        Restore *x = new0(Restore, 1);
        int r;

        if (!x)
                return -ENOMEM;
        *x = (Restore){ .manager = m, .on_done = on_done, .userdata = userdata };
        r = hashmap_new(&x->units);
        if (r >= 0)
                r =
                                operation_start(&x->operation,
                                                "restore",
                                                m->event,
                                                restore_steps,
                                                RESTORE_TIMEOUT_USEC,
                                                restore_on_done);
        if (r < 0) {
                (void) restore_free(x);
                return r;
        }
        m->restore = x;
        return 0;
}
