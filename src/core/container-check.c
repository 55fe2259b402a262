/* SPDX-License-Identifier: Apache-2.0 */
#include "core/container-check.h"

#include <inttypes.h>

#include "basic/path.h"
#include "basic/str.h"
#include "core/config-check.h"
#include "core/resources-check.h"
#include "core/signals.h"

/* Of execve(2): one argument or variable with its NUL, and all of them. */
#define ARGUMENT_MAX (128 * KIB)
#define ARGUMENTS_MAX (6 * MIB)
#define ID_MAX (UINT32_MAX - 1) /* of a user or group; the last one means "none" */

static int refuse(Error *error, const ContainerConfig *c, const char *why) {
        return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "container %s: %s", c->name, why);
}

/* A relative path of a file that stays where it is. */
static bool is_plain_relative(const char *path) {
        _cleanup_free_ char *absolute = str_join("/", path, NULL);

        return absolute && !path_is_absolute(path) && path_is_safe(absolute) &&
                        path_is_component(path_basename(path)) && !text_has_control(path);
}

static int check_mount(const ContainerMount *m, Error *error) {
        int r;

        r = config_check_path("mount container_path", m->container_path, error);
        if (r >= 0)
                r = config_check_path("mount host_path", m->host_path, error);
        if (r < 0)
                return r;
        if (m->propagation < PROPAGATION_PRIVATE || m->propagation > PROPAGATION_BIDIRECTIONAL)
                return config_refuse(error, "mount", m->container_path, "has an unknown propagation");
        if (m->recursive_readonly && (!m->readonly || m->propagation != PROPAGATION_PRIVATE))
                return config_refuse(
                                error,
                                "mount",
                                m->container_path,
                                "asks for recursive_read_only, which needs readonly and private propagation");
        return 0;
}

/* Two mounts at one place, or one over everything: one of them would silently be invisible. */
static int check_places(const ContainerConfig *c, Error *error) {
        _cleanup_strv_ char **places = new0(char *, c->n_mounts + 1);

        if (!places)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_mounts; i++) {
                places[i] = path_simplify(c->mounts[i].container_path);
                if (!places[i])
                        return -ENOMEM;
                if (streq(places[i], "/"))
                        return config_refuse(
                                        error,
                                        "mount container_path",
                                        "/",
                                        "would hide the root of the container");
        }
        strv_sort(places);
        for (size_t i = 1; i < c->n_mounts; i++)
                if (streq(places[i - 1], places[i]))
                        return config_refuse(error, "mount container_path", places[i], "is there twice");
        return 0;
}

static int check_mounts(const ContainerConfig *c, Error *error) {
        int r = 0;

        for (size_t i = 0; i < c->n_mounts && r >= 0; i++)
                r = check_mount(c->mounts + i, error);
        return r < 0 ? r : check_places(c, error);
}

static int check_identity(const ContainerConfig *c, Error *error) {
        int r;

        r = config_check_name("container metadata name", c->name, NAME_MAX_BYTES, error);
        if (r < 0)
                return r;
        if (isempty(c->image))
                return refuse(error, c, "image is missing");
        if (!isempty(c->log_path) && !is_plain_relative(c->log_path))
                return config_refuse(
                                error,
                                "log_path",
                                c->log_path,
                                "has to be the path of a file below log_directory, without \"..\"");
        if (!isempty(c->working_dir) && (!path_is_absolute(c->working_dir) || !path_is_safe(c->working_dir)))
                return config_refuse(
                                error,
                                "working_dir",
                                c->working_dir,
                                "has to be an absolute path without \"..\"");
        if (c->stop_signal != 0 && signal_from_cri(c->stop_signal) <= 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "container %s: stop_signal %d is not one of the CRI",
                                c->name,
                                c->stop_signal);
        return 0;
}

