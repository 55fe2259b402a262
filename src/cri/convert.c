/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/convert.h"

#include "basic/str.h"

#define CPU_SHARES_MAX 262144
#include "cri/confinement.h"

/* How many of each an object may have. */
#define PAIRS_MAX 2048    /* labels, annotations, sysctls, unified */
#define STRINGS_MAX 65536 /* arguments, variables, groups */
#define ITEMS_MAX 4096    /* mounts, devices, port mappings, huge page sizes */

typedef Runtime__V1__LinuxContainerSecurityContext ContainerSecurity;
typedef Runtime__V1__LinuxSandboxSecurityContext SandboxSecurity;

/* What protobuf-c makes of every entry of a map of strings. */
typedef struct MapEntry {
        ProtobufCMessage base;
        char *key, *value;
} MapEntry;

static int check_count(const char *what, size_t n, size_t max, Error *error) {
        if (n <= max)
                return 0;
        return error_set(
                        error,
                        -E2BIG,
                        STATUS_INVALID_ARGUMENT,
                        "%s: %zu of them are more than the %zu that one object may have",
                        what,
                        n,
                        max);
}

static int convert_map(const char *what, void *const *entries, size_t n, char ***ret, Error *error) {
        int r;

        r = check_count(what, n, PAIRS_MAX, error);
        for (size_t i = 0; i < n && r >= 0; i++) {
                const MapEntry *e = entries[i];

                r = pairs_set(ret, e->key, e->value);
        }
        return r;
}

static int copy_strings(const char *what, char *const *from, size_t n, char ***ret, Error *error) {
        _cleanup_strv_ char **copy = NULL;
        int r;

        r = check_count(what, n, STRINGS_MAX, error);
        if (r < 0 || n == 0)
                return r;
        copy = new0(char *, n + 1);
        for (size_t i = 0; copy && i < n; i++) {
                copy[i] = strdup(from[i]);
                if (!copy[i])
                        return -ENOMEM;
        }
        strv_free(*ret);
        *ret = TAKE_PTR(copy);
        return *ret ? 0 : -ENOMEM;
}

typedef struct StringCopy {
        const char *from;
        char **to;
} StringCopy;

/* An empty string is one that was not given. */
static int copy_all(const StringCopy *copies, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!isempty(copies[i].from) && str_replace(copies[i].to, copies[i].from) < 0)
                        return -ENOMEM;
        return 0;
}
#define COPY_ALL(...)                                                                                       \
        ({                                                                                                  \
                const StringCopy copies_[] = { __VA_ARGS__ };                                               \
                copy_all(copies_, ELEMENTSOF(copies_));                                                     \
        })

static int convert_dns(const Runtime__V1__DNSConfig *dns, PodConfig *ret, Error *error) {
        int r;

        if (!dns)
                return 0;
        ret->has_dns = true;
        r = copy_strings("DNS servers", dns->servers, dns->n_servers, &ret->dns_servers, error);
        if (r >= 0)
                r = copy_strings("DNS searches", dns->searches, dns->n_searches, &ret->dns_searches, error);
        if (r >= 0)
                r = copy_strings("DNS options", dns->options, dns->n_options, &ret->dns_options, error);
        return r;
}

