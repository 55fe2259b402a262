/* SPDX-License-Identifier: Apache-2.0 */

/*
 * RunPodSandbox. The outer operation makes the pod and, where that failed, removes it again before anybody
 * hears of the failure; the inner one is the making.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/config-check.h"
#include "core/limits.h"
#include "core/manager.h"
#include "core/pod-check.h"
#include "core/pod-files.h"
#include "core/pod.h"
#include "event/child.h"
#include "network/network.h"
#include "oci/annotation.h"
#include "peer/place.h"
#include "unit/cgroup.h"
#include "unit/unit-spec.h"

#define POD_RUN_TIMEOUT_USEC (4 * USEC_PER_MINUTE)
#define PIN_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define PIN_STDERR_MAX (4 * KIB)
#define SHM_SIZE_BYTES (64 * MIB)

struct PodRun {
        Manager *manager;
        Pod *pod; /* NULL once it is being removed again */
        Operation operation, make;
        OperationWaiter removal;
        SystemdCall *call;
        Child *pin;
        NetworkCall *network;
        size_t n_pending; /* of the step that prepares */
        int result;       /* of the making */
        Error error;
};

PodRun *pod_run_free(PodRun *r) {
        if (!r)
                return NULL;

        r->call = systemd_call_cancel(r->call);
        child_free(r->pin);
        network_call_free(r->network);
        operation_leave(&r->removal);
        operation_done(&r->make);
        operation_done(&r->operation);
        error_done(&r->error);
        free(r);
        return NULL;
}

/* Two things run in this step; the first failure ends it. */
static void prepare_on_part(PodRun *r, int result) {
        r->n_pending--;
        if (result < 0 || r->n_pending == 0)
                operation_resume(&r->make, result);
}

static void prepare_on_slice(int result, const Error *error, void *userdata) {
        PodRun *r = userdata;

        r->call = NULL;
        if (result == -EEXIST) { /* somebody made it since we looked: then it is theirs */
                r->pod->slice_owned = false;
                result = pod_save(r->pod, &r->make.error);
        }
        if (result < 0)
                error_copy(&r->make.error, error);
        prepare_on_part(r, result);
}

static int prepare_slice(PodRun *r) {
        Pod *p = r->pod;
        _cleanup_free_ char *path = NULL, *description = NULL;
        _cleanup_close_ int fd = -EBADF;
        UnitSpec spec = UNIT_SPEC_INIT;
        Limits limits;
        int result;

        result = cgroup_path_from_slice(p->slice, &path);
        if (result < 0)
                return error_set(
                                &r->make.error,
                                result,
                                STATUS_INVALID_ARGUMENT,
                                "cgroup_parent %s: not the name of a slice",
                                p->slice);
        fd = cgroup_open(path);
        if (fd >= 0) {
                p->n_oom_kills = pod_count_oom_kills(p);
                return 0;
        }

        p->slice_owned = true;
        result = pod_save(p, &r->make.error);
        if (result < 0)
                return result;
        if (asprintf(&description, "Pod %s/%s", p->config.namespace, p->config.name) < 0)
                return -ENOMEM;
        spec.description = description;
        spec.default_dependencies = 1;
        result = limits_fill(&limits, &p->config.resources, 0, /* cpu_weight= */ true, &r->make.error);
        if (result < 0)
                return result;
        spec.extra = limits.extras;
        spec.n_extra = limits.n;
        result = systemd_start_unit(
                        p->manager->systemd,
                        p->slice,
                        &spec,
                        prepare_on_slice,
                        r,
                        &r->call,
                        &r->make.error);
        if (result >= 0)
                r->n_pending++;
        return result;
}

/* What crio-pin said at last. */
static const char *pin_last_line(const ChildResult *result) {
        const char *line = strrchr(result->err, '\n');

        return line ? line + 1 : result->err;
}

static void prepare_on_pin(Child *child, const ChildResult *result, void *userdata) {
        PodRun *r = userdata;
        int e;

        if (result->exit_code == PIN_EXIT_SYSCTL)
                e = error_set(&r->make.error, -EINVAL, STATUS_INVALID_ARGUMENT, "%s", pin_last_line(result));
        else
                e = child_result_check(result, "namespaces", &r->make.error);
        r->pin = child_free(child);
        prepare_on_part(r, e);
}

