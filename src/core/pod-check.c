/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pod-check.h"

#include <arpa/inet.h>

#include "basic/id.h"
#include "basic/path.h"
#include "basic/str.h"
#include "core/config-check.h"
#include "core/pod.h"
#include "core/resources-check.h"
#include "unit/cgroup.h"

#define UID_MAX 128
#define SYSCTL_NAME_MAX 128
#define SYSCTL_VALUE_MAX 1024
#define PORT_MAX 65535

static int check_identity(const PodConfig *c, Error *error) {
        int r;

        r = config_check_name("sandbox metadata name", c->name, NAME_MAX_BYTES, error);
        if (r >= 0)
                r = config_check_name("sandbox metadata namespace", c->namespace, NAME_MAX_BYTES, error);
        if (r >= 0)
                r = config_check_name("sandbox metadata uid", c->uid, UID_MAX, error);
        return r;
}

static int check_hostname(const PodConfig *c, Error *error) {
        if (isempty(c->hostname))
                return 0;
        if (strlen(c->hostname) > HOSTNAME_MAX)
                return config_refuse(error, "hostname", c->hostname, "is longer than 64 bytes");
        if (!str_in_charset(c->hostname, STR_LOWER STR_UPPER STR_DIGITS "-._") ||
            strchr("-.", c->hostname[0]))
                return config_refuse(
                                error,
                                "hostname",
                                c->hostname,
                                "has to be letters, digits, '-', '.' and '_', a letter or digit first");
        return 0;
}

/* They become words of lines of resolv.conf. */
static int check_words(const char *what, char *const *list, Error *error) {
        STRV_FOREACH(s, list)
                if (isempty(*s) || text_has_control(*s) || strchr(*s, ' '))
                        return config_refuse(error, what, *s, "has to be one word");
        return 0;
}

static bool is_address(const char *s) {
        uint8_t address[sizeof(struct in6_addr)];

        return inet_pton(AF_INET, s, address) == 1 || inet_pton(AF_INET6, s, address) == 1;
}

static int refuse_port(const PortMapping *p, const char *why, Error *error) {
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "port mapping %s:%d:%d: %s",
                        strempty(p->host_ip),
                        p->host_port,
                        p->container_port,
                        why);
}

static int check_port(const PortMapping *p, Error *error) {
        if (p->host_port < 0 || p->host_port > PORT_MAX || p->container_port < 0 ||
            p->container_port > PORT_MAX)
                return refuse_port(p, "ports are at most 65535", error);
        if (p->host_port > 0 && p->container_port == 0)
                return refuse_port(p, "container_port is missing", error);
        if (p->protocol < 0 || p->protocol > 2)
                return refuse_port(p, "unknown protocol, use TCP, UDP or SCTP", error);
        if (!isempty(p->host_ip) && !is_address(p->host_ip))
                return refuse_port(p, "host_ip is not an address", error);
        return 0;
}

static bool port_is_same(const PortMapping *a, const PortMapping *b) {
        return a->host_port > 0 && a->host_port == b->host_port && a->protocol == b->protocol &&
                        streq(strempty(a->host_ip), strempty(b->host_ip));
}

static int check_ports(const PodConfig *c, Error *error) {
        int r;

        for (size_t i = 0; i < c->n_port_mappings; i++) {
                r = check_port(c->port_mappings + i, error);
                if (r < 0)
                        return r;
                for (size_t n = 0; n < i; n++)
                        if (port_is_same(c->port_mappings + i, c->port_mappings + n))
                                return refuse_port(
                                                c->port_mappings + i,
                                                "this port of the host is mapped twice",
                                                error);
        }
        return 0;
}

/* The sysctls that belong to a namespace; the kernel would change the others for the whole node. */
static const struct {
        const char *name;
        bool network, prefix;
} sysctls[] = {
        { "net.", true, true },        { "fs.mqueue.", false, true },  { "kernel.shm", false, true },
        { "kernel.msg", false, true }, { "kernel.sem", false, false },
};

