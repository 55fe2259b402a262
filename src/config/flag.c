/* SPDX-License-Identifier: Apache-2.0 */
#include "config/flag.h"

#include <ctype.h>
#include <stdio.h>

#include "basic/str.h"

#define VARIABLE_PREFIX "CONTAINER_"

/* NULL: as the key is called; "": none. */
static const struct {
        const char *key, *flag, *variable;
} exceptions[] = {
        { "additional_artifact_stores", NULL, "" },
        { "auto_reload_registries", NULL, "AUTO_RELOAD_REGISTRIES" },
        { "blockio_config_file", NULL, "" },
        { "blockio_reload", NULL, "" },
        { "cni_status_grace_period", NULL, "CNI_STATUS_GRACE_PERIOD" },
        { "collection_period", NULL, "COLLECTION_PERIOD" },
        { "container_attach_socket_dir", NULL, "CONTAINER_ATTACH_SOCKET_DIR" },
        { "container_exits_dir", NULL, "CONTAINER_EXITS_DIR" },
        { "container_level_enabled",
          "checkpoint-restore-container-level-enabled",
          "CONTAINER_CHECKPOINT_RESTORE_CONTAINER_LEVEL_ENABLED" },
        { "ctr_stop_timeout", NULL, "CONTAINER_STOP_TIMEOUT" },
        { "decryption_keys_path", NULL, "" },
        { "device_ownership_from_security_context", NULL, "" },
        { "disable_hostport_mapping", NULL, "DISABLE_HOSTPORT_MAPPING" },
        { "enable_nri", NULL, "" },
        { "enable_pod_events", NULL, "ENABLE_POD_EVENTS" },
        { "insecure_registries", "insecure-registry", "CONTAINER_INSECURE_REGISTRY" },
        { "irqbalance_config_file", NULL, "" },
        { "irqbalance_config_restore_file", NULL, "" },
        { "log_to_journald", "log-journald", "CONTAINER_LOG_JOURNALD" },
        { "min_injected_gomaxprocs", NULL, "CONTAINER_INJECT_GOMAXPROCS" },
        { "network_dir", "cni-config-dir", "CONTAINER_CNI_CONFIG_DIR" },
        { "nri_disable_connections", NULL, "" },
        { "nri_listen", NULL, "" },
        { "nri_plugin_config_dir", NULL, "" },
        { "nri_plugin_dir", NULL, "" },
        { "nri_plugin_registration_timeout", NULL, "" },
        { "nri_plugin_request_timeout", NULL, "" },
        { "oci_artifact_mount_support", NULL, "CONTAINER_OCI_ARTIFACT_SUPPORT" },
        { "plugin_dir", "", "" },
        { "plugin_dirs", "cni-plugin-dir", "CONTAINER_CNI_PLUGIN_DIR" },
        { "rdt_config_file", NULL, "" },
        { "separate_pull_cgroup", NULL, "PULL_IN_A_CGROUP" },
        { "storage_option", "storage-opt", "CONTAINER_STORAGE_OPT" },
        { "stream_enable_tls", NULL, "CONTAINER_ENABLE_TLS" },
        { "stream_idle_timeout", NULL, "STREAM_IDLE_TIMEOUT" },
        { "stream_tls_ca", NULL, "CONTAINER_TLS_CA" },
        { "stream_tls_cert", NULL, "CONTAINER_TLS_CERT" },
        { "stream_tls_key", NULL, "CONTAINER_TLS_KEY" },
        { "timezone", NULL, "CONTAINER_TIME_ZONE" },
};

void flag_format(const ConfigKey *key, char ret[static FLAG_NAME_MAX]) {
        const char *name = key->name;

        FOREACH_ELEMENT(e, exceptions)
                if (e->flag && streq(e->key, key->name))
                        name = e->flag;
        (void) snprintf(ret, FLAG_NAME_MAX, "%s", name); /* all are shorter */
        for (char *p = ret; *p; p++)
                if (*p == '_')
                        *p = '-';
}

void flag_format_variable(const ConfigKey *key, char ret[static FLAG_NAME_MAX]) {
        FOREACH_ELEMENT(e, exceptions)
                if (e->variable && streq(e->key, key->name)) {
                        (void) snprintf(ret, FLAG_NAME_MAX, "%s", e->variable); /* all are shorter */
                        return;
                }
        (void) snprintf(ret, FLAG_NAME_MAX, VARIABLE_PREFIX "%s", key->name);
        for (char *p = ret; *p; p++)
                *p = (char) toupper(*p);
}

const ConfigKey *flag_find_key(const char *option, size_t size) {
        for (const ConfigKey *k = config_keys; k->name; k++) {
                char flag[FLAG_NAME_MAX];

                flag_format(k, flag);
                if (size > 0 && strlen(flag) == size && memcmp(flag, option, size) == 0)
                        return k;
        }
        return NULL;
}
