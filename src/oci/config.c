/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/config.h"

#define ROW(type_, struct_, field_)                                                                         \
        .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(struct_, field_)
#define ARRAY(struct_, field_, element_, fields_)                                                           \
        ROW(ARRAY, struct_, field_), .fields = (fields_), .size = sizeof(element_),                         \
                                     .n_offset = offsetof(struct_, n_##field_)

static const JsonField port_mapping_fields[] = {
        { ROW(INT, PortMapping, protocol) },
        { ROW(INT, PortMapping, container_port) },
        { ROW(INT, PortMapping, host_port) },
        { ROW(STRING, PortMapping, host_ip) },
        {},
};

static const JsonField hugepage_fields[] = {
        { ROW(STRING, HugepageLimit, page_size) },
        { ROW(INT64, HugepageLimit, limit_bytes) },
        {},
};

const JsonField container_resources_fields[] = {
        { ROW(INT64, ContainerResources, cpu_period_usec) },
        { ROW(INT64, ContainerResources, cpu_quota_usec) },
        { ROW(INT64, ContainerResources, cpu_shares) },
        { ROW(INT64, ContainerResources, memory_limit_bytes) },
        { ROW(INT64, ContainerResources, memory_swap_limit_bytes) },
        { ROW(INT64, ContainerResources, oom_score_adj) },
        { ROW(STRING, ContainerResources, cpuset_cpus) },
        { ROW(STRING, ContainerResources, cpuset_mems) },
        { ARRAY(ContainerResources, hugepage_limits, HugepageLimit, hugepage_fields) },
        { ROW(PAIRS, ContainerResources, unified) },
        {},
};

const JsonField pod_config_fields[] = {
        { ROW(STRING, PodConfig, name) },
        { ROW(STRING, PodConfig, uid) },
        { ROW(STRING, PodConfig, namespace) },
        { ROW(INT64, PodConfig, attempt) },
        { ROW(STRING, PodConfig, hostname) },
        { ROW(STRING, PodConfig, log_directory) },
        { ROW(BOOL, PodConfig, has_dns) },
        { ROW(STRINGS, PodConfig, dns_servers) },
        { ROW(STRINGS, PodConfig, dns_searches) },
        { ROW(STRINGS, PodConfig, dns_options) },
        { ARRAY(PodConfig, port_mappings, PortMapping, port_mapping_fields) },
        { ROW(PAIRS, PodConfig, labels) },
        { ROW(PAIRS, PodConfig, annotations) },
        { ROW(STRING, PodConfig, cgroup_parent) },
        { ROW(STRING, PodConfig, runtime_handler) },
        { ROW(PAIRS, PodConfig, sysctls) },
        { ROW(INT, PodConfig, network_mode) },
        { ROW(INT, PodConfig, pid_mode) },
        { ROW(INT, PodConfig, ipc_mode) },
        { ROW(BOOL, PodConfig, privileged) },
        { ROW(STRUCT, PodConfig, resources), .fields = container_resources_fields },
        {},
};

static const JsonField mount_fields[] = {
        { ROW(STRING, ContainerMount, container_path) }, { ROW(STRING, ContainerMount, host_path) },
        { ROW(BOOL, ContainerMount, readonly) },         { ROW(BOOL, ContainerMount, recursive_readonly) },
        { ROW(INT, ContainerMount, propagation) },       {},
};

static const JsonField device_fields[] = {
        { ROW(STRING, ContainerDevice, container_path) },
        { ROW(STRING, ContainerDevice, host_path) },
        { ROW(STRING, ContainerDevice, permissions) },
        {},
};

const JsonField container_config_fields[] = {
        { ROW(STRING, ContainerConfig, name) },
        { ROW(INT64, ContainerConfig, attempt) },
        { ROW(STRING, ContainerConfig, image) },
        { ROW(STRING, ContainerConfig, user_specified_image) },
        { ROW(STRING, ContainerConfig, image_runtime_handler) },
        { ROW(STRINGS, ContainerConfig, command) },
        { ROW(STRINGS, ContainerConfig, args) },
        { ROW(STRINGS, ContainerConfig, envs) },
        { ROW(STRING, ContainerConfig, working_dir) },
        { ARRAY(ContainerConfig, mounts, ContainerMount, mount_fields) },
        { ARRAY(ContainerConfig, devices, ContainerDevice, device_fields) },
        { ROW(PAIRS, ContainerConfig, labels) },
        { ROW(PAIRS, ContainerConfig, annotations) },
        { ROW(STRING, ContainerConfig, log_path) },
        { ROW(BOOL, ContainerConfig, stdin_open) },
        { ROW(BOOL, ContainerConfig, stdin_once) },
        { ROW(BOOL, ContainerConfig, tty) },
        { ROW(INT, ContainerConfig, stop_signal) },
        { ROW(STRINGS, ContainerConfig, add_capabilities) },
        { ROW(STRINGS, ContainerConfig, drop_capabilities) },
        { ROW(STRINGS, ContainerConfig, add_ambient_capabilities) },
        { ROW(BOOL, ContainerConfig, privileged) },
        { ROW(BOOL, ContainerConfig, readonly_rootfs) },
        { ROW(BOOL, ContainerConfig, no_new_privs) },
        { ROW(INT, ContainerConfig, network_mode) },
        { ROW(INT, ContainerConfig, ipc_mode) },
        { ROW(INT, ContainerConfig, pid_mode) },
        { ROW(STRING, ContainerConfig, pid_target) },
        { ROW(INT64, ContainerConfig, run_as_user) },
        { ROW(INT64, ContainerConfig, run_as_group) },
        { ROW(STRING, ContainerConfig, run_as_username) },
        { ROW(INT64S, ContainerConfig, supplemental_groups),
          .n_offset = offsetof(ContainerConfig, n_supplemental_groups) },
        { ROW(INT, ContainerConfig, supplemental_groups_policy) },
        { ROW(STRINGS, ContainerConfig, masked_paths) },
        { ROW(STRINGS, ContainerConfig, readonly_paths) },
        { ROW(STRUCT, ContainerConfig, resources), .fields = container_resources_fields },
        {},
};
