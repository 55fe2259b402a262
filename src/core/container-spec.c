/* SPDX-License-Identifier: Apache-2.0 */
#include "core/container-spec.h"

#include <fcntl.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pod.h"
#include "image/store.h"
#include "oci/device.h"
#include "oci/spec.h"
#include "peer/place.h"

#define SPEC_MAX (32 * MIB)

/* What the input borrows. */
typedef struct SpecParts {
        OciUser user;
        OciDevices devices;
        char **annotations;
        char *cgroups_path, *network, *ipc, *uts, *pid, *shm;
        char *resolv_conf, *hostname, *hosts;
        char own_name[POD_HOSTNAME_SIZE];
} SpecParts;

static void spec_parts_done(SpecParts *p) {
        oci_user_done(&p->user);
        oci_devices_done(&p->devices);
        strv_free(p->annotations);
        free(p->cgroups_path);
        free(p->network);
        free(p->ipc);
        free(p->uts);
        free(p->pid);
        free(p->shm);
        free(p->resolv_conf);
        free(p->hostname);
        free(p->hosts);
}

static int spec_find_pid(const Container *c, char **ret, Error *error) {
        const Pod *p = c->pod;
        pid_t pid = p->pause_pid;
        Container *target;
        int r;

        /* Of the pod, whatever that has. */
        switch (c->config.pid_mode == NAMESPACE_POD ? p->config.pid_mode : c->config.pid_mode) {
        case NAMESPACE_NODE:
                return 0;
        case NAMESPACE_CONTAINER:
                *ret = strdup("");
                return *ret ? 0 : -ENOMEM;
        case NAMESPACE_TARGET:
                r = manager_find_container(c->manager, c->config.pid_target, &target, NULL);
                if (r < 0 || target->pod != p || target->state != CONTAINER_RUNNING)
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "target_id %.80s is not a running container of this pod sandbox",
                                        c->config.pid_target);
                pid = target->pid;
                break;
        default:
                if (!pod_has_pause(p) || pid <= 0)
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "pod sandbox %s has no process namespace to share",
                                        p->id);
        }
        return asprintf(ret, "/proc/%d/ns/pid", (int) pid) < 0 ? -ENOMEM : 0;
}

static int spec_find_places(const Container *c, SpecParts *parts) {
        const Pod *p = c->pod;
        bool host_ipc = p->config.ipc_mode == NAMESPACE_NODE,
             host_network = p->config.network_mode == NAMESPACE_NODE;

        parts->cgroups_path = str_join(p->slice, ":crio:", c->id, NULL);
        parts->network = host_network ? NULL : pod_get_netns_path(p);
        parts->ipc = host_ipc ? NULL : str_join(PRIVATE_PODS "/", p->id, "/ipc", NULL);
        parts->uts = host_network ? NULL : str_join(PRIVATE_PODS "/", p->id, "/uts", NULL);
        parts->shm = host_ipc ? strdup("/dev/shm") : str_join(PRIVATE_PODS "/", p->id, "/shm", NULL);
        pod_get_hostname(p, parts->own_name);
        parts->resolv_conf = pod_get_directory(p, "resolv.conf");
        parts->hostname = pod_get_directory(p, "hostname");
        parts->hosts = pod_get_directory(p, "hosts");
        if (!parts->cgroups_path || !parts->shm || !parts->resolv_conf || !parts->hostname ||
            !parts->hosts || (!host_network && !parts->network) || (!host_ipc && !parts->ipc))
                return -ENOMEM;
        return 0;
}

/* In the quotes of a GVariant text, which the runtimes do not all unescape. */
static char *describe(const Container *c) {
        char *text =
                        str_join("'",
                                 c->config.name,
                                 " in ",
                                 c->pod->config.namespace,
                                 "/",
                                 c->pod->config.name,
                                 "'",
                                 NULL);

        for (char *t = text ? text + 1 : NULL; t && t[1]; t++)
                if (*t == '\'' || *t == '\\')
                        *t = '_';
        return text;
}

/* What tools of the field look for. */
static int spec_add_annotations(const Container *c, SpecParts *parts) {
        const Pod *p = c->pod;
        _cleanup_free_ char *description = describe(c);
        const struct {
                const char *key, *value;
        } all[] = {
                { "io.kubernetes.cri-o.ContainerType", "container" },
                { "io.kubernetes.cri-o.ContainerID", c->id },
                { "io.kubernetes.cri-o.SandboxID", p->id },
                { "io.kubernetes.cri-o.ContainerName", c->config.name },
                { "io.kubernetes.cri-o.SandboxName", p->config.name },
                { "io.kubernetes.cri-o.Namespace", p->config.namespace },
                { "io.kubernetes.cri-o.ImageName", c->config.image },
                { "io.kubernetes.cri-o.ImageRef", c->image_id },
                /* crun and runc put it on the scope. */
                { "org.systemd.property.CollectMode", "'inactive-or-failed'" },
                { "org.systemd.property.Description", description },
        };
        int r = description ? 0 : -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(all) && r >= 0; i++)
                r = pairs_set(&parts->annotations, all[i].key, strempty(all[i].value));
        return r;
}