static bool sysctl_matches(const char *dotted, size_t i) {
        const char *rest = startswith(dotted, sysctls[i].name);

        return rest && (*rest != '\0') == sysctls[i].prefix;
}

static int check_sysctl(const PodConfig *c, const char *name, const char *value, Error *error) {
        char dotted[SYSCTL_NAME_MAX + 1];
        size_t size = strlen(name);

        /* '.' and '/' stand for each other; a name has no dots between slashes but those of interfaces. */
        if (size > SYSCTL_NAME_MAX || strstr(name, "..") || strstr(name, "//") ||
            !str_in_charset(name, STR_LOWER STR_UPPER STR_DIGITS "-_./@:"))
                return config_refuse(error, "sysctl", name, "is not the name of a sysctl");
        if (isempty(value) || strlen(value) > SYSCTL_VALUE_MAX || text_has_control(value))
                return config_refuse(error, "sysctl", name, "has a value that is not one short line");
        for (size_t i = 0; i <= size; i++)
                dotted[i] = name[i] == '/' ? '.' : name[i];

        for (size_t i = 0; i < ELEMENTSOF(sysctls); i++) {
                if (!sysctl_matches(dotted, i))
                        continue;
                if (sysctls[i].network ? c->network_mode == NAMESPACE_NODE : c->ipc_mode == NAMESPACE_NODE)
                        return config_refuse(
                                        error,
                                        "sysctl",
                                        name,
                                        "would change the node, whose namespace the pod uses");
                return 0;
        }
        return config_refuse(error, "sysctl", name, "is not one of a namespace, it would change the node");
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

/* Only the name counts, the tree follows from it; the rest of the path has to be a path nevertheless. */
static int check_cgroup_parent(const char *parent, Error *error) {
        const char *slice = path_basename(parent), *own = startswith(slice, "crio-");
        _cleanup_free_ char *absolute = str_join("/", parent, NULL), *path = NULL, *id = NULL;

        if (!absolute)
                return -ENOMEM;
        if (!endswith(slice, ".slice"))
                return config_refuse(
                                error,
                                "cgroup_parent",
                                parent,
                                "has to be a slice, this runtime works with the systemd cgroup driver only");
        if (!path_is_safe(absolute) || !str_in_charset(slice, STR_LOWER STR_UPPER STR_DIGITS ":-_.\\@") ||
            cgroup_path_from_slice(slice, &path) < 0)
                return config_refuse(error, "cgroup_parent", parent, "is not the path of a slice");
        id = own ? strndup(own, strlen(own) - strlen(".slice")) : NULL;
        if (id && id_is_valid(id))
                return config_refuse(error, "cgroup_parent", parent, "is the slice of another pod sandbox");
        return 0;
}

static int check_dns(const PodConfig *c, Error *error) {
        int r;

        r = check_words("DNS server", c->dns_servers, error);
        if (r >= 0)
                r = check_words("DNS search domain", c->dns_searches, error);
        return r < 0 ? r : check_words("DNS option", c->dns_options, error);
}

static int check_paths(const PodConfig *c, Error *error) {
        int r = 0;

        if (!isempty(c->log_directory))
                r = config_check_path("log_directory", c->log_directory, error);
        if (r >= 0 && !isempty(c->cgroup_parent))
                r = check_cgroup_parent(c->cgroup_parent, error);
        return r;
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
                r = check_dns(c, error);
        PAIRS_FOREACH(s, c->sysctls)
                if (r >= 0)
                        r = check_sysctl(c, s[0], s[1], error);
        if (r >= 0)
                r = check_paths(c, error);
        if (r >= 0)
                r = resources_check(&c->resources, error);
        if (r >= 0)
                r = config_check_labels(c->labels, error);
        return r < 0 ? r : config_check_annotations(c->annotations, error);
}
