/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <limits.h>
#include <stdio.h>

#include "basic/number.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/json-build.h"
#include "oci/capability.h"
#include "oci/environment.h"
#include "oci/resources.h"

/* crun before 1.15 refuses 1.2.0 and later; nothing newer is used. */
#define OCI_VERSION "1.0.2"

/* docker's rules: command drops the image's cmd, too. */
static int args_new(const OciSpecInput *in, json_t **ret, Error *error) {
        const ContainerConfig *c = in->container;
        bool command = strv_length(c->command) > 0, args = strv_length(c->args) > 0;
        json_t *array = json_new_strings(command ? c->command : in->image_entrypoint);
        char *const *rest = args ? c->args : command ? NULL : in->image_cmd;

        STRV_FOREACH(s, rest)
                if (json_array_append_new(array, json_string(*s)) < 0) {
                        json_decref(array);
                        return -ENOMEM;
                }
        if (array && json_array_size(array) == 0) {
                json_decref(array);
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "no command specified, neither by the container nor by its image");
        }
        *ret = array;
        return array ? 0 : -ENOMEM;
}

static int env_new(const OciSpecInput *in, json_t **ret) {
        _cleanup_strv_ char **env = NULL;
        int r;

        r = oci_environment_new(in, &env);
        if (r < 0)
                return r;
        *ret = json_new_strings(env);
        return *ret ? 0 : -ENOMEM;
}

int oci_spec_capabilities(
                const ContainerConfig *config,
                char *const *defaults,
                uint64_t possible,
                uint64_t *ret,
                uint64_t *ret_ambient,
                Error *error) {
        uint64_t set, ambient;
        int r;

        if (config->privileged) {
                *ret = possible;
                *ret_ambient = 0;
                return 0;
        }
        r = capability_apply(defaults, config->add_capabilities, config->drop_capabilities, &set, error);
        if (r >= 0)
                r = capability_apply(NULL, config->add_ambient_capabilities, NULL, &ambient, error);
        if (r < 0)
                return r;
        *ret_ambient = ambient & possible;
        *ret = (set & possible) | *ret_ambient;
        return 0;
}

