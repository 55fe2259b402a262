/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pod: a pod sandbox. A slice, namespaces that are pinned, addresses, and no process unless its containers
 * share a process namespace.
 *
 * Owned by the Manager. Its file /run/crio/pods/ID/state.json is written before anything of it exists
 * elsewhere and goes last, so that a successor can always take the rest back. Source: CRI v1,
 * RunPodSandbox and relatives.
 */

#include "basic/id.h"
#include "event/operation.h"
#include "oci/config.h"
#include "unit/systemd.h"

typedef struct ConfigRuntime ConfigRuntime;
typedef struct Container Container;
typedef struct Manager Manager;
typedef struct Pod Pod;
typedef struct PodRemove PodRemove;
typedef struct PodRun PodRun;
typedef struct PodStop PodStop;
typedef struct PodUpdate PodUpdate;
typedef struct sd_event_source sd_event_source;

#define HOSTNAME_MAX 64

#define POD_HOSTNAME_SIZE 65 /* with the NUL */

typedef enum PodState {
        POD_CREATING, /* not visible */
        POD_READY,
        POD_NOTREADY,
        _POD_STATE_MAX,
        _POD_STATE_INVALID = -EINVAL,
} PodState;

struct Pod {
        Manager *manager;
        char *id;
        char *reservation; /* name of it in manager->names */
        PodConfig config;
        const ConfigRuntime *runtime;

        int state;
        int64_t created_at_nsec; /* CLOCK_REALTIME */
        char **addresses;        /* primary one first */
        char *slice;
        bool slice_owned;
        bool network_attached; /* ADD was begun, DEL has not succeeded */
        bool abandoned;        /* a client removes it, whatever the plugins say */
        bool released;         /* nothing of it is left outside of its files */

        UnitWatch pause_watch; /* of the pause process, where there is one */
        SystemdCall *look;     /* asks about it */
        pid_t pause_pid;
        int64_t n_oom_kills; /* of the slice: those before the pod, and those of containers that ended */

        size_t n_containers;
        PodRun *run; /* operations that run, NULL when not */
        PodStop *stop;
        PodRemove *remove;
        PodUpdate *update;
        sd_event_source *remove_timer; /* for the next try */
        unsigned n_removals;           /* that failed */
};

/* @config: taken over, empty afterwards. */
int pod_new(Manager *m, const char *id, PodConfig *config, Pod **ret, Error *error);
Pod *pod_free(Pod *p);
DEFINE_CLEANUP(Pod *, pod_free);

/* Writes its file. */
int pod_save(Pod *p, Error *error);
/* From its file; the pod is in the manager afterwards. */
int pod_load(Manager *m, const char *id, Pod **ret, Error *error);

/* Whether clients may see it. */
static inline bool pod_is_visible(const Pod *p) {
        return p->state != POD_CREATING;
}

/* Whether it has a process of its own (containers share its process namespace). */
static inline bool pod_has_pause(const Pod *p) {
        return p->config.pid_mode == NAMESPACE_POD;
}

/* Under which name a pod is in the manager's names. NULL without memory. */
char *pod_format_reservation(const PodConfig *config);

/* How often the kernel killed a process of its slice for want of memory, ever; 0 where it does not count. */
int64_t pod_count_oom_kills(const Pod *p);

/* Directory of its files; owned by the caller, NULL without memory. */
char *pod_get_directory(const Pod *p, const char *file);

/* Network namespace file; "" for the host's network. NULL without memory. */
char *pod_get_netns_path(const Pod *p);

/* What it calls itself: as asked for; without that the node's name on the host's network, else the beginning
 * of the id. */
void pod_get_hostname(const Pod *p, char ret[static POD_HOSTNAME_SIZE]);

/* Unit of the pause process. NULL without memory. */
char *pod_get_pause_unit(const Pod *p);

/**
 * pod_run() - RunPodSandbox
 * @config:  taken over, empty afterwards
 * @w:       hears when it is READY, or when everything was taken back
 * @ret_id:  id it will have
 *
 * The same name, namespace, uid and attempt join an operation that runs.
 *
 * Return: 0 (the waiter waits), 1 (exactly this one is there and READY; the waiter does not wait), or
 * negative errno with a text.
 */
int pod_run(Manager *m, PodConfig *config, OperationWaiter *w, Id *ret_id, Error *error);

/* Kills what runs in it, releases network and namespaces. 1: nothing to do, the waiter does not wait. */
int pod_stop(Pod *p, OperationWaiter *w, Error *error);

/* Stops it, removes its containers and itself; the pod is gone before the waiter hears. @abandon: also when
 * the network plugins fail to release it; @w: may be NULL. */
int pod_remove(Pod *p, bool abandon, OperationWaiter *w, Error *error);

/* UpdatePodSandboxResources. Zero fields stay as they are. */
int pod_update(Pod *p, const ContainerResources *resources, OperationWaiter *w, Error *error);

/* Watches the pause process again, after a restart. */
int pod_watch(Pod *p, Error *error);

/* For destructors of the daemon. */
PodRun *pod_run_free(PodRun *r);
PodStop *pod_stop_free(PodStop *s);
PodRemove *pod_remove_free(PodRemove *r);
PodUpdate *pod_update_free(PodUpdate *x);
