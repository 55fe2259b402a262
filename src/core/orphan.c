/* SPDX-License-Identifier: Apache-2.0 */
#include "core/orphan.h"

#include <unistd.h>

#include "basic/clock.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/images.h"
#include "core/manager.h"
#include "event/child.h"
#include "event/operation.h"
#include "peer/iod.h"
#include "unit/cgroup.h"
#include "unit/systemd.h"

#define ORPHAN_TIMEOUT_USEC (2 * USEC_PER_MINUTE)
#define RUNTIME_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define RUNTIME_STDERR_MAX (4 * KIB)
#define UNIT_PREFIX "crio-"
#define UNIT_SUFFIX ".service"

struct Orphan {
        Manager *manager;
        Operation operation;
        Id id;
        char *unit;
        SystemdCall *call;
        Child *runtime;
        IodCall *iod;
        Orphan *next, *previous;
};

static Orphan *orphan_free(Orphan *o) {
        if (o->next)
                o->next->previous = o->previous;
        if (o->previous)
                o->previous->next = o->next;
        else if (o->manager->orphans == o)
                o->manager->orphans = o->next;
        o->call = systemd_call_cancel(o->call);
        child_free(o->runtime);
        o->iod = iod_call_cancel(o->iod);
        operation_done(&o->operation);
        free(o->unit);
        free(o);
        return NULL;
}

void orphan_free_all(Manager *m) {
        while (m->orphans)
                (void) orphan_free(m->orphans);
}

static bool id_from_unit(const char *unit, Id *ret) {
        const char *s = startswith(unit, UNIT_PREFIX);

        if (!s || strlen(s) != ID_SIZE + strlen(UNIT_SUFFIX) || !endswith(s, UNIT_SUFFIX))
                return false;
        memcpy(ret->text, s, ID_SIZE);
        ret->text[ID_SIZE] = '\0';
        return id_is_valid(ret->text);
}

bool orphan_is(const Manager *m, const char *unit) {
        static const char *const directories[] = { RUN_PODS_DIR "/", RUN_CONTAINERS_DIR "/" };
        Id id;

        if (!id_from_unit(unit, &id) || hashmap_get(m->containers, id.text) || hashmap_get(m->pods, id.text))
                return false;
        FOREACH_ELEMENT(d, directories) {
                _cleanup_free_ char *path = str_join(*d, id.text, NULL);

                if (!path || access(path, F_OK) >= 0) /* its file can not be read: left alone */
                        return false;
        }
        return true;
}

static void orphan_on_looked(int r, const UnitState *state, const Error *error, void *userdata) {
        Orphan *o = userdata;
        _cleanup_free_ char *cgroup = NULL, *scope = str_join("/" UNIT_PREFIX, o->id.text, ".scope", NULL);
        char *at;

        o->call = NULL;
        if (r >= 0 && scope && state->main_pid > 0 &&
            cgroup_path_from_pid((pid_t) state->main_pid, &cgroup) >= 0) {
                at = strstr(cgroup, scope);
                if (at) {
                        at[strlen(scope)] = '\0';
                        (void) cgroup_kill(cgroup); /* what is left is killed by PID 1 in the next step */
                }
        }
        operation_resume(&o->operation, 0);
}

static int orphan_step_kill(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);
        int r = systemd_get_unit(o->manager->systemd, o->unit, orphan_on_looked, o, &o->call, &op->error);

        return systemd_step(r, &op->error);
}

static void orphan_on_unit(int r, const Error *error, void *userdata) {
        Orphan *o = userdata;

        o->call = NULL;
        if (r < 0)
                error_copy(&o->operation.error, error);
        operation_resume(&o->operation, r);
}

static int orphan_step_unit(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);
        int r = systemd_stop_unit(o->manager->systemd, o->unit, orphan_on_unit, o, &o->call, &op->error);

        return r < 0 ? r : STEP_WAIT;
}

