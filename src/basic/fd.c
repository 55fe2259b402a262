/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/str.h"

#define READ_CHUNK (16 * KIB)
#define RM_DEPTH_MAX 4096
#define OPEN_TRIES 8

int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd); /* the descriptor is gone whatever close() says */
                errno = saved;
        }
        return -EBADF;
}

int open_at(int dir_fd, const char *path, int flags, mode_t mode) {
        int fd;

        do
                fd = openat(dir_fd, path, flags | O_CLOEXEC, mode);
        while (fd < 0 && errno == EINTR);
        return fd < 0 ? -errno : fd;
}

static int open_resolve(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve) {
        struct open_how how = {
                .flags = (uint64_t) (flags | O_CLOEXEC),
                .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
                .resolve = resolve | RESOLVE_NO_MAGICLINKS,
        };
        long fd = -1;

        /* A concurrent rename makes the kernel give up with EAGAIN. */
        for (unsigned i = 0; i < OPEN_TRIES; i++) {
                fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
                if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
                        break;
        }
        return fd < 0 ? -errno : (int) fd;
}

int open_in_root(int root_fd, const char *path, int flags, mode_t mode) {
        return open_resolve(root_fd, path, flags, mode, RESOLVE_IN_ROOT);
}

int open_beneath(int dir_fd, const char *path, int flags, mode_t mode) {
        return open_resolve(dir_fd, path, flags, mode, RESOLVE_BENEATH);
}

int fd_reopen(int fd, int flags) {
        char path[sizeof("/proc/self/fd/") + DECIMAL_MAX];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fits by construction */
        return open_at(AT_FDCWD, path, flags, 0);
}

int fd_dup(int fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        return copy < 0 ? -errno : copy;
}

int fd_set_nonblock(int fd, bool nonblock) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        flags = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

ssize_t read_full(int fd, void *data, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = read(fd, (char *) data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        return (ssize_t) done;
}

int write_full(int fd, const void *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data = (const char *) data + n;
                size -= (size_t) n;
        }
        return 0;
}

int read_file_fd(int fd, size_t max_bytes, char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0, allocated = 0;

        for (;;) {
                ssize_t n;

                if (size == allocated) {
                        char *larger;

                        allocated = MIN(allocated * 2 + READ_CHUNK, max_bytes + 1);
                        larger = realloc(data, allocated + 1);
                        if (!larger)
                                return -ENOMEM;
                        data = larger;
                }

                n = read_full(fd, data + size, allocated - size);
                if (n < 0)
                        return (int) n;
                size += (size_t) n;
                if (size > max_bytes)
                        return -E2BIG;
                if (size < allocated)
                        break;
        }

        data[size] = '\0';
        *ret = TAKE_PTR(data);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int read_file_at(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -EBADF;

        fd = open_at(dir_fd, path, O_RDONLY | O_NOCTTY, 0);
        if (fd < 0)
                return fd;
        return read_file_fd(fd, max_bytes, ret, ret_size);
}

static int open_directory_of(int dir_fd, const char *path, const char **ret_name) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *dir = NULL;

        *ret_name = slash ? slash + 1 : path;
        dir = !slash ? strdup(".") : strndup(path, MAX((size_t) (slash - path), (size_t) 1));
        if (!dir)
                return -ENOMEM;
        return open_at(dir_fd, dir, O_RDONLY | O_DIRECTORY, 0);
}