static json_t *capability_set_new(uint64_t set) {
        json_t *array = json_array();
        const char *name;

        for (unsigned i = 0; (name = capability_to_string(i)); i++)
                if (set & UINT64_C(1) << i && json_array_append_new(array, json_string(name)) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

static int capabilities_new(const OciSpecInput *in, json_t **ret) {
        _cleanup_json_ json_t *object = json_object();
        uint64_t inheritable = in->inheritable_capabilities ? in->capabilities : in->ambient_capabilities;
        int r;

        r = json_set(object, "bounding", capability_set_new(in->capabilities));
        if (r >= 0)
                r = json_set(object, "effective", capability_set_new(in->capabilities));
        if (r >= 0)
                r = json_set(object, "permitted", capability_set_new(in->capabilities));
        if (r >= 0 && inheritable != 0)
                r = json_set(object, "inheritable", capability_set_new(inheritable));
        if (r >= 0 && in->ambient_capabilities != 0)
                r = json_set(object, "ambient", capability_set_new(in->ambient_capabilities));
        if (r >= 0)
                *ret = TAKE_PTR(object);
        return r;
}

static int user_new(const OciUser *u, json_t **ret) {
        _cleanup_json_ json_t *object = json_object(), *groups = json_array();
        int r;

        for (size_t i = 0; i < u->n_groups; i++)
                if (json_array_append_new(groups, json_integer(u->groups[i])) < 0)
                        return -ENOMEM;
        r = json_set(object, "uid", json_integer(u->uid));
        if (r >= 0)
                r = json_set(object, "gid", json_integer(u->gid));
        if (r >= 0)
                r = json_set(object, "additionalGids", TAKE_PTR(groups));
        if (r >= 0)
                *ret = TAKE_PTR(object);
        return r;
}

/* "nofile=1024:2048" */
static int rlimit_new(const char *text, json_t **ret, Error *error) {
        _cleanup_strv_ char **parts = NULL;
        uint64_t soft, hard;
        char type[32];
        json_t *o;
        int r;

        r = strv_split(text, "=:", &parts);
        if (r < 0)
                return r;
        if (strv_length(parts) < 2 || strv_length(parts) > 3 || strlen(parts[0]) > 16 ||
            parse_u64(parts[1], INT64_MAX, &soft) < 0 ||
            parse_u64(parts[2] ?: parts[1], INT64_MAX, &hard) < 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INTERNAL,
                                "default_ulimits: expected NAME=SOFT[:HARD], found %s",
                                text);
        (void) snprintf(type, sizeof(type), "RLIMIT_%s", parts[0]); /* bounded above */
        for (char *p = type; *p; p++)
                *p = *p >= 'a' && *p <= 'z' ? (char) (*p - 'a' + 'A') : *p;

        o = json_pack("{s:s, s:I, s:I}", "type", type, "soft", (json_int_t) soft, "hard", (json_int_t) hard);
        *ret = o;
        return o ? 0 : -ENOMEM;
}

static int rlimits_new(char *const *ulimits, json_t **ret, Error *error) {
        _cleanup_json_ json_t *array = json_array();
        json_t *o = NULL;
        int r;

        STRV_FOREACH(s, ulimits) {
                r = rlimit_new(*s, &o, error);
                if (r < 0)
                        return r;
                if (json_array_append_new(array, o) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(array);
        return *ret ? 0 : -ENOMEM;
}

static int process_new(const OciSpecInput *in, json_t **ret, Error *error) {
        const ContainerConfig *c = in->container;
        const char *cwd = isempty(c->working_dir) ? in->image_working_dir : c->working_dir;
        _cleanup_json_ json_t *p = json_object();
        json_t *value = NULL;
        int r;

        if (isempty(cwd))
                cwd = "/";
        if (!path_is_absolute(cwd))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "working_dir %s is not absolute",
                                cwd);

        r = json_set(p, "terminal", json_boolean(c->tty));
        if (r >= 0)
                r = user_new(in->user, &value);
        if (r >= 0)
                r = json_set(p, "user", value);
        if (r >= 0)
                r = args_new(in, &value, error);
        if (r >= 0)
                r = json_set(p, "args", value);
        if (r >= 0)
                r = env_new(in, &value);
        if (r >= 0)
                r = json_set(p, "env", value);
        if (r >= 0)
                r = json_set(p, "cwd", json_string(cwd));
        if (r >= 0)
                r = capabilities_new(in, &value);
        if (r >= 0)
                r = json_set(p, "capabilities", value);
        if (r >= 0)
                r = rlimits_new(in->default_ulimits, &value, error);
        if (r >= 0)
                r = json_set(p, "rlimits", value);
        if (r >= 0)
                r = json_set(p, "noNewPrivileges", json_boolean(c->no_new_privs));
        if (r >= 0)
                r = json_set(p,
                             "oomScoreAdj",
                             json_integer(MAX(c->resources.oom_score_adj, (int64_t) in->oom_score_adj_min)));
        if (r >= 0)
                *ret = TAKE_PTR(p);
        return r;
}

static json_t *
mount_new(const char *destination, const char *type, const char *source, const char *options) {
        _cleanup_strv_ char **l = NULL;

        if (strv_split(options, ",", &l) < 0)
                return NULL;
        return json_pack(
                        "{s:s, s:s, s:s, s:o}",
                        "destination",
                        destination,
                        "type",
                        type,
                        "source",
                        source,
                        "options",
                        json_new_strings(l));
}

/* Whether a mount of the client covers a destination. */
static bool is_covered(const ContainerConfig *c, const char *destination) {
        for (size_t i = 0; i < c->n_mounts; i++) {
                _cleanup_free_ char *path = path_simplify(c->mounts[i].container_path);

                if (path &&
                    (streq(path, destination) || (!streq(path, "/") && path_is_below(destination, path))))
                        return true;
        }
        return false;
}

static int
add_mount(const OciSpecInput *in,
          json_t *mounts,
          const char *destination,
          const char *type,
          const char *source,
          const char *options) {
        if (!source || is_covered(in->container, destination))
                return 0;
        return json_array_append_new(mounts, mount_new(destination, type, source, options)) < 0 ? -ENOMEM :
                                                                                                  0;
}

static int add_base_mounts(const OciSpecInput *in, json_t *mounts) {
        bool privileged = in->container->privileged;
        const char *etc_options = in->container->readonly_rootfs ? "ro,bind,nodev,nosuid,noexec" :
                                                                   "rw,bind,nodev,nosuid,noexec";
        const struct {
                const char *destination, *type, *source, *options;
        } base[] = {
                { "/proc", "proc", "proc", "nosuid,noexec,nodev" },
                { "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
                { "/dev/pts",
                  "devpts",
                  "devpts",
                  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
                { "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
                { "/sys",
                  "sysfs",
                  "sysfs",
                  privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro" },
                { "/sys/fs/cgroup",
                  "cgroup",
                  "cgroup",
                  privileged ? "nosuid,noexec,nodev,relatime,rw" : "nosuid,noexec,nodev,relatime,ro" },
                { "/dev/shm", "bind", in->shm_path, "rw,bind" },
                { "/etc/resolv.conf", "bind", in->resolv_conf_path, etc_options },
                { "/etc/hostname", "bind", in->hostname_path, etc_options },
                { "/etc/hosts", "bind", in->hosts_path, etc_options },
                { "/run/.containerenv", "bind", in->containerenv_path, etc_options },
        };
        int r = 0;

        FOREACH_ELEMENT(m, base)
                if (r >= 0)
                        r = add_mount(in, mounts, m->destination, m->type, m->source, m->options);
        return r;
}

static size_t depth(const char *path) {
        size_t n = 0;

        for (; *path; path++)
                n += path[0] == '/' && path[1] != '/' && path[1] != '\0';
        return n;
}

static int add_client_mount(json_t *mounts, const ContainerMount *m, Error *error) {
        static const char *const propagation[] = { "rprivate", "rslave", "rshared" };
        char options[64];

        if (m->recursive_readonly && (!m->readonly || m->propagation != PROPAGATION_PRIVATE))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "mount %s: recursive_read_only needs readonly and private propagation",
                                m->container_path);
        (void) snprintf(options,
                        sizeof(options),
                        "rbind,%s,%s",
                        propagation[m->propagation],
                        m->recursive_readonly       ? "rro" :
                                        m->readonly ? "ro" :
                                                      "rw"); /* short words */
        return json_array_append_new(mounts, mount_new(m->container_path, "bind", m->host_path, options)) <
                                        0 ?
                        -ENOMEM :
                        0;
}

/* By depth of their target, else as they came, so that nested ones land inside. */
static int add_client_mounts(const OciSpecInput *in, json_t *mounts, Error *error) {
        const ContainerConfig *c = in->container;
        size_t deepest = 0;
        int r;

        for (size_t i = 0; i < c->n_mounts; i++)
                deepest = MAX(deepest, depth(c->mounts[i].container_path));
        for (size_t d = 0; d <= deepest; d++)
                for (size_t i = 0; i < c->n_mounts; i++) {
                        if (depth(c->mounts[i].container_path) != d)
                                continue;
                        r = add_client_mount(mounts, &c->mounts[i], error);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int namespace_add(json_t *array, const char *type, const char *path) {
        json_t *o;

        if (!path)
                return 0;
        o = isempty(path) ? json_pack("{s:s}", "type", type) :
                            json_pack("{s:s, s:s}", "type", type, "path", path);
        return json_array_append_new(array, o) < 0 ? -ENOMEM : 0;
}

static int namespaces_new(const OciSpecInput *in, json_t **ret) {
        _cleanup_json_ json_t *array = json_array();
        int r;

        r = namespace_add(array, "mount", "");
        if (r >= 0)
                r = namespace_add(array, "network", in->network_path);
        if (r >= 0)
                r = namespace_add(array, "ipc", in->ipc_path);
        if (r >= 0)
                r = namespace_add(array, "uts", in->uts_path);
        if (r >= 0)
                r = namespace_add(array, "pid", in->pid_path);
        if (r >= 0 && in->cgroup_namespace)
                r = namespace_add(array, "cgroup", "");
        if (r >= 0)
                *ret = TAKE_PTR(array);
        return r;
}

static json_t *device_rule_new(const OciDevice *d) {
        return json_pack(
                        "{s:b, s:s%, s:i, s:i, s:s}",
                        "allow",
                        1,
                        "type",
                        &d->type,
                        (size_t) 1,
                        "major",
                        (int) d->major,
                        "minor",
                        (int) d->minor,
                        "access",
                        d->access);
}

static int device_rules_new(const OciSpecInput *in, json_t **ret) {
        _cleanup_json_ json_t *array = json_array();
        bool all = in->container->privileged;

        if (json_array_append_new(array, json_pack("{s:b, s:s}", "allow", (int) all, "access", "rwm")) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < in->n_devices && !all; i++)
                if (json_array_append_new(array, device_rule_new(&in->devices[i])) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(array);
        return 0;
}

static json_t *device_new(const OciDevice *d) {
        return json_pack(
                        "{s:s, s:s%, s:i, s:i, s:i, s:I, s:I}",
                        "path",
                        d->path,
                        "type",
                        &d->type,
                        (size_t) 1,
                        "major",
                        (int) d->major,
                        "minor",
                        (int) d->minor,
                        "fileMode",
                        (int) (d->mode & 07777),
                        "uid",
                        (json_int_t) d->uid,
                        "gid",
                        (json_int_t) d->gid);
}

static int devices_new(const OciSpecInput *in, json_t **ret) {
        _cleanup_json_ json_t *array = json_array();

        for (size_t i = 0; i < in->n_devices; i++)
                if (json_array_append_new(array, device_new(&in->devices[i])) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(array);
        return *ret ? 0 : -ENOMEM;
}

static int all_resources_new(const OciSpecInput *in, json_t **ret, Error *error) {
        _cleanup_json_ json_t *object = json_object();
        json_t *rules;
        int r;

        r = device_rules_new(in, &rules);
        if (r >= 0)
                r = json_set(object, "devices", rules);
        if (r >= 0)
                r = oci_resources_add(object, &in->container->resources, error);
        if (r >= 0 && in->pids_limit != 0)
                r = json_set(object, "pids", json_pack("{s:I}", "limit", (json_int_t) in->pids_limit));
        if (r < 0)
                return r;
        oci_resources_drop(object, in->controllers);
        *ret = TAKE_PTR(object);
        return 0;
}

static const char *rootfs_propagation(const ContainerConfig *c) {
        const char *propagation = NULL;

        for (size_t i = 0; i < c->n_mounts; i++)
                if (c->mounts[i].propagation == PROPAGATION_BIDIRECTIONAL)
                        return "rshared";
                else if (c->mounts[i].propagation == PROPAGATION_HOST_TO_CONTAINER)
                        propagation = "rslave";
        return propagation;
}

static int linux_new(const OciSpecInput *in, json_t **ret, Error *error) {
        _cleanup_json_ json_t *l = json_object();
        const char *propagation = rootfs_propagation(in->container);
        json_t *value = NULL;
        int r;

        r = all_resources_new(in, &value, error);
        if (r >= 0)
                r = json_set(l, "resources", value);
        if (r >= 0)
                r = json_set(l, "cgroupsPath", json_string(in->cgroups_path));
        if (r >= 0)
                r = namespaces_new(in, &value);
        if (r >= 0)
                r = json_set(l, "namespaces", value);
        if (r >= 0)
                r = devices_new(in, &value);
        if (r >= 0)
                r = json_set(l, "devices", value);
        if (r >= 0 && propagation)
                r = json_set(l, "rootfsPropagation", json_string(propagation));
        if (r >= 0 && !in->container->privileged)
                r = json_set(l, "maskedPaths", json_new_strings(in->container->masked_paths));
        if (r >= 0 && !in->container->privileged)
                r = json_set(l, "readonlyPaths", json_new_strings(in->container->readonly_paths));
        if (r >= 0)
                *ret = TAKE_PTR(l);
        return r;
}

int oci_spec_format(const OciSpecInput *in, char **ret, Error *error) {
        _cleanup_json_ json_t *spec = json_object(), *mounts = json_array(),
                              *annotations = json_new_pairs(in->container->annotations);
        json_t *value = NULL;
        int r;

        r = json_set(spec, "ociVersion", json_string(OCI_VERSION));
        if (r >= 0)
                r = process_new(in, &value, error);
        if (r >= 0)
                r = json_set(spec, "process", value);
        if (r >= 0)
                r = json_set(spec,
                             "root",
                             json_pack("{s:s, s:b}",
                                       "path",
                                       in->root_path,
                                       "readonly",
                                       in->container->readonly_rootfs));
        if (r >= 0)
                r = add_base_mounts(in, mounts);
        if (r >= 0)
                r = add_client_mounts(in, mounts, error);
        if (r >= 0)
                r = json_set(spec, "mounts", json_incref(mounts));
        PAIRS_FOREACH(p, in->annotations)
                if (r >= 0)
                        r = json_set(annotations, p[0], json_string(p[1]));
        if (r >= 0)
                r = oci_resources_annotate(
                                &in->container->resources,
                                in->pids_limit,
                                in->controllers,
                                annotations);
        if (r >= 0)
                r = json_set(spec, "annotations", json_incref(annotations));
        if (r >= 0)
                r = linux_new(in, &value, error);
        if (r >= 0)
                r = json_set(spec, "linux", value);
        return r < 0 ? r : json_dump(spec, ret);
}

int oci_process_format(
                const char *spec,
                size_t size,
                char *const *args,
                bool terminal,
                char **ret,
                Error *error) {
        _cleanup_json_ json_t *root = NULL;
        json_t *process;
        int r;

        r = json_parse("config.json", spec, size, &root, error);
        if (r < 0)
                return r;
        process = json_object_get(root, "process");
        if (!json_is_object(process))
                return error_set(error, -EINVAL, STATUS_INTERNAL, "config.json has no process");
        r = json_set(process, "args", json_new_strings(args));
        if (r >= 0)
                r = json_set(process, "terminal", json_boolean(terminal));
        return r < 0 ? r : json_dump(process, ret);
}
