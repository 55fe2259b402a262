/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Network: pod networks by CNI plugins.
 *
 * Owns the network configuration that is in force (read from network_dir, read again when the directory
 * changes) and the result cache below /var/lib/cni/results. Plugins run as children, one after the other for
 * a pod, all pods at the same time. Source: CNI specification 1.0.0 and 1.1.0, sections 1 to 5.
 */

#include "basic/error.h"

typedef struct sd_event sd_event;
typedef struct Network Network;
typedef struct NetworkCall NetworkCall;

#define NETWORK_CONFIG_MAX (1 * MIB)
#define NETWORK_RESULT_MAX (1 * MIB)
#define NETWORK_PLUGINS_MAX 32
#define NETWORK_ADDRESSES_MAX 16
/* A plugin that takes longer is killed. */
#define NETWORK_PLUGIN_TIMEOUT_USEC (90 * USEC_PER_SEC)

typedef struct NetworkPort {
        const char *protocol; /* "tcp", "udp", "sctp" */
        int host_port, container_port;
        const char *host_ip;
} NetworkPort;

/* Everything is borrowed and copied. */
typedef struct NetworkPod {
        const char *id, *name, *namespace, *uid;
        const char *netns_path; /* "" when the namespace is gone (DEL only) */
        const NetworkPort *ports;
        size_t n_ports;
} NetworkPod;

/* @addresses: NULL-terminated, without prefix lengths, the primary one first; NULL after DEL and on failure.
 */
typedef void (*NetworkDone)(int r, char *const *addresses, const Error *error, void *userdata);

/* @config_dir, @plugin_dirs, @name: copied; @name is the wanted network, "" for the first one. 0 or
 * -ENOMEM. */
int network_new(sd_event *event,
                const char *config_dir,
                char *const *plugin_dirs,
                const char *name,
                Network **ret);
Network *network_free(Network *n);
DEFINE_CLEANUP(Network *, network_free);

/* 0 when a configuration is in force; else -ENOENT or the failure of reading it, with a text. */
int network_check(Network *n, Error *error);

/**
 * network_attach() - ADD, and CHECK where the version of the configuration has it
 * @on_done:  called once, from the loop; what an ADD that failed had done is taken back before (DEL)
 * @ret:      for network_call_free()
 */
int network_attach(
                Network *n,
                const NetworkPod *pod,
                NetworkDone on_done,
                void *userdata,
                NetworkCall **ret,
                Error *error);

/* DEL with the configuration and result of the ADD, as they were cached. A pod that was never attached is
 * fine. */
int network_detach(
                Network *n,
                const NetworkPod *pod,
                NetworkDone on_done,
                void *userdata,
                NetworkCall **ret,
                Error *error);

/* Kills the plugin that runs; on_done is not called. The owner frees a call when on_done ran, too. */
NetworkCall *network_call_free(NetworkCall *c);
DEFINE_CLEANUP(NetworkCall *, network_call_free);
