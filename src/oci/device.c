/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/device.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"

#define DEPTH_MAX 8

/* Below /dev these are made for every container, or belong to the host. */
static const char *const own_entries[] = { "pts",     "shm",  "fd",          "mqueue",
                                           "console", ".lxc", ".lxd-mounts", ".udev" };

void oci_devices_done(OciDevices *d) {
        for (size_t i = 0; i < d->n; i++)
                free(d->items[i].path);
        free(d->items);
        *d = (OciDevices){ 0 };
}

static int devices_add(OciDevices *d, const char *path, const struct stat *st, const char *access) {
        OciDevice *items;

        if (d->n >= OCI_DEVICES_MAX)
                return -E2BIG;
        items = reallocarray(d->items, d->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        d->items = items;
        items[d->n] = (OciDevice){
                .path = strdup(path),
                .type = S_ISBLK(st->st_mode) ? 'b' : 'c',
                .major = major(st->st_rdev),
                .minor = minor(st->st_rdev),
                .mode = st->st_mode & 07777,
                .uid = st->st_uid,
                .gid = st->st_gid,
        };
        (void) snprintf(items[d->n].access, sizeof(items[d->n].access), "%s", access);
        if (!items[d->n].path)
                return -ENOMEM;
        d->n++;
        return 0;
}

static bool is_own(const char *name) {
        FOREACH_ELEMENT(e, own_entries)
                if (streq(*e, name))
                        return true;
        return false;
}

static int devices_add_tree(
                OciDevices *d,
                int dir_fd,
                const char *host,
                const char *path,
                const char *access,
                unsigned depth);

static int devices_add_entry(
                OciDevices *d,
                int dir_fd,
                const char *name,
                const char *path,
                const char *access,
                unsigned depth) {
        _cleanup_free_ char *target = path_join(path, name);
        struct stat st;

        if (!target)
                return -ENOMEM;
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (S_ISDIR(st.st_mode))
                return devices_add_tree(d, dir_fd, name, target, access, depth + 1);
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                return devices_add(d, target, &st, access);
        return 0;
}

static int devices_add_tree(
                OciDevices *d,
                int dir_fd,
                const char *host,
                const char *path,
                const char *access,
                unsigned depth) {
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd, r;

        if (depth > DEPTH_MAX)
                return 0;
        fd = open_at(dir_fd, host, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        dir = fdopendir(fd);
        if (!dir) {
                close_fd(fd);
                return -errno;
        }
        while ((entry = readdir(dir))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, "..") || is_own(entry->d_name))
                        continue;
                r = devices_add_entry(d, dirfd(dir), entry->d_name, path, access, depth);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_access(const ContainerDevice *device, Error *error) {
        const char *p = device->permissions;

        if (isempty(p) || strlen(p) > 3 || !str_in_charset(p, "rwm"))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "device %.200s: permissions \"%.20s\" are not some of \"rwm\"",
                                strempty(device->host_path),
                                strempty(p));
        if (isempty(device->host_path) || !path_is_safe(device->host_path) ||
            isempty(device->container_path) || !path_is_safe(device->container_path))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "device \"%.200s\" as \"%.200s\": both have to be absolute paths without \"..\"",
                                strempty(device->host_path),
                                strempty(device->container_path));
        return 0;
}

static int device_lookup(const ContainerDevice *device, OciDevices *d, Error *error) {
        struct stat st;
        int r;

        r = check_access(device, error);
        if (r < 0)
                return r;
        if (stat(device->host_path, &st) < 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "device %.200s: %s",
                                device->host_path,
                                STRERROR(errno));
        if (S_ISDIR(st.st_mode))
                r = devices_add_tree(
                                d,
                                AT_FDCWD,
                                device->host_path,
                                device->container_path,
                                device->permissions,
                                0);
        else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                r = devices_add(d, device->container_path, &st, device->permissions);
        else
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "device %.200s is neither a device node nor a directory",
                                device->host_path);
        return r < 0 ? error_prefix(error, r, "device %s", device->host_path) : 0;
}

int oci_devices_lookup(const ContainerConfig *config, OciDevices *ret, Error *error) {
        _cleanup_(oci_devices_done) OciDevices d = { 0 };
        int r;

        for (size_t i = 0; i < config->n_devices; i++) {
                r = device_lookup(config->devices + i, &d, error);
                if (r < 0)
                        return r;
        }
        if (config->privileged) {
                r = devices_add_tree(&d, AT_FDCWD, "/dev", "/dev", "rwm", 0);
                if (r < 0)
                        return error_prefix(error, r, "devices of the node");
        }
        *ret = d;
        d = (OciDevices){ 0 };
        return 0;
}
