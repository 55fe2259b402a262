/* SPDX-License-Identifier: Apache-2.0 */

/*
 * StopPodSandbox and RemovePodSandbox. Every step may be repeated, and copes with a pod that was made in
 * part.
 */

#include <fcntl.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/gather.h"
#include "core/manager.h"
#include "core/pod.h"
#include "event/child.h"
#include "network/network.h"

#define POD_STOP_TIMEOUT_USEC (4 * USEC_PER_MINUTE)
#define PIN_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define PIN_STDERR_MAX (4 * KIB)
#define DETACHES_MAX 3
/* What was never ready is removed without being asked for it, a few times. */
#define REMOVE_AGAIN_USEC (2 * USEC_PER_SEC)
#define REMOVALS_MAX 5

struct PodStop {
        Pod *pod;
        Operation operation;
        Gather containers;
        SystemdCall *call;
        Child *pin;
        NetworkCall *network;
        unsigned n_detaches;
};

struct PodRemove {
        Pod *pod;
        Operation operation;
        Gather gather;
};

PodStop *pod_stop_free(PodStop *s) {
        if (!s)
                return NULL;

        gather_done(&s->containers);
        s->call = systemd_call_cancel(s->call);
        child_free(s->pin);
        network_call_free(s->network);
        operation_done(&s->operation);
        free(s);
        return NULL;
}

PodRemove *pod_remove_free(PodRemove *r) {
        if (!r)
                return NULL;

        gather_done(&r->gather);
        operation_done(&r->operation);
        free(r);
        return NULL;
}

/* What is being made in it is not made any further, and goes. */
static int stop_step_creates(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);
        Container *c;

        gather_begin(&s->containers, op);
        s->containers.forgiving = true; /* it fails, that is what we want */
        HASHMAP_FOREACH(c, s->pod->manager->containers) {
                OperationWaiter *w;

                if (c->pod != s->pod || !c->create)
                        continue;
                w = gather_add(&s->containers);
                if (w && container_create_cancel(c, w) != 0)
                        gather_drop(&s->containers, w, 0, NULL);
        }
        return gather_end(&s->containers);
}

static int stop_step_containers(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);
        Container *c;

        gather_begin(&s->containers, op);
        HASHMAP_FOREACH(c, s->pod->manager->containers) {
                _cleanup_error_ Error error = ERROR_INIT;
                OperationWaiter *w;
                int r;

                if (c->pod != s->pod)
                        continue;
                w = gather_add(&s->containers);
                if (!w)
                        continue;
                r = container_stop(c, 0, w, &error);
                if (r != 0)
                        gather_drop(&s->containers, w, r, &error);
        }
        return gather_end(&s->containers);
}

static void stop_undo_containers(Operation *op) {
        gather_done(&container_of(op, PodStop, operation)->containers);
}

static void stop_on_unit(int r, const Error *error, void *userdata) {
        PodStop *s = userdata;

        s->call = NULL;
        if (r < 0)
                error_copy(&s->operation.error, error);
        operation_resume(&s->operation, r);
}

static void stop_undo_call(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);

        s->call = systemd_call_cancel(s->call);
}

