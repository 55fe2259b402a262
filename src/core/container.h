/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Container: one container of a pod, from CreateContainer to RemoveContainer.
 *
 * Lives as crio-ID.scope in the slice of its pod, supervised by crio-ID.service. Owned by the Manager. Its
 * file /run/crio/containers/ID/state.json holds what nobody else knows; whether it runs and how it ended
 * is asked of PID 1. Source: CRI v1, CreateContainer and relatives.
 */

#include "basic/id.h"
#include "event/operation.h"
#include "oci/config.h"
#include "unit/systemd.h"

typedef struct Container Container;
typedef struct ContainerCreate ContainerCreate;
typedef struct ContainerExit ContainerExit;
typedef struct ContainerRemove ContainerRemove;
typedef struct ContainerStart ContainerStart;
typedef struct ContainerStop ContainerStop;
typedef struct ContainerUpdate ContainerUpdate;
typedef struct Exec Exec;
typedef struct Manager Manager;
typedef struct Pod Pod;
typedef struct sd_event_source sd_event_source;

/* How long everything but the wait for a process may take. */
#define CONTAINER_TIMEOUT_USEC (4 * USEC_PER_MINUTE)

typedef enum ContainerState {
        CONTAINER_CREATING, /* not visible */
        CONTAINER_CREATED,
        CONTAINER_RUNNING,
        CONTAINER_EXITED,
        CONTAINER_UNKNOWN,
        _CONTAINER_STATE_MAX,
        _CONTAINER_STATE_INVALID = -EINVAL,
} ContainerState;

#define EXIT_UNKNOWN 255     /* nobody saw how it ended */
#define EXIT_NOT_STARTED 128 /* its process was never executed */

struct Container {
        Manager *manager;
        Pod *pod;
        char *id;
        char *reservation;
        ContainerConfig config;
        char *image_id, *image_ref; /* image_ref: "repository@digest", else the id */
        char *image_stop_signal;

        int state;
        int64_t created_at_nsec, started_at_nsec, finished_at_nsec; /* CLOCK_REALTIME; 0: not yet */
        int exit_code;
        char *reason, *message;
        int64_t uid, gid; /* of its first process */
        int64_t *groups;
        size_t n_groups;
        int pid;
        char *process_cgroup; /* of its first process when it was created, below CGROUP_ROOT */

        int pidfd;
        bool start_failed;       /* its process was never executed; reason and message say why */
        bool killed;             /* by us */
        int64_t n_oom_kills;     /* of its processes, when it ended */
        bool unit_kept;          /* PID 1 was not told to forget it */
        bool ended, ended_known; /* while it was starting */
        UnitWatch watch;
        SystemdCall *look; /* asks about it */
        sd_event_source *look_timer;

        ContainerCreate *create; /* operations that run, NULL when not */
        ContainerStart *start;
        ContainerStop *stop;
        ContainerExit *exit;
        ContainerRemove *remove;
        ContainerUpdate *update;
        Exec *execs; /* list */
};

/* @config: taken over, empty afterwards. */
int container_new(Pod *p, const char *id, ContainerConfig *config, Container **ret, Error *error);
Container *container_free(Container *c);
DEFINE_CLEANUP(Container *, container_free);

/* Writes its file. */
int container_save(Container *c, Error *error);
int container_load(Manager *m, const char *id, Container **ret, Error *error);

/* Whether clients may see it. */
static inline bool container_is_visible(const Container *c) {
        return c->state != CONTAINER_CREATING;
}

/* All owned by the caller, NULL without memory. */
/* Under which name a container is in the manager's names. */
char *container_format_reservation(const Pod *p, const ContainerConfig *config);
char *container_get_directory(const Container *c, const char *file);
char *container_get_service(const Container *c);
char *container_get_scope(const Container *c);
/* Of its scope, below CGROUP_ROOT. */
char *container_get_cgroup_path(const Container *c);
/* Absolute; "" when it has no log. */
char *container_get_log_path(const Container *c);

/* Effective stop signal, number of this kernel. */
int container_get_stop_signal(const Container *c);

/**
 * container_create() - CreateContainer
 * @config:  taken over, empty afterwards
 * @w:       hears when it is CREATED, or when everything was taken back
 *
 * Return: 0 (the waiter waits), 1 (exactly this one is there, CREATED or RUNNING; the waiter does not wait),
 * or negative errno with a text.
 */
int container_create(Pod *p, ContainerConfig *config, OperationWaiter *w, Id *ret_id, Error *error);

/* Breaks off a CreateContainer that runs; its caller hears -ECANCELED, and the container is removed. @w
 * hears when nothing is made any more. 1: there is nothing to break off. */
int container_create_cancel(Container *c, OperationWaiter *w);

/* StartContainer. -EINVAL with FAILED_PRECONDITION unless it is CREATED. */
int container_start(Container *c, OperationWaiter *w, Error *error);

/**
 * container_stop() - StopContainer
 * @timeout_usec:  between the stop signal and SIGKILL; 0: SIGKILL at once. Can only shorten a stop that
 * runs.
 *
 * Return: 0 (the waiter waits), 1 (it does not run), or negative errno with a text.
 */
int container_stop(Container *c, uint64_t timeout_usec, OperationWaiter *w, Error *error);

/* RemoveContainer; kills it when it runs. The container is gone before the waiter hears. @w: may be NULL. */
int container_remove(Container *c, OperationWaiter *w, Error *error);

/* UpdateContainerResources. Zero fields stay as they are. @resources: taken over. */
int container_update(Container *c, ContainerResources *resources, OperationWaiter *w, Error *error);

/* ReopenContainerLog. */
int container_reopen_log(Container *c, OperationWaiter *w, Error *error);

/* PID 1 says that the process is over (or, with NULL, nobody knows how it ended). */
void container_on_ended(Container *c, const UnitState *state);

/* Begins to watch unit and process, when it was created and after a restart. */
int container_watch(Container *c, Error *error);

/* Holds its first process by a descriptor, if it is still there. 0 or -ESRCH. */
int container_open_process(Container *c);

/* From its pid file, with the control group that the runtime chose inside the scope. */
int container_read_pid(Container *c);

/* Signal to the first process; SIGKILL goes to all processes of the container. */
int container_kill(Container *c, int signal_number);

/* Asks PID 1 how it is, where a signal may have been missed; at once or in a while. */
void container_look(Container *c);
void container_look_later(Container *c);

/* For the files that make up Container: the end was held back while it started; the record is written. */
void container_exit_resume(Container *c);
void container_stop_on_exited(Container *c);

/* PID 1 still keeps the unit of a container whose end is on record: it may forget it. */
void container_release_unit(Container *c, bool failed);

/* After a restart: a CREATED container may have been started without a chance to write that down. */
int container_find_started(Container *c, Error *error);

/* Waits until the record of an end is written and PID 1 has forgotten it; 1: nothing to wait for. */
int container_join_exit(Container *c, OperationWaiter *w);

/* For destructors of the daemon. */
ContainerCreate *container_create_free(ContainerCreate *x);
ContainerStart *container_start_free(ContainerStart *x);
ContainerStop *container_stop_free(ContainerStop *x);
ContainerExit *container_exit_free(ContainerExit *x);
ContainerRemove *container_remove_free(ContainerRemove *x);
ContainerUpdate *container_update_free(ContainerUpdate *x);
