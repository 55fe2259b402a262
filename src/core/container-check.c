/* SPDX-License-Identifier: Apache-2.0 */
#include "core/container-check.h"

#include <inttypes.h>

#include "basic/path.h"
#include "basic/str.h"

#define CONTAINER_NAME_MAX 253
#define OOM_SCORE_ADJ_MAX 1000

static int refuse(Error *error, const char *what, const char *value, const char *why) {
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "%s \"%.300s\": %s",
                        what,
                        strempty(value),
                        why);
}

/* A relative path that stays where it is. */
static bool is_plain_relative(const char *path) {
        _cleanup_free_ char *absolute = str_join("/", path, NULL);

        return absolute && !path_is_absolute(path) && path_is_safe(absolute);
}

static int check_mounts(const ContainerConfig *c, Error *error) {
        for (size_t i = 0; i < c->n_mounts; i++) {
                const ContainerMount *m = c->mounts + i;

                if (isempty(m->container_path) || !path_is_safe(m->container_path))
                        return refuse(error,
                                      "mount container_path",
                                      m->container_path,
                                      "not an absolute path without \"..\"");
                if (isempty(m->host_path) || !path_is_safe(m->host_path))
                        return refuse(error,
                                      "mount host_path",
                                      m->host_path,
                                      "not an absolute path without \"..\"");
                if (m->propagation < PROPAGATION_PRIVATE || m->propagation > PROPAGATION_BIDIRECTIONAL)
                        return refuse(error, "mount", m->container_path, "unknown propagation");
        }
        return 0;
}

static int check_identity(const ContainerConfig *c, Error *error) {
        if (isempty(c->name))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "container metadata name is missing");
        if (strlen(c->name) > CONTAINER_NAME_MAX || strpbrk(c->name, "/\n"))
                return refuse(error,
                              "container metadata name",
                              c->name,
                              "too long, or with a slash or a line break");
        if (isempty(c->image))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "image of container %s is missing",
                                c->name);
        if (!isempty(c->log_path) && !is_plain_relative(c->log_path))
                return refuse(error, "log_path", c->log_path, "not a relative path without \"..\"");
        if (!isempty(c->working_dir) && !path_is_absolute(c->working_dir))
                return refuse(error, "working_dir", c->working_dir, "not an absolute path");
        return 0;
}

static int check_security(const ContainerConfig *c, const PodConfig *pod, Error *error) {
        if (c->privileged && !pod->privileged)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "container %s is privileged, its pod sandbox is not",
                                c->name);
        if (c->run_as_group != UNSET && c->run_as_user == UNSET && isempty(c->run_as_username))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "container %s: run_as_group needs run_as_user or run_as_username",
                                c->name);
        if (c->pid_mode == NAMESPACE_TARGET && isempty(c->pid_target))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "container %s: target_id is missing",
                                c->name);
        return 0;
}

int container_resources_check(const ContainerResources *r, Error *error) {
        const struct {
                const char *what;
                int64_t value, min, max;
        } numbers[] = {
                { "cpu_period", r->cpu_period_usec, 0, INT64_MAX },
                { "cpu_quota", r->cpu_quota_usec, -1, INT64_MAX },
                { "cpu_shares", r->cpu_shares, 0, 262144 },
                { "memory_limit_in_bytes", r->memory_limit_bytes, -1, INT64_MAX },
                { "memory_swap_limit_in_bytes", r->memory_swap_limit_bytes, -1, INT64_MAX },
                { "oom_score_adj", r->oom_score_adj, -OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (numbers[i].value < numbers[i].min || numbers[i].value > numbers[i].max)
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "%s %" PRIi64 " is out of range",
                                        numbers[i].what,
                                        numbers[i].value);
        PAIRS_FOREACH(p, r->unified)
                if (!path_is_component(p[0]) || !strchr(p[0], '.'))
                        return refuse(error, "unified", p[0], "not the name of a cgroup file");
        return 0;
}

int container_config_check(const ContainerConfig *c, const PodConfig *pod, Error *error) {
        int r;

        r = check_identity(c, error);
        if (r >= 0)
                r = check_mounts(c, error);
        if (r >= 0)
                r = check_security(c, pod, error);
        if (r >= 0)
                r = container_resources_check(&c->resources, error);
        if (r >= 0 && c->tty)
                r = error_set(error,
                              -EOPNOTSUPP,
                              STATUS_UNIMPLEMENTED,
                              "container %s asks for a tty, which this version does not have",
                              c->name);
        return r;
}
