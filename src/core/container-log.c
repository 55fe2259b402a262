/* SPDX-License-Identifier: Apache-2.0 */
#include "core/container-log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "core/config-check.h"
#include "core/container.h"
#include "core/pod.h"

#define LOG_MODE 0640
#define DIRECTORY_MODE 0755

void container_log_done(ContainerLog *log) {
        close_fd(log->fd);
        close_fd(log->dir_fd);
        free(log->name);
        *log = CONTAINER_LOG_INIT;
}

/* Not waiting for the other end of a FIFO that somebody put there. */
static int open_file(int dir_fd, const char *name) {
        return open_at(dir_fd,
                       name,
                       O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                       LOG_MODE);
}

static int open_regular(int dir_fd, const char *name) {
        _cleanup_close_ int fd = open_file(dir_fd, name);
        struct stat st;

        if (fd == -ELOOP && fstatat(dir_fd, name, &st, 0) < 0 && errno == ENOENT) {
                if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
                        return -errno;
                fd = open_file(dir_fd, name);
        }
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

static int open_in_directory(const char *path, bool make_directories, ContainerLog *log) {
        _cleanup_free_ char *dir = strndup(path, (size_t) (path_basename(path) - path));
        int r;

        log->name = strdup(path_basename(path));
        if (!dir || !log->name)
                return -ENOMEM;
        r = make_directories ? mkdir_p_at(AT_FDCWD, dir, DIRECTORY_MODE) : 0;
        if (r >= 0)
                r = log->dir_fd = open_at(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
        if (r >= 0)
                r = log->fd = open_regular(log->dir_fd, log->name);
        return r;
}

int container_log_open(const Container *c, bool make_directories, ContainerLog *ret, Error *error) {
        _cleanup_(container_log_done) ContainerLog log = CONTAINER_LOG_INIT;
        _cleanup_free_ char *path = container_get_log_path(c);
        int r;

        if (!path)
                return -ENOMEM;
        if (!isempty(path)) {
                r = open_in_directory(path, make_directories, &log);
                if (r < 0)
                        return error_set(
                                        error,
                                        r,
                                        r == -EINVAL || errno_is_of_path(r) ? STATUS_INVALID_ARGUMENT :
                                                                              STATUS_INTERNAL,
                                        "log file %.300s: %s",
                                        path,
                                        r == -EINVAL ? "not a regular file" : STRERROR(r));
        }
        *ret = log;
        log = CONTAINER_LOG_INIT;
        return 0;
}

int container_log_format_fields(const Container *c, char ***ret) {
        _cleanup_strv_ char **l = NULL;
        const PodConfig *pod = &c->pod->config;
        const struct {
                const char *name, *value;
        } fields[] = {
                { "CONTAINER_ID_FULL", c->id },
                { "CONTAINER_TAG", c->config.name },
                { "IMAGE_NAME", c->config.user_specified_image },
                { "K8S_CONTAINER_NAME", c->config.name },
                { "K8S_POD_NAME", pod->name },
                { "K8S_POD_NAMESPACE", pod->namespace },
                { "K8S_POD_UID", pod->uid },
        };
        int r;

        r = strv_extendf(&l, "CONTAINER_ID=%.12s", c->id);
        if (r >= 0)
                r =
                                strv_extendf(&l,
                                             "CONTAINER_NAME=k8s_%s_%s_%s_%s_%" PRIu32,
                                             strempty(c->config.name),
                                             strempty(pod->name),
                                             strempty(pod->namespace),
                                             strempty(pod->uid),
                                             (uint32_t) c->config.attempt);
        for (size_t i = 0; i < ELEMENTSOF(fields) && r >= 0; i++)
                if (!isempty(fields[i].value) && !strchr(fields[i].value, '\n'))
                        r = strv_extendf(&l, "%s=%s", fields[i].name, fields[i].value);
        if (r >= 0)
                *ret = TAKE_PTR(l);
        return r;
}

int container_log_format_line_fields(const Container *c, char ***ret) {
        _cleanup_strv_ char **l = NULL;
        int r;

        r = container_log_format_fields(c, &l);
        /* The name that CRI-O gives, by which logs are looked for. */
        if (r >= 0)
                r = strv_extendf(&l, "SYSLOG_IDENTIFIER=%s", strv_env_get(l, "CONTAINER_NAME"));
        /* journald finds the unit by OBJECT_PID while the process lives; its last lines come later than
         * that. */
        if (r >= 0)
                r = strv_extendf(&l, "OBJECT_SYSTEMD_UNIT=crio-%s.scope", c->id);
        if (r >= 0)
                r = strv_extendf(&l, "OBJECT_SYSTEMD_UNIT=crio-%s.service", c->id);
        if (r >= 0)
                *ret = TAKE_PTR(l);
        return r;
}