static int stop_step_pause(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);
        Pod *p = s->pod;
        _cleanup_free_ char *unit = NULL;
        int r;

        if (!pod_has_pause(p))
                return STEP_DONE;
        unit = pod_get_pause_unit(p);
        if (!unit)
                return -ENOMEM;
        r = systemd_stop_unit(p->manager->systemd, unit, stop_on_unit, s, &s->call, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static int detach(PodStop *s, Error *error);

/* What an ADD left that was killed half way makes the bridge plugin fail over its rules once; the address
 * and the link are free then, and the next DEL succeeds. */
static void stop_on_detached(int r, char *const *addresses, const Error *error, void *userdata) {
        PodStop *s = userdata;
        NetworkCall *call = TAKE_PTR(s->network); /* owns the error */

        if (r >= 0)
                s->pod->network_attached = false;
        else if (s->n_detaches < DETACHES_MAX) {
                log_info("pod %s: %s, trying again", s->pod->id, error_get_text(error, r));
                r = detach(s, &s->operation.error);
                if (r >= 0) {
                        network_call_free(call);
                        return;
                }
        } else if (s->pod->abandoned) {
                log_warning("pod %s: %s; it is removed nevertheless, its address may stay taken",
                            s->pod->id,
                            error_get_text(error, r));
                s->pod->network_attached = false;
                r = 0;
        } else
                error_copy(&s->operation.error, error);
        network_call_free(call);
        operation_resume(&s->operation, r);
}

static int detach(PodStop *s, Error *error) {
        Pod *p = s->pod;
        _cleanup_free_ char *netns = pod_get_netns_path(p);
        _cleanup_close_ int fd = -EBADF;

        if (!netns)
                return -ENOMEM;
        s->n_detaches++;
        fd = open_at(AT_FDCWD, netns, O_PATH, 0);
        return network_detach(
                        p->manager->network,
                        &(NetworkPod){ .id = p->id,
                                       .name = p->config.name,
                                       .namespace = p->config.namespace,
                                       .uid = p->config.uid,
                                       .netns_path = fd < 0 ? "" : netns },
                        stop_on_detached,
                        s,
                        &s->network,
                        error);
}

static int stop_step_network(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);
        int r;

        if (!s->pod->network_attached)
                return STEP_DONE;
        r = detach(s, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void stop_undo_network(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);

        s->network = network_call_free(s->network);
}

static void stop_on_pins(Child *child, const ChildResult *result, void *userdata) {
        PodStop *s = userdata;
        int r;

        r = child_result_check(result, "namespaces", &s->operation.error);
        s->pin = child_free(child);
        operation_resume(&s->operation, r);
}

static int stop_step_pins(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);
        Pod *p = s->pod;
        _cleanup_free_ char *netns = pod_get_netns_path(p);
        const char *argv[] = { CRIO_LIBEXECDIR "/crio-pin", "remove", p->id, NULL, NULL, NULL };
        int r;

        if (!netns)
                return -ENOMEM;
        if (!isempty(netns)) {
                argv[3] = "--net";
                argv[4] = netns;
        }
        r = child_start(p->manager->event,
                        &(ChildSpec){ .argv = argv,
                                      .stderr_max_bytes = PIN_STDERR_MAX,
                                      .timeout_usec = PIN_TIMEOUT_USEC },
                        stop_on_pins,
                        s,
                        &s->pin,
                        &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void stop_undo_pins(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);

        s->pin = child_free(s->pin);
}

/* Whoever is left in a slice that we made stops it in the end. 1: somebody is. */
static int slice_hand_over(Pod *p, Error *error) {
        Pod *other;
        int r;

        HASHMAP_FOREACH(other, p->manager->pods) {
                if (other == p || other->released || !streq(other->slice, p->slice))
                        continue;
                other->slice_owned = true;
                r = pod_save(other, error);
                if (r < 0)
                        return r;
                p->slice_owned = false; /* written by the next step */
                return 1;
        }
        return 0;
}

static int stop_step_slice(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);
        Pod *p = s->pod;
        int r;

        if (!p->slice_owned)
                return STEP_DONE;
        r = slice_hand_over(p, &op->error);
        if (r != 0)
                return r < 0 ? r : STEP_DONE;
        r = systemd_stop_unit(p->manager->systemd, p->slice, stop_on_unit, s, &s->call, &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static int stop_step_publish(Operation *op) {
        PodStop *s = container_of(op, PodStop, operation);

        s->pod->released = true;
        return pod_save(s->pod, &op->error);
}

static const OperationStep stop_steps[] = {
        { "creates", stop_step_creates, stop_undo_containers },
        { "containers", stop_step_containers, stop_undo_containers },
        { "pause", stop_step_pause, stop_undo_call },
        { "network", stop_step_network, stop_undo_network },
        { "pins", stop_step_pins, stop_undo_pins },
        { "slice", stop_step_slice, stop_undo_call },
        { "publish", stop_step_publish, NULL },
        {},
};

static void stop_on_done(Operation *op, int r) {
        PodStop *s = container_of(op, PodStop, operation);

        if (r < 0)
                log_warning("pod %s: could not be stopped: %s, waiting to be asked again",
                            s->pod->id,
                            error_get_text(&op->error, r));
        s->pod->stop = NULL;
        (void) pod_stop_free(s);
}

int pod_stop(Pod *p, OperationWaiter *w, Error *error) {
        PodStop *s = p->stop;
        int r;

        if (p->released)
                return 1;
        if (s) {
                operation_join(&s->operation, w);
                return 0;
        }

        if (p->state == POD_READY) {
                p->state = POD_NOTREADY;
                r = pod_save(p, error);
                if (r < 0)
                        return r;
        }
        s = new0(PodStop, 1);
        if (!s)
                return -ENOMEM;
        s->pod = p;
        r =
                        operation_start(&s->operation,
                                        "stop pod",
                                        p->manager->event,
                                        stop_steps,
                                        POD_STOP_TIMEOUT_USEC,
                                        stop_on_done);
        if (r < 0) {
                free(s);
                return r;
        }
        p->stop = s;
        operation_join(&s->operation, w);
        return 0;
}

static int remove_step_stop(Operation *op) {
        PodRemove *x = container_of(op, PodRemove, operation);
        _cleanup_error_ Error error = ERROR_INIT;
        OperationWaiter *w;
        int r;

        gather_begin(&x->gather, op);
        w = gather_add(&x->gather);
        if (w) {
                r = pod_stop(x->pod, w, &error);
                if (r != 0)
                        gather_drop(&x->gather, w, r, &error);
        }
        return gather_end(&x->gather);
}

static int remove_step_containers(Operation *op) {
        PodRemove *x = container_of(op, PodRemove, operation);
        Container *c;

        gather_begin(&x->gather, op);
        HASHMAP_FOREACH(c, x->pod->manager->containers) {
                _cleanup_error_ Error error = ERROR_INIT;
                OperationWaiter *w;
                int r;

                if (c->pod != x->pod)
                        continue;
                w = gather_add(&x->gather);
                if (!w)
                        continue;
                r = container_remove(c, w, &error);
                if (r != 0)
                        gather_drop(&x->gather, w, r, &error);
        }
        return gather_end(&x->gather);
}

static void remove_undo_gather(Operation *op) {
        gather_done(&container_of(op, PodRemove, operation)->gather);
}

static int remove_step_files(Operation *op) {
        PodRemove *x = container_of(op, PodRemove, operation);
        Pod *p = x->pod;
        _cleanup_free_ char *dir = pod_get_directory(p, NULL);
        int r;

        r = dir ? rm_rf_at(AT_FDCWD, dir) : -ENOMEM;
        if (r < 0)
                return error_set(
                                &op->error,
                                r,
                                STATUS_INTERNAL,
                                "remove state of pod %s: %s",
                                p->id,
                                STRERROR(r));
        p->remove = NULL; /* x lives until its completion */
        x->pod = NULL;
        (void) pod_free(p);
        return STEP_DONE;
}

static const OperationStep remove_steps[] = {
        { "stop", remove_step_stop, remove_undo_gather },
        { "containers", remove_step_containers, remove_undo_gather },
        { "files", remove_step_files, NULL },
        {},
};

static int remove_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Pod *p = userdata;
        int r;

        r = p->remove ? 0 : pod_remove(p, /* abandon= */ false, NULL, NULL);
        if (r < 0)
                p->state = POD_NOTREADY;
        return 0;
}

/* Whether it is tried again by itself. */
static bool remove_later(Pod *p) {
        if (p->state != POD_CREATING || ++p->n_removals >= REMOVALS_MAX)
                return false;
        p->remove_timer = sd_event_source_disable_unref(p->remove_timer);
        return sd_event_add_time_relative(
                               p->manager->event,
                               &p->remove_timer,
                               CLOCK_MONOTONIC,
                               REMOVE_AGAIN_USEC,
                               0,
                               remove_on_timer,
                               p) >= 0;
}

static void remove_on_done(Operation *op, int r) {
        PodRemove *x = container_of(op, PodRemove, operation);
        Pod *p = x->pod;

        if (p) {
                bool later = remove_later(p);

                log_warning("pod %s: could not be removed: %s, %s",
                            p->id,
                            error_get_text(&op->error, r),
                            later ? "trying again" : "waiting to be asked again");
                /* Half of it may be there: clients have to see it, to ask again. */
                if (p->state == POD_CREATING && !later)
                        p->state = POD_NOTREADY;
                p->remove = NULL;
        }
        (void) pod_remove_free(x);
}

int pod_remove(Pod *p, bool abandon, OperationWaiter *w, Error *error) {
        PodRemove *x = p->remove;
        int r;

        p->abandoned |= abandon;
        if (x) {
                if (w)
                        operation_join(&x->operation, w);
                return 0;
        }

        x = new0(PodRemove, 1);
        if (!x)
                return -ENOMEM;
        x->pod = p;
        r =
                        operation_start(&x->operation,
                                        "remove pod",
                                        p->manager->event,
                                        remove_steps,
                                        2 * POD_STOP_TIMEOUT_USEC,
                                        remove_on_done);
        if (r < 0) {
                free(x);
                return r;
        }
        p->remove = x;
        if (w)
                operation_join(&x->operation, w);
        return 0;
}