static int check_arguments(const ContainerConfig *c, Error *error) {
        char *const *lists[] = { c->command, c->args, c->envs };
        size_t size = 0;

        if (c->command && isempty(c->command[0]))
                return refuse(error, c, "the first word of command is empty");
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                STRV_FOREACH(s, lists[i]) {
                        size_t n = strlen(*s) + 1;

                        if (n > ARGUMENT_MAX)
                                return error_set(
                                                error,
                                                -EINVAL,
                                                STATUS_INVALID_ARGUMENT,
                                                "container %s: %s \"%.40s…\" has %zu bytes, the kernel takes at most 128 KiB",
                                                c->name,
                                                i == 2 ? "environment variable" : "argument",
                                                *s,
                                                n);
                        size += n;
                }
        if (size > ARGUMENTS_MAX)
                return refuse(error,
                              c,
                              "arguments and environment variables have more than 6 MiB, the kernel takes less");
        return 0;
}

static int check_id(const char *what, int64_t id, Error *error) {
        if (id == UNSET || (id >= 0 && id <= ID_MAX))
                return 0;
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "%s %" PRIi64 " is out of range, ids are 0 to %" PRIi64,
                        what,
                        id,
                        (int64_t) ID_MAX);
}

static int check_user(const ContainerConfig *c, Error *error) {
        int r;

        if (c->run_as_group != UNSET && c->run_as_user == UNSET && isempty(c->run_as_username))
                return refuse(error, c, "run_as_group needs run_as_user or run_as_username");
        r = check_id("run_as_user", c->run_as_user, error);
        if (r >= 0)
                r = check_id("run_as_group", c->run_as_group, error);
        for (size_t i = 0; i < c->n_supplemental_groups && r >= 0; i++)
                r = c->supplemental_groups[i] == UNSET ?
                                refuse(error, c, "supplemental_groups: -1 is not the id of a group") :
                                check_id("supplemental_groups", c->supplemental_groups[i], error);
        return r;
}

static int check_namespaces(const ContainerConfig *c, const PodConfig *pod, Error *error) {
        const struct {
                const char *what;
                int mode, of_pod;
        } shared[] = { { "network", c->network_mode, pod->network_mode },
                       { "ipc", c->ipc_mode, pod->ipc_mode } };

        FOREACH_ELEMENT(s, shared)
                if (s->mode != NAMESPACE_POD && s->mode != s->of_pod)
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "container %s: %s namespace mode %d is not that of its pod sandbox",
                                        c->name,
                                        s->what,
                                        s->mode);
        if (c->pid_mode < NAMESPACE_POD || c->pid_mode > NAMESPACE_TARGET)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "container %s: unknown pid namespace mode %d",
                                c->name,
                                c->pid_mode);
        if (c->pid_mode == NAMESPACE_TARGET && isempty(c->pid_target))
                return refuse(error, c, "target_id is missing");
        return 0;
}

static int check_security(const ContainerConfig *c, const PodConfig *pod, Error *error) {
        int r = 0;

        if (c->privileged && !pod->privileged)
                return refuse(error, c, "it is privileged, its pod sandbox is not");
        STRV_FOREACH(p, c->masked_paths)
                if (r >= 0)
                        r = config_check_path("masked_paths", *p, error);
        STRV_FOREACH(p, c->readonly_paths)
                if (r >= 0)
                        r = config_check_path("readonly_paths", *p, error);
        return r;
}

int container_config_check(const ContainerConfig *c, const PodConfig *pod, Error *error) {
        int r;

        r = check_identity(c, error);
        if (r >= 0)
                r = check_arguments(c, error);
        if (r >= 0)
                r = check_mounts(c, error);
        if (r >= 0)
                r = check_user(c, error);
        if (r >= 0)
                r = check_namespaces(c, pod, error);
        if (r >= 0)
                r = check_security(c, pod, error);
        if (r >= 0)
                r = resources_check(&c->resources, error);
        if (r >= 0)
                r = config_check_labels(c->labels, error);
        if (r >= 0)
                r = config_check_annotations(c->annotations, error);
        if (r >= 0 && c->tty)
                r = error_set(error,
                              -EOPNOTSUPP,
                              STATUS_UNIMPLEMENTED,
                              "container %s asks for a tty, which this version does not have",
                              c->name);
        return r;
}