static int convert_ports(const Runtime__V1__PodSandboxConfig *from, PodConfig *ret, Error *error) {
        int r;

        r = check_count("port mappings", from->n_port_mappings, ITEMS_MAX, error);
        if (r < 0)
                return r;
        ret->port_mappings = new0(PortMapping, from->n_port_mappings + 1);
        if (!ret->port_mappings)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_port_mappings; i++) {
                const Runtime__V1__PortMapping *p = from->port_mappings[i];
                PortMapping *to = ret->port_mappings + ret->n_port_mappings++;

                *to = (PortMapping){ .protocol = p->protocol,
                                     .container_port = p->container_port,
                                     .host_port = p->host_port };
                if (str_replace(&to->host_ip, p->host_ip) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int convert_sandbox_security(const SandboxSecurity *s, PodConfig *ret, Error *error) {
        const Runtime__V1__NamespaceOption *ns;
        int r;

        if (!s)
                return 0;
        ns = s->namespace_options;
        ret->privileged = s->privileged;
        if (ns) {
                ret->network_mode = ns->network;
                ret->pid_mode = ns->pid;
                ret->ipc_mode = ns->ipc;
        }
        /* seccomp and AppArmor of a sandbox are those of its process, which runs nothing of the client's. */
        r = confinement_check_userns(ns, error);
        if (r >= 0)
                r = confinement_check_selinux(s->selinux_options, error);
        if (r >= 0 && s->run_as_group && !s->run_as_user)
                r = error_set(error,
                              -EINVAL,
                              STATUS_INVALID_ARGUMENT,
                              "pod sandbox: run_as_group needs run_as_user");
        return r;
}

int convert_pod_resources(
                const Runtime__V1__LinuxContainerResources *sum,
                const Runtime__V1__LinuxContainerResources *overhead,
                ContainerResources *ret,
                Error *error) {
        int r;

        r = convert_resources(sum, ret, error);
        if (r < 0 || !overhead)
                return r;
        /* Without a limit there is none to which overhead could be added. */
        if (ret->cpu_shares > 0)
                ret->cpu_shares = MIN(ret->cpu_shares + MAX(overhead->cpu_shares, 0), CPU_SHARES_MAX);
        if (ret->cpu_quota_usec > 0 && overhead->cpu_quota > 0 &&
            __builtin_add_overflow(ret->cpu_quota_usec, overhead->cpu_quota, &ret->cpu_quota_usec))
                return error_set(
                                error,
                                -ERANGE,
                                STATUS_INVALID_ARGUMENT,
                                "cpu_quota of overhead is out of range");
        if (ret->memory_limit_bytes > 0 && overhead->memory_limit_in_bytes > 0 &&
            __builtin_add_overflow(
                            ret->memory_limit_bytes,
                            overhead->memory_limit_in_bytes,
                            &ret->memory_limit_bytes))
                return error_set(
                                error,
                                -ERANGE,
                                STATUS_INVALID_ARGUMENT,
                                "memory_limit_in_bytes of overhead is out of range");
        return 0;
}

int convert_pod_config(
                const Runtime__V1__PodSandboxConfig *from,
                const char *handler,
                PodConfig *ret,
                Error *error) {
        const Runtime__V1__LinuxPodSandboxConfig *l;
        int r;

        if (!from || !from->metadata)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "sandbox config or its metadata is missing");
        l = from->linux;
        ret->attempt = from->metadata->attempt;
        r = COPY_ALL({ from->metadata->name, &ret->name },
                     { from->metadata->uid, &ret->uid },
                     { from->metadata->namespace_, &ret->namespace },
                     { from->hostname, &ret->hostname },
                     { from->log_directory, &ret->log_directory },
                     { l ? l->cgroup_parent : NULL, &ret->cgroup_parent },
                     { handler, &ret->runtime_handler });
        if (r >= 0)
                r = convert_dns(from->dns_config, ret, error);
        if (r >= 0)
                r = convert_ports(from, ret, error);
        if (r >= 0)
                r = convert_map("labels", (void **) from->labels, from->n_labels, &ret->labels, error);
        if (r >= 0)
                r = convert_map("annotations",
                                (void **) from->annotations,
                                from->n_annotations,
                                &ret->annotations,
                                error);
        if (r >= 0 && l)
                r = convert_map("sysctls", (void **) l->sysctls, l->n_sysctls, &ret->sysctls, error);
        if (r >= 0 && l)
                r = convert_pod_resources(l->resources, l->overhead, &ret->resources, error);
        if (r >= 0 && l)
                r = convert_sandbox_security(l->security_context, ret, error);
        return r;
}

static int convert_mounts(const Runtime__V1__ContainerConfig *from, ContainerConfig *ret, Error *error) {
        int r;

        r = check_count("mounts", from->n_mounts, ITEMS_MAX, error);
        if (r < 0)
                return r;
        ret->mounts = new0(ContainerMount, from->n_mounts + 1);
        if (!ret->mounts)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_mounts; i++) {
                const Runtime__V1__Mount *m = from->mounts[i];
                ContainerMount *to = ret->mounts + ret->n_mounts++;

                if (m->image && !isempty(m->host_path))
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "mount %.200s has both host_path and image, give one of them",
                                        m->container_path);
                if (m->image)
                        return confinement_refuse(error, "an image volume");
                if (m->n_uidmappings > 0 || m->n_gidmappings > 0)
                        return confinement_refuse(error, "an id-mapped mount");
                *to = (ContainerMount){ .readonly = m->readonly,
                                        .recursive_readonly = m->recursive_read_only,
                                        .propagation = m->propagation };
                if (str_replace(&to->container_path, m->container_path) < 0 ||
                    str_replace(&to->host_path, m->host_path) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int convert_devices(const Runtime__V1__ContainerConfig *from, ContainerConfig *ret, Error *error) {
        int r;

        if (from->n_cdi_devices > 0)
                return confinement_refuse(error, "a CDI device");
        r = check_count("devices", from->n_devices, ITEMS_MAX, error);
        if (r < 0)
                return r;
        ret->devices = new0(ContainerDevice, from->n_devices + 1);
        if (!ret->devices)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_devices; i++) {
                const Runtime__V1__Device *d = from->devices[i];
                ContainerDevice *to = ret->devices + ret->n_devices++;

                r = COPY_ALL({ d->container_path, &to->container_path },
                             { d->host_path, &to->host_path },
                             { d->permissions, &to->permissions });
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_env(const Runtime__V1__KeyValue *e, Error *error) {
        const char *value = e->value.len > 0 ? (const char *) e->value.data : "";

        if (isempty(e->key) || strchr(e->key, '='))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "environment variable \"%.80s\" needs a name without '='",
                                e->key);
        if (!memchr(value, 0, e->value.len) && utf8_is_valid(value, e->value.len))
                return 0;
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "environment variable \"%.80s\" has a value with NUL or that is not UTF-8, which OCI runtimes can not take",
                        e->key);
}

static int convert_envs(const Runtime__V1__ContainerConfig *from, ContainerConfig *ret, Error *error) {
        int r;

        r = check_count("envs", from->n_envs, STRINGS_MAX, error);
        if (r < 0)
                return r;
        ret->envs = new0(char *, from->n_envs + 1);
        if (!ret->envs)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_envs; i++) {
                const Runtime__V1__KeyValue *e = from->envs[i];
                size_t key_size = strlen(e->key), size = key_size + 1 + e->value.len;

                r = check_env(e, error);
                if (r < 0)
                        return r;
                ret->envs[i] = malloc(size + 1);
                if (!ret->envs[i])
                        return -ENOMEM;
                memcpy(ret->envs[i], e->key, key_size);
                ret->envs[i][key_size] = '=';
                if (e->value.len > 0)
                        memcpy(ret->envs[i] + key_size + 1, e->value.data, e->value.len);
                ret->envs[i][size] = '\0';
        }
        return 0;
}