static int pin_add_arguments(const Pod *p, const char *netns, char ***argv) {
        char hostname[POD_HOSTNAME_SIZE];
        int r = 0;

        if (!isempty(netns))
                r = strv_extendf(argv, "--net=%s", netns);
        if (r >= 0 && p->config.ipc_mode != NAMESPACE_NODE) {
                r = strv_extend(argv, "--ipc");
                if (r >= 0)
                        r = strv_extendf(argv, "--shm=%" PRIu64, SHM_SIZE_BYTES);
        }
        pod_get_hostname(p, hostname);
        if (r >= 0 && p->config.network_mode != NAMESPACE_NODE)
                r = strv_extendf(argv, "--uts=%s", hostname);
        if (r >= 0)
                PAIRS_FOREACH(s, p->config.sysctls) {
                        r = strv_extendf(argv, "--sysctl=%s=%s", s[0], s[1]);
                        if (r < 0)
                                break;
                }
        return r;
}

static int prepare_pins(PodRun *r) {
        Pod *p = r->pod;
        _cleanup_free_ char *netns = pod_get_netns_path(p);
        _cleanup_strv_ char **argv = NULL;
        int result;

        if (!netns || strv_extend(&argv, CRIO_LIBEXECDIR "/crio-pin") < 0 ||
            strv_extend(&argv, "create") < 0 || strv_extend(&argv, p->id) < 0)
                return -ENOMEM;
        result = pin_add_arguments(p, netns, &argv);
        if (result < 0)
                return result;
        result =
                        child_start(p->manager->event,
                                    &(ChildSpec){
                                                    .argv = (const char *const *) argv,
                                                    .stderr_max_bytes = PIN_STDERR_MAX,
                                                    .timeout_usec = PIN_TIMEOUT_USEC,
                                    },
                                    prepare_on_pin,
                                    r,
                                    &r->pin,
                                    &r->make.error);
        if (result >= 0)
                r->n_pending++;
        return result;
}

static int make_step_prepare(Operation *op) {
        PodRun *r = container_of(op, PodRun, make);
        Pod *p = r->pod;
        int result;

        if (!isempty(p->config.log_directory)) {
                result = mkdir_p_at(AT_FDCWD, p->config.log_directory, 0755);
                if (result < 0)
                        return error_set(
                                        &op->error,
                                        result,
                                        errno_is_of_path(result) ? STATUS_INVALID_ARGUMENT : STATUS_INTERNAL,
                                        "make log_directory %.300s: %s",
                                        p->config.log_directory,
                                        STRERROR(result));
        }
        result = prepare_slice(r);
        if (result >= 0)
                result = prepare_pins(r);
        if (result == -ENOTCONN) /* before anything else has begun */
                return systemd_step(result, &op->error);
        return result < 0 ? result : r->n_pending > 0 ? STEP_WAIT : STEP_DONE;
}

static void make_undo_prepare(Operation *op) {
        PodRun *r = container_of(op, PodRun, make);

        r->call = systemd_call_cancel(r->call);
        r->pin = child_free(r->pin);
}

static void network_on_attached(int result, char *const *addresses, const Error *error, void *userdata) {
        PodRun *r = userdata;

        if (result >= 0) {
                r->pod->addresses = strv_copy(addresses);
                result = r->pod->addresses || !addresses ? 0 : -ENOMEM;
        } else
                error_copy(&r->make.error, error);
        r->network = network_call_free(r->network);
        operation_resume(&r->make, result);
}

static int make_step_network(Operation *op) {
        static const char *const protocols[] = { "tcp", "udp", "sctp" };
        PodRun *r = container_of(op, PodRun, make);
        Pod *p = r->pod;
        _cleanup_free_ char *netns = pod_get_netns_path(p);
        _cleanup_free_ NetworkPort *ports = new0(NetworkPort, p->config.n_port_mappings + 1);
        size_t n = 0;
        int result;

        if (p->config.network_mode == NAMESPACE_NODE)
                return STEP_DONE;
        if (!netns || !ports)
                return -ENOMEM;
        for (size_t i = 0; i < p->config.n_port_mappings; i++) {
                const PortMapping *m = p->config.port_mappings + i;

                if (m->host_port > 0)
                        ports[n++] = (NetworkPort){ .protocol = protocols[m->protocol],
                                                    .host_port = m->host_port,
                                                    .container_port = m->container_port,
                                                    .host_ip = strempty(m->host_ip) };
        }
        p->network_attached = true;
        result = pod_save(p, &op->error);
        if (result < 0)
                return result;
        result =
                        network_attach(p->manager->network,
                                       &(NetworkPod){ .id = p->id,
                                                      .name = p->config.name,
                                                      .namespace = p->config.namespace,
                                                      .uid = p->config.uid,
                                                      .netns_path = netns,
                                                      .ports = ports,
                                                      .n_ports = n },
                                       network_on_attached,
                                       r,
                                       &r->network,
                                       &op->error);
        return result < 0 ? result : STEP_WAIT;
}

