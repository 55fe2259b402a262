/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Manager: the root of everything that crio knows.
 *
 * Owns pods and containers (by id), the pulls that run, and the partners: PID 1, crio-iod, the network, the
 * store. One per daemon. Lookups answer from memory and never wait.
 */

#include "basic/error.h"
#include "basic/id.h"
#include "config/config.h"

typedef struct sd_event sd_event;
typedef struct Container Container;
typedef struct Hashmap Hashmap;
typedef struct Images Images;
typedef struct IodClient IodClient;
typedef struct Manager Manager;
typedef struct Network Network;
typedef struct Orphan Orphan;
typedef struct Pod Pod;
typedef struct Restore Restore;
typedef struct Store Store;
typedef struct Sweeper Sweeper;
typedef struct Systemd Systemd;

#define PODS_MAX 4096
#define CONTAINERS_MAX 16384

/* Directories of state; gone after a boot. */
#define RUN_DIR "/run/crio"
#define RUN_PODS_DIR RUN_DIR "/pods"
#define RUN_CONTAINERS_DIR RUN_DIR "/containers"

struct Manager {
        sd_event *event;
        const Config *config; /* borrowed */
        Systemd *systemd;
        IodClient *iod;
        Network *network;
        Store *store;
        Images *images;
        Hashmap *pods;       /* k: id, v: Pod, owned */
        Hashmap *containers; /* k: id, v: Container, owned */
        Hashmap *names;      /* k: reservation, v: the Pod or Container that holds it */
        Restore *restore;    /* while it starts */
        Orphan *orphans;     /* list, owned */
        Sweeper *sweeper;
        uint64_t n_execs;      /* for names */
        uint64_t capabilities; /* that this node can give */
        unsigned controllers;  /* of cgroups; mask of OCI_CONTROLLER() */
        int oom_score_adj_min;
        int lock_fd; /* so that there is one of us */
        bool stopping;
};

/**
 * manager_new() - connect to everybody
 * @event:   borrowed
 * @config:  borrowed
 *
 * Return: 0, or negative errno with a text (PID 1 is not systemd, cgroup v1, the store can not be opened).
 */
int manager_new(sd_event *event, const Config *config, Manager **ret, Error *error);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free);

/* Reads the state of our predecessor and brings it in line with PID 1. @on_done is called once from the
 * loop; no request may be served before. */
typedef void (*ManagerStarted)(Manager *m, int r, const Error *error, void *userdata);
int manager_start(Manager *m, ManagerStarted on_done, void *userdata, Error *error);

/* By id or unique beginning of an id; only those that a client may see. 0; -ENOENT with NOT_FOUND;
 * -EINVAL for an empty or ambiguous one. */
int manager_find_pod(const Manager *m, const char *id, Pod **ret, Error *error);
int manager_find_container(const Manager *m, const char *id, Container **ret, Error *error);
