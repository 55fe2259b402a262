/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * PodConfig and ContainerConfig: what a client asked for, typed, with a JSON form.
 *
 * Kept as long as the object lives and returned as it came. Plain structs, zeroed to start with; the JSON
 * tables load, save and free them. Source: CRI v1, PodSandboxConfig and ContainerConfig (proto/cri.proto).
 */

#include "format/json-field.h"

/* Ids and numbers that were not given. */
#define UNSET (-1)

/* Values of the CRI enums. */
typedef enum NamespaceMode {
        NAMESPACE_POD = 0,
        NAMESPACE_CONTAINER = 1,
        NAMESPACE_NODE = 2,
        NAMESPACE_TARGET = 3,
} NamespaceMode;

typedef enum MountPropagation {
        PROPAGATION_PRIVATE = 0,
        PROPAGATION_HOST_TO_CONTAINER = 1,
        PROPAGATION_BIDIRECTIONAL = 2,
} MountPropagation;

typedef struct PortMapping {
        int protocol; /* 0 TCP, 1 UDP, 2 SCTP */
        int container_port, host_port;
        char *host_ip;
} PortMapping;

typedef struct HugepageLimit {
        char *page_size;
        int64_t limit_bytes;
} HugepageLimit;

/* Zero and empty: not specified. */
typedef struct ContainerResources {
        int64_t cpu_period_usec, cpu_quota_usec, cpu_shares;
        int64_t memory_limit_bytes, memory_swap_limit_bytes, oom_score_adj;
        char *cpuset_cpus, *cpuset_mems;
        HugepageLimit *hugepage_limits;
        size_t n_hugepage_limits;
        char **unified; /* pairs */
} ContainerResources;

typedef struct PodConfig {
        char *name, *uid, *namespace;
        int64_t attempt;
        char *hostname, *log_directory;
        bool has_dns;
        char **dns_servers, **dns_searches, **dns_options;
        PortMapping *port_mappings;
        size_t n_port_mappings;
        char **labels, **annotations; /* pairs */
        char *cgroup_parent, *runtime_handler;
        char **sysctls; /* pairs */
        int network_mode, pid_mode, ipc_mode;
        bool privileged;
        ContainerResources resources; /* of all containers, with the overhead */
} PodConfig;

typedef struct ContainerMount {
        char *container_path, *host_path;
        bool readonly, recursive_readonly;
        int propagation;
} ContainerMount;

typedef struct ContainerDevice {
        char *container_path, *host_path, *permissions;
} ContainerDevice;

typedef struct ContainerConfig {
        char *name;
        int64_t attempt;
        char *image, *user_specified_image, *image_runtime_handler;
        char **command, **args, **envs; /* envs: "NAME=value" */
        char *working_dir;
        ContainerMount *mounts;
        size_t n_mounts;
        ContainerDevice *devices;
        size_t n_devices;
        char **labels, **annotations; /* pairs */
        char *log_path;
        bool stdin_open, stdin_once, tty;
        int stop_signal; /* CRI number, 0: that of the image */

        /* security */
        char **add_capabilities, **drop_capabilities, **add_ambient_capabilities;
        bool privileged, readonly_rootfs, no_new_privs;
        int network_mode, ipc_mode; /* have to be those of the pod; 0: not said */
        int pid_mode;
        char *pid_target;
        int64_t run_as_user, run_as_group; /* UNSET */
        char *run_as_username;
        int64_t *supplemental_groups;
        size_t n_supplemental_groups;
        int supplemental_groups_policy; /* 0 merge, 1 strict */
        char **masked_paths, **readonly_paths;

        ContainerResources resources;
} ContainerConfig;

extern const JsonField pod_config_fields[], container_config_fields[], container_resources_fields[];

/* A pod and a container that asks for nothing: UNSET where zero would mean something. */
#define CONTAINER_CONFIG_INIT ((ContainerConfig){ .run_as_user = UNSET, .run_as_group = UNSET })