static void make_undo_network(Operation *op) {
        PodRun *r = container_of(op, PodRun, make);

        r->network = network_call_free(r->network);
}

static void pause_on_started(int result, const Error *error, void *userdata) {
        PodRun *r = userdata;

        r->call = NULL;
        if (result < 0)
                error_copy(&r->make.error, error);
        operation_resume(&r->make, result);
}

static int make_step_pause(Operation *op) {
        PodRun *r = container_of(op, PodRun, make);
        Pod *p = r->pod;
        const char *const command[] = { CRIO_LIBEXECDIR "/crio-pause", NULL };
        _cleanup_free_ char *unit = pod_get_pause_unit(p), *description = NULL;
        UnitSpec spec = UNIT_SPEC_INIT;
        int result;

        if (!pod_has_pause(p))
                return STEP_DONE;
        if (!unit ||
            asprintf(&description, "Process namespace of pod %s/%s", p->config.namespace, p->config.name) <
                            0)
                return -ENOMEM;
        result = pod_watch(p, &op->error);
        if (result < 0)
                return result;
        spec.description = description;
        spec.slice = p->slice;
        spec.type = "forking";
        spec.exec_start = command;
        spec.collect_mode = "inactive-or-failed";
        result = systemd_start_unit(
                        p->manager->systemd,
                        unit,
                        &spec,
                        pause_on_started,
                        r,
                        &r->call,
                        &op->error);
        return systemd_step(result, &op->error);
}

static void pause_on_looked(int result, const UnitState *state, const Error *error, void *userdata) {
        PodRun *r = userdata;

        r->call = NULL;
        if (result >= 0)
                r->pod->pause_pid = state->main_pid;
        else
                error_copy(&r->make.error, error);
        operation_resume(&r->make, result);
}

/* The signals on the way usually told it already. */
static int make_step_pause_pid(Operation *op) {
        PodRun *r = container_of(op, PodRun, make);
        Pod *p = r->pod;
        _cleanup_free_ char *unit = pod_get_pause_unit(p);
        int result;

        if (!pod_has_pause(p))
                return STEP_DONE;
        p->pause_pid = p->pause_watch.state.main_pid;
        if (p->pause_pid > 0)
                return STEP_DONE;
        if (!unit)
                return -ENOMEM;
        result = systemd_get_unit(p->manager->systemd, unit, pause_on_looked, r, &r->call, &op->error);
        return systemd_step(result, &op->error);
}

static void make_undo_call(Operation *op) {
        PodRun *r = container_of(op, PodRun, make);

        r->call = systemd_call_cancel(r->call);
}

static int make_step_publish(Operation *op) {
        PodRun *r = container_of(op, PodRun, make);
        Pod *p = r->pod;
        int result;

        result = pod_write_files(p, &op->error);
        if (result < 0)
                return result;
        p->created_at_nsec = now_realtime_nsec();
        p->state = POD_READY;
        result = pod_save(p, &op->error);
        if (result < 0)
                p->state = POD_CREATING;
        return result;
}

static const OperationStep make_steps[] = {
        { "prepare", make_step_prepare, make_undo_prepare },
        { "network", make_step_network, make_undo_network },
        { "pause", make_step_pause, make_undo_call },
        { "pause-pid", make_step_pause_pid, make_undo_call },
        { "publish", make_step_publish, NULL },
        {},
};

static void make_on_done(Operation *op, int result) {
        PodRun *r = container_of(op, PodRun, make);

        r->result = result;
        error_move(&r->error, &op->error);
        operation_resume(&r->operation, 0);
}

static int run_step_make(Operation *op) {
        PodRun *r = container_of(op, PodRun, operation);
        int result;

        result =
                        operation_start(&r->make,
                                        "make pod",
                                        r->manager->event,
                                        make_steps,
                                        POD_RUN_TIMEOUT_USEC,
                                        make_on_done);
        if (result >= 0)
                return STEP_WAIT;
        r->result = result;
        return STEP_DONE; /* the next step takes back what there is */
}

