/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Config: what crio.conf, its drop-ins and the command line say, typed.
 *
 * Filled from one schema table (config-schema.c). Owned by main(), borrowed by everybody else, never changed
 * while the daemon runs.
 */

#include "basic/error.h"

typedef struct Config Config;
typedef struct ConfigKey ConfigKey;
typedef struct ConfigRuntime ConfigRuntime;

/* A row of crio.runtime.runtimes. */
struct ConfigRuntime {
        char *name;
        char *runtime_path; /* absolute; found in $PATH when not configured */
        char *runtime_type; /* "oci" */
        char *runtime_root; /* state directory of the runtime */
        char **allowed_annotations;
};

struct Config {
        /* crio */
        char *root, *runroot, *log_dir, *storage_driver;
        char **storage_options;

        /* crio.api */
        char *listen;
        uint64_t grpc_max_recv_msg_size;

        /* crio.runtime */
        char *default_runtime, *cgroup_manager, *log_level, *namespaces_dir, *container_exits_dir;
        char **default_env, **default_capabilities, **default_sysctls, **default_ulimits, **allowed_devices;
        bool no_pivot, read_only, log_to_journald, add_inheritable_capabilities;
        int64_t pids_limit, log_size_max;
        uint64_t ctr_stop_timeout_sec;
        ConfigRuntime *runtimes;
        size_t n_runtimes;

        /* crio.image */
        char *default_transport, *global_auth_file, *signature_policy;
        char **insecure_registries, **pinned_images;

        /* crio.network */
        char *cni_default_network, *network_dir;
        char **plugin_dirs;

        /* Keys of CRI-O that were set to something else than their default and have no effect yet. */
        char **without_effect;
};

/* All defaults. 0 or -ENOMEM. */
int config_new(Config **ret);
Config *config_free(Config *c);
DEFINE_CLEANUP(Config *, config_free);

/**
 * config_load() - read a file and its drop-in directory over what is there
 * @path:      main file; a missing one is fine unless @required; "" or NULL: none
 * @drop_dir:  every file below it, in the order of their names; "", NULL or missing: none
 *
 * Lists are replaced as a whole, and so are runtime handlers; storage_option grows. Unknown keys and those
 * without an effect go to without_effect. Source: crio.conf(5), crio.conf.d(5).
 *
 * Return: 0, or negative errno with a text "FILE:LINE:COLUMN: KEY: …".
 */
int config_load(Config *c, const char *path, bool required, const char *drop_dir, Error *error);

/* Sets one key from the text of a command line; lists are separated by commas. */
int config_set(Config *c, const ConfigKey *key, const char *value, Error *error);

/* Checks that need no look at the system. 0, or -EINVAL with a text. */
int config_check_values(Config *c, Error *error);

/* The same, and paths of runtimes. 0, or -EINVAL with a text. */
int config_check(Config *c, Error *error);

/* Those of without_effect that CRI-O has, or those that nobody knows, as one text separated by commas; ""
 * when there are none. 0 or -ENOMEM. */
int config_format_ignored(const Config *c, bool known, char **ret);

/**
 * config_take_reloadable() - make what can change without a restart as a new configuration says
 * @c:      the one in force
 * @fresh:  checked; afterwards it holds what was replaced, and must live as long as pods that refer to its
 *          handlers
 *
 * Logs each change. Source: crio.conf(5), "live configuration reload".
 */
int config_take_reloadable(Config *c, Config *fresh);

/* The handler of that name ("" is the default one), or NULL. */
const ConfigRuntime *config_find_runtime(const Config *c, const char *name);

/* All settings as TOML with their help; those at their default are commented out when @commented. -ENOMEM.
 */
int config_format(const Config *c, bool commented, char **ret);
