/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/convert.h"

#include <unistd.h>

#include "basic/str.h"

typedef Runtime__V1__LinuxContainerSecurityContext ContainerSecurity;
typedef Runtime__V1__LinuxSandboxSecurityContext SandboxSecurity;

/* What protobuf-c makes of every entry of a map of strings. */
typedef struct MapEntry {
        ProtobufCMessage base;
        char *key, *value;
} MapEntry;

int convert_map(void *const *entries, size_t n, char ***ret) {
        for (size_t i = 0; i < n; i++) {
                const MapEntry *e = entries[i];
                int r = pairs_set(ret, e->key, e->value);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_strings(char *const *from, size_t n, char ***ret) {
        for (size_t i = 0; i < n; i++)
                if (strv_extend(ret, from[i]) < 0)
                        return -ENOMEM;
        return 0;
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

static int refuse(Error *error, const char *what) {
        return error_set(
                        error,
                        -EOPNOTSUPP,
                        STATUS_UNIMPLEMENTED,
                        "%s was asked for, which this version does not have",
                        what);
}

static int check_selinux(const Runtime__V1__SELinuxOption *o, Error *error) {
        /* Without SELinux in the kernel there are no labels, and nobody misses them. */
        if (!o || (isempty(o->user) && isempty(o->role) && isempty(o->type) && isempty(o->level)))
                return 0;
        return access("/sys/fs/selinux/enforce", F_OK) < 0 ? 0 : refuse(error, "an SELinux label");
}

static int check_profile(const Runtime__V1__SecurityProfile *p, const char *what, Error *error) {
        if (!p || p->profile_type == RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Unconfined)
                return 0;
        return refuse(error, what);
}

/* Without AppArmor in the kernel the default profile is none. */
static int check_apparmor(const Runtime__V1__SecurityProfile *p, const char *old, Error *error) {
        bool enabled = access("/sys/kernel/security/apparmor/profiles", F_OK) >= 0;

        if (p && p->profile_type == RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost)
                return refuse(error, "an AppArmor profile of the node");
        if (!p && !isempty(old) && startswith(old, "localhost/"))
                return refuse(error, "an AppArmor profile of the node");
        if (enabled && p && p->profile_type == RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault)
                return refuse(error, "the default AppArmor profile");
        return 0;
}

static int check_userns(const Runtime__V1__NamespaceOption *o, Error *error) {
        if (!o || !o->userns_options || o->userns_options->mode == RUNTIME__V1__NAMESPACE_MODE__NODE)
                return 0;
        return refuse(error, "a user namespace");
}

static int convert_dns(const Runtime__V1__DNSConfig *dns, PodConfig *ret) {
        int r;

        if (!dns)
                return 0;
        ret->has_dns = true;
        r = copy_strings(dns->servers, dns->n_servers, &ret->dns_servers);
        if (r >= 0)
                r = copy_strings(dns->searches, dns->n_searches, &ret->dns_searches);
        if (r >= 0)
                r = copy_strings(dns->options, dns->n_options, &ret->dns_options);
        return r;
}

static int convert_ports(const Runtime__V1__PodSandboxConfig *from, PodConfig *ret) {
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
        r = check_userns(ns, error);
        if (r >= 0)
                r = check_selinux(s->selinux_options, error);
        if (r >= 0 && s->run_as_group && !s->run_as_user)
                r = error_set(error,
                              -EINVAL,
                              STATUS_INVALID_ARGUMENT,
                              "pod sandbox: run_as_group needs run_as_user");
        return r;
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
                r = convert_dns(from->dns_config, ret);
        if (r >= 0)
                r = convert_ports(from, ret);
        if (r >= 0)
                r = convert_map((void **) from->labels, from->n_labels, &ret->labels);
        if (r >= 0)
                r = convert_map((void **) from->annotations, from->n_annotations, &ret->annotations);
        if (r >= 0 && l)
                r = convert_map((void **) l->sysctls, l->n_sysctls, &ret->sysctls);
        if (r >= 0 && l)
                r = convert_sandbox_security(l->security_context, ret, error);
        return r;
}

static int convert_mounts(const Runtime__V1__ContainerConfig *from, ContainerConfig *ret, Error *error) {
        ret->mounts = new0(ContainerMount, from->n_mounts + 1);
        if (!ret->mounts)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_mounts; i++) {
                const Runtime__V1__Mount *m = from->mounts[i];
                ContainerMount *to = ret->mounts + ret->n_mounts++;

                if (m->image)
                        return refuse(error, "an image volume");
                if (m->n_uidmappings > 0 || m->n_gidmappings > 0)
                        return refuse(error, "an id-mapped mount");
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
        if (from->n_cdi_devices > 0)
                return refuse(error, "a CDI device");
        ret->devices = new0(ContainerDevice, from->n_devices + 1);
        if (!ret->devices)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_devices; i++) {
                const Runtime__V1__Device *d = from->devices[i];
                ContainerDevice *to = ret->devices + ret->n_devices++;
                int r;

                r = COPY_ALL({ d->container_path, &to->container_path },
                             { d->host_path, &to->host_path },
                             { d->permissions, &to->permissions });
                if (r < 0)
                        return r;
        }
        return 0;
}

static int convert_envs(const Runtime__V1__ContainerConfig *from, ContainerConfig *ret, Error *error) {
        for (size_t i = 0; i < from->n_envs; i++) {
                const Runtime__V1__KeyValue *e = from->envs[i];

                if (isempty(e->key) || strchr(e->key, '=') ||
                    memchr(e->value.data ?: (uint8_t *) "", 0, e->value.len))
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "environment variable \"%.80s\": no name, '=' in its name, or NUL in its value",
                                        e->key);
                if (strv_extendf(&ret->envs,
                                 "%s=%.*s",
                                 e->key,
                                 (int) e->value.len,
                                 (const char *) e->value.data) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int convert_capabilities(const Runtime__V1__Capability *c, ContainerConfig *ret) {
        int r;

        if (!c)
                return 0;
        r = copy_strings(c->add_capabilities, c->n_add_capabilities, &ret->add_capabilities);
        if (r >= 0)
                r = copy_strings(c->drop_capabilities, c->n_drop_capabilities, &ret->drop_capabilities);
        if (r >= 0)
                r =
                                copy_strings(c->add_ambient_capabilities,
                                             c->n_add_ambient_capabilities,
                                             &ret->add_ambient_capabilities);
        return r;
}

static int convert_identity(const ContainerSecurity *s, ContainerConfig *ret, Error *error) {
        if (s->run_as_user && !isempty(s->run_as_username))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "both run_as_user and run_as_username are set");
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

/* Old clients still send the deprecated fields: they count where the new ones are not set. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static int check_confinement(const ContainerSecurity *s, Error *error) {
        int r;

        r = check_userns(s->namespace_options, error);
        if (r >= 0 && !s->privileged)
                r = check_profile(s->seccomp, "a seccomp profile", error);
        if (r >= 0 && !s->privileged && !s->seccomp && !isempty(s->seccomp_profile_path) &&
            !streq(s->seccomp_profile_path, "unconfined"))
                r = refuse(error, "a seccomp profile");
        if (r >= 0 && !s->privileged)
                r = check_apparmor(s->apparmor, s->apparmor_profile, error);
        if (r >= 0)
                r = check_selinux(s->selinux_options, error);
        return r;
}

#pragma GCC diagnostic pop

static int convert_security(const ContainerSecurity *s, ContainerConfig *ret, Error *error) {
        int r;

        if (!s)
                return 0;
        ret->privileged = s->privileged;
        ret->readonly_rootfs = s->readonly_rootfs;
        ret->no_new_privs = s->no_new_privs;
        r = check_confinement(s, error);
        if (r >= 0)
                r = convert_identity(s, ret, error);
        if (r >= 0)
                r = convert_capabilities(s->capabilities, ret);
        if (r >= 0)
                r = copy_strings(s->masked_paths, s->n_masked_paths, &ret->masked_paths);
        if (r >= 0)
                r = copy_strings(s->readonly_paths, s->n_readonly_paths, &ret->readonly_paths);
        if (r >= 0 && s->namespace_options) {
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
                r = convert_map((void **) from->unified, from->n_unified, &ret->unified);
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
                                        "hugepage limit of %s is out of range",
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
                r = copy_strings(from->command, from->n_command, &ret->command);
        if (r >= 0)
                r = copy_strings(from->args, from->n_args, &ret->args);
        if (r >= 0)
                r = convert_envs(from, ret, error);
        if (r >= 0)
                r = convert_mounts(from, ret, error);
        if (r >= 0)
                r = convert_devices(from, ret, error);
        if (r >= 0)
                r = convert_map((void **) from->labels, from->n_labels, &ret->labels);
        if (r >= 0)
                r = convert_map((void **) from->annotations, from->n_annotations, &ret->annotations);
        if (r >= 0 && from->linux)
                r = convert_resources(from->linux->resources, &ret->resources, error);
        if (r >= 0 && from->linux)
                r = convert_security(from->linux->security_context, ret, error);
        return r;
}
