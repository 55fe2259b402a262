/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OciSpec: config.json of a container as a pure function of its inputs.
 *
 * Opens nothing and asks nobody: what has to be looked up (ids, devices, propagation of mounts) comes in.
 * The same inputs give the same bytes. Source: OCI runtime-spec 1.0.2, config.md and config-linux.md.
 */

#include "oci/config.h"
#include "oci/user.h"

/* A device node of the host, as it was looked up. */
typedef struct OciDevice {
        char *path; /* in the container */
        char type;  /* 'c', 'b', 'p' */
        unsigned major, minor;
        uint32_t mode, uid, gid;
        char access[4]; /* "rwm" */
} OciDevice;

/* Everything is borrowed. */
typedef struct OciSpecInput {
        const PodConfig *pod;
        const ContainerConfig *container;
        const OciUser *user;

        char *const *image_env, *const *image_entrypoint, *const *image_cmd;
        const char *image_working_dir;

        const char *root_path;
        const char *cgroups_path; /* "slice:crio:ID" */
        char *const *default_env, *const *default_ulimits;
        uint64_t capabilities, ambient_capabilities; /* bit masks */
        bool inheritable_capabilities;
        int64_t pids_limit;    /* -1: none */
        unsigned controllers;  /* mask of OCI_CONTROLLER(), those that this node has */
        int oom_score_adj_min; /* lowest value that can be set here */

        /* Namespaces: NULL for that of the host; "" for a new one; else its path. */
        const char *network_path, *ipc_path, *uts_path, *pid_path;
        bool cgroup_namespace;

        const char *hostname; /* for the environment; NULL: that of the pod's configuration */
        const char *shm_path, *resolv_conf_path, *hostname_path, *hosts_path,
                        *containerenv_path; /* NULL: not mounted */
        const OciDevice *devices;
        size_t n_devices;
        char *const *annotations; /* pairs, beside those of the container */
} OciSpecInput;

/**
 * oci_spec_capabilities() - what "capabilities" and "ambient_capabilities" of the input are
 * @defaults:  names that every container has
 * @possible:  what this node can give; a privileged container gets it all, others no more than that
 *
 * Return: 0, or -EINVAL with a text that names the unknown capability.
 */
int oci_spec_capabilities(
                const ContainerConfig *config,
                char *const *defaults,
                uint64_t possible,
                uint64_t *ret,
                uint64_t *ret_ambient,
                Error *error);

/**
 * oci_spec_format() - write config.json
 * @ret:  text, owned by the caller
 *
 * Return: 0; -EINVAL with a text (no command, bad mount); -ENOMEM.
 */
int oci_spec_format(const OciSpecInput *input, char **ret, Error *error);

/* The process object of an exec: that of @spec (text of config.json) with other arguments. */
int oci_process_format(
                const char *spec,
                size_t size,
                char *const *args,
                bool terminal,
                char **ret,
                Error *error);