static int convert_capabilities(const Runtime__V1__Capability *c, ContainerConfig *ret, Error *error) {
        int r;

        if (!c)
                return 0;
        r =
                        copy_strings("add_capabilities",
                                     c->add_capabilities,
                                     c->n_add_capabilities,
                                     &ret->add_capabilities,
                                     error);
        if (r >= 0)
                r =
                                copy_strings("drop_capabilities",
                                             c->drop_capabilities,
                                             c->n_drop_capabilities,
                                             &ret->drop_capabilities,
                                             error);
        if (r >= 0)
                r =
                                copy_strings("add_ambient_capabilities",
                                             c->add_ambient_capabilities,
                                             c->n_add_ambient_capabilities,
                                             &ret->add_ambient_capabilities,
                                             error);
        return r;
}

static int convert_identity(const ContainerSecurity *s, ContainerConfig *ret, Error *error) {
        int r;

        if (s->run_as_user && !isempty(s->run_as_username))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "both run_as_user and run_as_username are set");
        if ((s->run_as_user && s->run_as_user->value < 0) || (s->run_as_group && s->run_as_group->value < 0))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "%s is negative",
                                s->run_as_group && s->run_as_group->value < 0 ? "run_as_group" :
                                                                                "run_as_user");
        r = check_count("supplemental_groups", s->n_supplemental_groups, STRINGS_MAX, error);
        if (r < 0)
                return r;
        if (s->run_as_user)
                ret->run_as_user = s->run_as_user->value;
        if (s->run_as_group)
                ret->run_as_group = s->run_as_group->value;
        ret->supplemental_groups_policy = s->supplemental_groups_policy;
        ret->supplemental_groups = new_array(int64_t, s->n_supplemental_groups + 1);
        if (!ret->supplemental_groups)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_supplemental_groups; i++)
                ret->supplemental_groups[ret->n_supplemental_groups++] = s->supplemental_groups[i];
        return COPY_ALL({ s->run_as_username, &ret->run_as_username });
}