static int
write_temporary(int parent_fd,
                const char *name,
                const void *data,
                size_t size,
                mode_t mode,
                unsigned flags) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = open_at(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (fd < 0)
                return fd;

        r = write_full(fd, data, size);
        if (r >= 0 && flags & WRITE_APPEND_NL)
                r = write_full(fd, "\n", 1);
        if (r >= 0 && fchmod(fd, mode) < 0) /* the umask is not ours to ask */
                r = -errno;
        if (r >= 0 && flags & WRITE_SYNC && fsync(fd) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(parent_fd, name, 0); /* the first failure is the one to report */
        return r;
}

int write_file_atomic_at(
                int dir_fd,
                const char *path,
                const void *data,
                size_t size,
                mode_t mode,
                unsigned flags) {
        _cleanup_close_ int parent_fd = -EBADF;
        _cleanup_free_ char *temporary = NULL;
        const char *name;
        uint64_t random;
        int r;

        parent_fd = open_directory_of(dir_fd, path, &name);
        if (parent_fd < 0)
                return parent_fd;
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                return -errno;
        if (asprintf(&temporary, ".%s.%016jx.tmp", name, (uintmax_t) random) < 0)
                return -ENOMEM;

        r = write_temporary(parent_fd, temporary, data, size, mode, flags);
        if (r < 0)
                return r;
        if (renameat(parent_fd, temporary, parent_fd, name) < 0) {
                r = -errno;
                (void) unlinkat(parent_fd, temporary, 0); /* as above */
                return r;
        }
        if (flags & WRITE_SYNC && fsync(parent_fd) < 0)
                return -errno;
        return 0;
}

int write_string_at(int dir_fd, const char *path, const char *s) {
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        fd = open_at(dir_fd, path, O_WRONLY | O_NOCTTY, 0);
        if (fd < 0)
                return fd;
        n = write(fd, s, strlen(s));
        if (n < 0)
                return -errno;
        return (size_t) n == strlen(s) ? 0 : -EIO;
}

static int mkdir_one(int dir_fd, const char *path, mode_t mode) {
        struct stat st;

        if (mkdirat(dir_fd, path, mode) >= 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (fstatat(dir_fd, path, &st, 0) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int mkdir_parents_at(int dir_fd, const char *path, mode_t mode) {
        _cleanup_free_ char *copy = strdup(path);
        int r;

        if (!copy)
                return -ENOMEM;

        for (char *p = copy; (p = strchr(p, '/')); p++) {
                if (p == copy)
                        continue;
                *p = '\0';
                r = mkdir_one(dir_fd, copy, mode);
                if (r < 0)
                        return r;
                *p = '/';
        }
        return 0;
}

int mkdir_p_at(int dir_fd, const char *path, mode_t mode) {
        int r;

        r = mkdir_parents_at(dir_fd, path, mode);
        if (r < 0)
                return r;
        return mkdir_one(dir_fd, path, mode);
}

static int rm_children(int parent_fd, const char *name, unsigned depth);

static int rm_entry(int dir_fd, const char *name, bool is_dir, unsigned depth) {
        int r;

        if (unlinkat(dir_fd, name, is_dir ? AT_REMOVEDIR : 0) >= 0 || errno == ENOENT)
                return 0;
        if (!is_dir && errno == EISDIR)
                return rm_entry(dir_fd, name, true, depth);
        if (!is_dir || (errno != ENOTEMPTY && errno != EEXIST))
                return -errno;

        r = rm_children(dir_fd, name, depth + 1);
        if (r < 0)
                return r;
        return unlinkat(dir_fd, name, AT_REMOVEDIR) >= 0 || errno == ENOENT ? 0 : -errno;
}

static int rm_children(int parent_fd, const char *name, unsigned depth) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int fd, r, first = 0;

        if (depth > RM_DEPTH_MAX)
                return -ELOOP;

        /* The way to the top may lead through mounts; a mount point itself was busy above. */
        fd =
                        open_resolve(parent_fd,
                                     name,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                                     0,
                                     depth > 1 ? RESOLVE_NO_XDEV : 0);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        d = fdopendir(fd);
        if (!d) {
                close_fd(fd);
                return -ENOMEM;
        }

        while ((errno = 0, de = readdir(d))) {
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                r = rm_entry(fd, de->d_name, de->d_type == DT_DIR, depth);
                if (r < 0 && first == 0)
                        first = r; /* go on, remove what can be removed */
        }
        return first < 0 ? first : -errno;
}

int rm_rf_at(int dir_fd, const char *path) {
        return rm_entry(dir_fd, path, false, 0);
}

int readlink_at(int dir_fd, const char *path, char **ret) {
        char target[PATH_MAX];
        ssize_t n;

        n = readlinkat(dir_fd, path, target, sizeof(target));
        if (n < 0)
                return -errno;
        if ((size_t) n == sizeof(target))
                return -ENAMETOOLONG;

        *ret = strndup(target, (size_t) n);
        return *ret ? 0 : -ENOMEM;
}
