/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pod-check.h"

#include "basic/path.h"
#include "basic/str.h"
#include "core/pod.h"

#define NAME_PART_MAX 253 /* of a Kubernetes object */
#define UID_MAX 128
#define SYSCTL_NAME_MAX 128
#define PORT_MAX 65535

static int refuse(Error *error, const char *what, const char *value, const char *why) {
        return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "%s \"%.300s\": %s", what, value, why);
}

static int check_identity(const PodConfig *c, Error *error) {
        const struct {
                const char *what, *value;
                size_t max;
        } parts[] = {
                { "sandbox metadata name", strempty(c->name), NAME_PART_MAX },
                { "sandbox metadata namespace", strempty(c->namespace), NAME_PART_MAX },
                { "sandbox metadata uid", strempty(c->uid), UID_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                if (isempty(parts[i].value))
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "%s is missing",
                                        parts[i].what);
                if (strlen(parts[i].value) > parts[i].max)
                        return refuse(error, parts[i].what, parts[i].value, "too long");
                if (strpbrk(parts[i].value, "/\n"))
                        return refuse(error, parts[i].what, parts[i].value, "has a slash or a line break");
        }
        return 0;
}

static int check_hostname(const PodConfig *c, Error *error) {
        if (isempty(c->hostname))
                return 0;
        if (strlen(c->hostname) > HOSTNAME_MAX)
                return refuse(error, "hostname", c->hostname, "longer than 64 bytes");
        if (!str_in_charset(c->hostname, STR_LOWER STR_UPPER STR_DIGITS "-._"))
                return refuse(error, "hostname", c->hostname, "letters, digits, '-', '.' and '_' only");
        return 0;
}

static int check_lines(const char *what, char *const *list, Error *error) {
        STRV_FOREACH(s, list)
                if (strpbrk(*s, "\n\r"))
                        return refuse(error, what, *s, "has a line break");
        return 0;
}

static int check_ports(const PodConfig *c, Error *error) {
        for (size_t i = 0; i < c->n_port_mappings; i++) {
                const PortMapping *p = c->port_mappings + i;

                if (p->host_port < 0 || p->host_port > PORT_MAX || p->container_port < 0 ||
                    p->container_port > PORT_MAX)
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "port mapping %d:%d: ports are at most 65535",
                                        p->host_port,
                                        p->container_port);
                if (p->protocol < 0 || p->protocol > 2)
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "port mapping %d:%d: unknown protocol %d",
                                        p->host_port,
                                        p->container_port,
                                        p->protocol);
        }
        return 0;
}

/* The sysctls that belong to a namespace; the kernel would change the others for the whole node. */
static const struct {
        const char *prefix;
        bool network;
} sysctls[] = {
        { "net.", true },        { "fs.mqueue.", false }, { "kernel.shm", false },
        { "kernel.msg", false }, { "kernel.sem", false },
};

static int check_sysctl(const PodConfig *c, const char *name, Error *error) {
        char dotted[SYSCTL_NAME_MAX + 1];
        size_t size = strlen(name);

        if (size > SYSCTL_NAME_MAX || strstr(name, ".."))
                return refuse(error, "sysctl", name, "not a name of a sysctl");
        for (size_t i = 0; i <= size; i++)
                dotted[i] = name[i] == '/' ? '.' : name[i];

        FOREACH_ELEMENT(s, sysctls) {
                if (!startswith(dotted, s->prefix))
                        continue;
                if (s->network ? c->network_mode == NAMESPACE_NODE : c->ipc_mode == NAMESPACE_NODE)
                        return refuse(error, "sysctl", name, "the pod uses this namespace of the node");
                return 0;
        }
        return refuse(error, "sysctl", name, "not one of a namespace, it would change the node");
}

static int check_namespaces(const PodConfig *c, Error *error) {
        const struct {
                const char *what;
                int mode;
                bool container;
        } modes[] = {
                { "network", c->network_mode, false },
                { "ipc", c->ipc_mode, false },
                { "pid", c->pid_mode, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (modes[i].mode != NAMESPACE_POD && modes[i].mode != NAMESPACE_NODE &&
                    !(modes[i].container && modes[i].mode == NAMESPACE_CONTAINER))
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "%s namespace mode %d is not one of a pod sandbox",
                                        modes[i].what,
                                        modes[i].mode);
        return 0;
}

int pod_config_check(const PodConfig *c, Error *error) {
        int r;

        r = check_identity(c, error);
        if (r >= 0)
                r = check_hostname(c, error);
        if (r >= 0)
                r = check_namespaces(c, error);
        if (r >= 0)
                r = check_ports(c, error);
        if (r >= 0)
                r = check_lines("DNS server", c->dns_servers, error);
        if (r >= 0)
                r = check_lines("DNS search domain", c->dns_searches, error);
        if (r >= 0)
                r = check_lines("DNS option", c->dns_options, error);
        if (r >= 0)
                PAIRS_FOREACH(s, c->sysctls) {
                        r = check_sysctl(c, s[0], error);
                        if (r < 0)
                                return r;
                }
        if (r >= 0 && !isempty(c->log_directory) && !path_is_safe(c->log_directory))
                r = refuse(error, "log_directory", c->log_directory, "not an absolute path without \"..\"");
        if (r >= 0 && !isempty(c->cgroup_parent) && !endswith(c->cgroup_parent, ".slice"))
                r = refuse(error,
                           "cgroup_parent",
                           c->cgroup_parent,
                           "not a slice; this runtime works with the systemd cgroup driver only");
        return r;
}