static void removal_on_done(OperationWaiter *w, int result, const Error *error) {
        PodRun *r = container_of(w, PodRun, removal);

        if (result < 0)
                log_warning("a pod sandbox that failed to start is not gone yet: %s, trying again when it is "
                            "stopped",
                            error_get_text(error, result));
        error_move(&r->operation.error, &r->error);
        operation_resume(&r->operation, r->result);
}

static int run_step_settle(Operation *op) {
        PodRun *r = container_of(op, PodRun, operation);
        Pod *p = r->pod;
        int result;

        r->pod = NULL; /* from here on the pod and this go separate ways */
        p->run = NULL;
        if (r->result >= 0) {
                log_info("pod %s: %s/%s is ready", p->id, p->config.namespace, p->config.name);
                return STEP_DONE;
        }

        r->removal.on_done = removal_on_done;
        result = pod_remove(p, /* abandon= */ false, &r->removal, NULL);
        if (result < 0) {
                error_move(&op->error, &r->error);
                return r->result;
        }
        return STEP_WAIT;
}

static const OperationStep run_steps[] = {
        { "make", run_step_make, NULL },
        { "settle", run_step_settle, NULL },
        {},
};

static void run_on_done(Operation *op, int result) {
        PodRun *r = container_of(op, PodRun, operation);

        if (r->pod) { /* it was stopped before it could take back anything */
                r->pod->run = NULL;
                r->pod->state = POD_CREATING; /* nobody was told of it */
                if (pod_remove(r->pod, /* abandon= */ false, NULL, NULL) < 0)
                        log_warning("a pod sandbox that was not started stays until the next start of crio");
        }
        (void) pod_run_free(r);
}

static char *slice_of(const PodConfig *config, const char *id) {
        if (isempty(config->cgroup_parent))
                return str_join("crio-", id, ".slice", NULL);
        return strdup(path_basename(config->cgroup_parent));
}

/* Whoever asks again while it runs wants that one. */
static PodRun *find_running(Manager *m, const PodConfig *config) {
        Pod *p;

        HASHMAP_FOREACH(p, m->pods)
                if (p->run && p->config.attempt == config->attempt &&
                    streq_null(p->config.name, config->name) &&
                    streq_null(p->config.namespace, config->namespace) &&
                    streq_null(p->config.uid, config->uid))
                        return p->run;
        return NULL;
}

/* The answer to the first request may have been lost: whoever asks for exactly what is there gets it. */
static Pod *find_ready(Manager *m, const PodConfig *config) {
        _cleanup_free_ char *name = pod_format_reservation(config);
        Pod *p = name ? hashmap_get(m->names, name) : NULL;

        if (!p || p->state != POD_READY || p->stop || p->remove)
                return NULL;
        annotations_filter(config->annotations, p->runtime->allowed_annotations); /* as it was kept */
        return json_field_equal(pod_config_fields, &p->config, config) ? p : NULL;
}

int pod_run(Manager *m, PodConfig *config, OperationWaiter *w, Id *ret_id, Error *error) {
        PodRun *r;
        Pod *p;
        int result;

        result = pod_config_check(config, error);
        if (result < 0)
                return result;
        p = find_ready(m, config);
        if (p) {
                memcpy(ret_id->text, p->id, sizeof(ret_id->text));
                return 1;
        }
        r = find_running(m, config);
        if (r) {
                memcpy(ret_id->text, r->pod->id, sizeof(ret_id->text));
                operation_join(&r->operation, w);
                return 0;
        }

        result = id_generate(ret_id);
        if (result < 0)
                return result;
        result = pod_new(m, ret_id->text, config, &p, error);
        if (result < 0)
                return result;
        p->slice = slice_of(&p->config, p->id);
        r = new0(PodRun, 1);
        result = p->slice && r ? pod_save(p, error) : -ENOMEM;
        if (result >= 0)
                result =
                                operation_start(&r->operation,
                                                "run pod",
                                                m->event,
                                                run_steps,
                                                USEC_INFINITY,
                                                run_on_done);
        if (result < 0) {
                _cleanup_free_ char *dir = pod_get_directory(p, NULL);

                if (dir)
                        (void) rm_rf_at(AT_FDCWD, dir); /* the failure that is reported is the first one */
                free(r);
                pod_free(p);
                return result;
        }
        r->manager = m;
        r->pod = p;
        p->run = r;
        operation_join(&r->operation, w);
        return 0;
}