static int spec_resolve_user(Container *c, const StoreImage *image, OciUser *ret, Error *error) {
        _cleanup_strv_ char **layers = NULL;
        int64_t *groups;
        int r = 0;

        if (image->top_layer)
                r = store_layer_directories(c->manager->store, image->top_layer, &layers, error);
        if (r >= 0)
                r = oci_user_resolve(&c->config, strempty(image->config.user), layers, ret, error);
        if (r < 0)
                return r;

        groups = new_array(int64_t, ret->n_groups + 1);
        if (!groups)
                return -ENOMEM;
        for (size_t i = 0; i < ret->n_groups; i++)
                groups[i] = ret->groups[i];
        FREE_AND_REPLACE(c->groups, groups);
        c->n_groups = ret->n_groups;
        c->uid = ret->uid;
        c->gid = ret->gid;
        return 0;
}

static int spec_write(const Container *c, const OciSpecInput *input, Error *error) {
        _cleanup_free_ char *text = NULL, *path = container_get_directory(c, "config.json");
        int r;

        if (!path)
                return -ENOMEM;
        r = oci_spec_format(input, &text, error);
        if (r < 0)
                return r;
        r = write_file_atomic_at(AT_FDCWD, path, text, strlen(text), 0600, 0);
        return r < 0 ? error_set(error, r, STATUS_INTERNAL, "write %s: %s", path, STRERROR(r)) : 0;
}

int container_write_spec(Container *c, const StoreImage *image, Error *error) {
        _cleanup_(spec_parts_done) SpecParts parts = { 0 };
        const Config *config = c->manager->config;
        uint64_t capabilities, ambient;
        int r;

        r = spec_resolve_user(c, image, &parts.user, error);
        if (r >= 0)
                r = oci_spec_capabilities(
                                &c->config,
                                config->default_capabilities,
                                c->manager->capabilities,
                                &capabilities,
                                &ambient,
                                error);
        if (r >= 0)
                r = oci_devices_lookup(&c->config, &parts.devices, error);
        if (r >= 0)
                r = spec_find_pid(c, &parts.pid, error);
        if (r >= 0)
                r = spec_find_places(c, &parts);
        if (r >= 0)
                r = spec_add_annotations(c, &parts);
        if (r < 0)
                return r;

        const OciSpecInput input = {
                .hostname = parts.own_name,
                .pod = &c->pod->config,
                .container = &c->config,
                .user = &parts.user,
                .image_env = image->config.env,
                .image_entrypoint = image->config.entrypoint,
                .image_cmd = image->config.cmd,
                .image_working_dir = image->config.working_dir,
                .root_path = PRIVATE_ROOTFS,
                .cgroups_path = parts.cgroups_path,
                .default_env = config->default_env,
                .default_ulimits = config->default_ulimits,
                .capabilities = capabilities,
                .ambient_capabilities = ambient,
                .inheritable_capabilities = config->add_inheritable_capabilities,
                .pids_limit = config->pids_limit,
                .controllers = c->manager->controllers,
                .oom_score_adj_min = c->manager->oom_score_adj_min,
                .network_path = parts.network,
                .ipc_path = parts.ipc,
                .uts_path = parts.uts,
                .pid_path = parts.pid,
                .cgroup_namespace = !c->config.privileged,
                .shm_path = parts.shm,
                .resolv_conf_path = parts.resolv_conf,
                .hostname_path = parts.hostname,
                .hosts_path = parts.hosts,
                .devices = parts.devices.items,
                .n_devices = parts.devices.n,
                .annotations = parts.annotations,
        };
        return spec_write(c, &input, error);
}

int container_read_spec(const Container *c, char **ret, size_t *ret_size, Error *error) {
        _cleanup_free_ char *path = container_get_directory(c, "config.json");
        int r;

        r = path ? read_file_at(AT_FDCWD, path, SPEC_MAX, ret, ret_size) : -ENOMEM;
        return r < 0 ? error_set(error,
                                 r,
                                 STATUS_INTERNAL,
                                 "read spec of container %s: %s",
                                 c->id,
                                 STRERROR(r)) :
                       0;
}