static int convert_security(const ContainerSecurity *s, ContainerConfig *ret, Error *error) {
        int r;

        if (!s)
                return 0;
        ret->privileged = s->privileged;
        ret->readonly_rootfs = s->readonly_rootfs;
        ret->no_new_privs = s->no_new_privs;
        r = confinement_check(s, error);
        if (r >= 0)
                r = convert_identity(s, ret, error);
        if (r >= 0)
                r = convert_capabilities(s->capabilities, ret, error);
        if (r >= 0)
                r =
                                copy_strings("masked_paths",
                                             s->masked_paths,
                                             s->n_masked_paths,
                                             &ret->masked_paths,
                                             error);
        if (r >= 0)
                r =
                                copy_strings("readonly_paths",
                                             s->readonly_paths,
                                             s->n_readonly_paths,
                                             &ret->readonly_paths,
                                             error);
        if (r >= 0 && s->namespace_options) {
                ret->network_mode = s->namespace_options->network;
                ret->ipc_mode = s->namespace_options->ipc;
                ret->pid_mode = s->namespace_options->pid;
                r = COPY_ALL({ s->namespace_options->target_id, &ret->pid_target });
        }
        return r;
}

int convert_resources(
                const Runtime__V1__LinuxContainerResources *from,
                ContainerResources *ret,
                Error *error) {
        int r;

        if (!from)
                return 0;
        ret->cpu_period_usec = from->cpu_period;
        ret->cpu_quota_usec = from->cpu_quota;
        ret->cpu_shares = from->cpu_shares;
        ret->memory_limit_bytes = from->memory_limit_in_bytes;
        ret->memory_swap_limit_bytes = from->memory_swap_limit_in_bytes;
        ret->oom_score_adj = from->oom_score_adj;
        r = COPY_ALL({ from->cpuset_cpus, &ret->cpuset_cpus }, { from->cpuset_mems, &ret->cpuset_mems });
        if (r >= 0)
                r = convert_map("unified", (void **) from->unified, from->n_unified, &ret->unified, error);
        if (r < 0)
                return r;

        r = check_count("hugepage_limits", from->n_hugepage_limits, ITEMS_MAX, error);
        if (r < 0)
                return r;
        ret->hugepage_limits = new0(HugepageLimit, from->n_hugepage_limits + 1);
        if (!ret->hugepage_limits)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_hugepage_limits; i++) {
                HugepageLimit *to = ret->hugepage_limits + ret->n_hugepage_limits++;

                if (from->hugepage_limits[i]->limit > INT64_MAX)
                        return error_set(
                                        error,
                                        -ERANGE,
                                        STATUS_INVALID_ARGUMENT,
                                        "huge page limit of %.40s is out of range",
                                        from->hugepage_limits[i]->page_size);
                to->limit_bytes = (int64_t) from->hugepage_limits[i]->limit;
                if (str_replace(&to->page_size, from->hugepage_limits[i]->page_size) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int convert_container_config(const Runtime__V1__ContainerConfig *from, ContainerConfig *ret, Error *error) {
        int r;

        if (!from || !from->metadata)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "container config or its metadata is missing");
        ret->attempt = from->metadata->attempt;
        ret->stdin_open = from->stdin;
        ret->stdin_once = from->stdin_once;
        ret->tty = from->tty;
        ret->stop_signal = from->stop_signal;
        r = COPY_ALL({ from->metadata->name, &ret->name },
                     { from->image ? from->image->image : NULL, &ret->image },
                     { from->image ? from->image->user_specified_image : NULL, &ret->user_specified_image },
                     { from->image ? from->image->runtime_handler : NULL, &ret->image_runtime_handler },
                     { from->working_dir, &ret->working_dir },
                     { from->log_path, &ret->log_path });
        if (r >= 0)
                r = copy_strings("command", from->command, from->n_command, &ret->command, error);
        if (r >= 0)
                r = copy_strings("args", from->args, from->n_args, &ret->args, error);
        if (r >= 0)
                r = convert_envs(from, ret, error);
        if (r >= 0)
                r = convert_mounts(from, ret, error);
        if (r >= 0)
                r = convert_devices(from, ret, error);
        if (r >= 0)
                r = convert_map("labels", (void **) from->labels, from->n_labels, &ret->labels, error);
        if (r >= 0)
                r = convert_map("annotations",
                                (void **) from->annotations,
                                from->n_annotations,
                                &ret->annotations,
                                error);
        if (r >= 0 && from->linux)
                r = convert_resources(from->linux->resources, &ret->resources, error);
        if (r >= 0 && from->linux)
                r = convert_security(from->linux->security_context, ret, error);
        return r;
}