static int orphan_step_unit_failed(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);
        int r = systemd_reset_failed_unit(
                        o->manager->systemd,
                        o->unit,
                        orphan_on_unit,
                        o,
                        &o->call,
                        &op->error);

        return r < 0 ? r : STEP_WAIT;
}

static void orphan_undo_call(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);

        o->call = systemd_call_cancel(o->call);
}

static void orphan_on_runtime(Child *child, const ChildResult *result, void *userdata) {
        Orphan *o = userdata;

        o->runtime = child_free(child);
        operation_resume(&o->operation, 0); /* it may have been another runtime's */
}

static int orphan_step_runtime(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);
        const ConfigRuntime *runtime = config_find_runtime(o->manager->config, "");
        _cleanup_free_ char *root = NULL;
        const char *argv[7] = {};
        size_t n = 0;
        int r;

        if (!runtime)
                return STEP_DONE;
        argv[n++] = runtime->runtime_path;
        if (!isempty(runtime->runtime_root)) {
                root = str_join("--root=", runtime->runtime_root, NULL);
                if (!root)
                        return -ENOMEM;
                argv[n++] = root;
        }
        argv[n++] = "--systemd-cgroup";
        argv[n++] = "delete";
        argv[n++] = "--force";
        argv[n++] = o->id.text;
        r = child_start(o->manager->event,
                        &(ChildSpec){ .argv = argv,
                                      .stderr_max_bytes = RUNTIME_STDERR_MAX,
                                      .timeout_usec = RUNTIME_TIMEOUT_USEC },
                        orphan_on_runtime,
                        o,
                        &o->runtime,
                        &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void orphan_undo_runtime(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);

        o->runtime = child_free(o->runtime);
}

static void orphan_on_stdio(int r, const int *fds, const Error *error, void *userdata) {
        Orphan *o = userdata;

        o->iod = NULL;
        if (r < 0)
                error_copy(&o->operation.error, error);
        operation_resume(&o->operation, r);
}

static int orphan_step_stdio(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);
        int r = iod_close(o->manager->iod, o->id.text, orphan_on_stdio, o, &o->iod, &op->error);

        return r < 0 ? r : STEP_WAIT;
}

static void orphan_undo_stdio(Operation *op) {
        Orphan *o = container_of(op, Orphan, operation);

        o->iod = iod_call_cancel(o->iod);
}

static int orphan_step_store(Operation *op) {
        images_repair(container_of(op, Orphan, operation)->manager->images);
        return STEP_DONE;
}

static const OperationStep orphan_steps[] = {
        { "kill", orphan_step_kill, orphan_undo_call },
        { "unit", orphan_step_unit, orphan_undo_call },
        { "unit-failed", orphan_step_unit_failed, orphan_undo_call },
        { "runtime", orphan_step_runtime, orphan_undo_runtime },
        { "stdio", orphan_step_stdio, orphan_undo_stdio },
        { "store", orphan_step_store, NULL },
        {},
};

static void orphan_on_done(Operation *op, int r) {
        Orphan *o = container_of(op, Orphan, operation);

        if (r < 0)
                log_warning("%s, whose files are gone, could not be removed: %s, trying again at the next start",
                            o->unit,
                            error_get_text(&op->error, r));
        (void) orphan_free(o);
}

int orphan_remove(Manager *m, const char *unit) {
        Orphan *o = new0(Orphan, 1);
        int r;

        if (!o)
                return -ENOMEM;
        *o = (Orphan){ .manager = m, .unit = strdup(unit), .next = m->orphans };
        r = o->unit && id_from_unit(unit, &o->id) ? operation_start(&o->operation,
                                                                    "remove orphan",
                                                                    m->event,
                                                                    orphan_steps,
                                                                    ORPHAN_TIMEOUT_USEC,
                                                                    orphan_on_done) :
                                                    -ENOMEM;
        if (r < 0) {
                free(o->unit);
                free(o);
                return r;
        }
        if (o->next)
                o->next->previous = o;
        m->orphans = o;
        return 0;
}
