/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Places for what is not visible yet and for what is to be deleted: temporary directories beside the layers,
 * each guarded by the lock of a file. Source: containers/storage layout, section "Staging".
 */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "image/store-internal.h"

#define LOCK_PREFIX "lock-"
#define DIR_PREFIX "temp-dir-"
/* A cleaner may take a lock file between its birth and its lock: then there is another one. */
#define LOCK_ATTEMPTS_MAX 100

static const struct flock exclusive = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

/* Whether the file behind a descriptor still has that name. */
static bool has_name(int root_fd, const char *path, int fd) {
        struct stat a, b;

        return fstat(fd, &a) >= 0 && fstatat(root_fd, path, &b, AT_SYMLINK_NOFOLLOW) >= 0 &&
                        a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int try_lock(Store *s, const char *path) {
        _cleanup_close_ int fd = open_at(s->root_fd, path, O_RDWR | O_CREAT | O_EXCL, 0600);
        struct flock request = exclusive;

        if (fd < 0)
                return fd;
        if (fcntl(fd, F_OFD_SETLK, &request) < 0 || !has_name(s->root_fd, path, fd))
                return -EAGAIN;
        return TAKE_FD(fd);
}

int store_make_lock(Store *s, const char *directory, const char *prefix, char *ret_random) {
        int fd = -EAGAIN;

        for (unsigned i = 0; i < LOCK_ATTEMPTS_MAX && (fd == -EAGAIN || fd == -ENOENT); i++) {
                _cleanup_free_ char *path = NULL;
                int r;

                r = store_random_name(ret_random);
                if (r >= 0)
                        r = mkdir_p_at(s->root_fd, directory, 0700); /* goes when the last one leaves */
                if (r < 0)
                        return r;
                path = str_join(directory, "/", prefix, ret_random, NULL);
                if (!path)
                        return -ENOMEM;
                fd = try_lock(s, path);
        }
        return fd;
}

int store_take_stale_lock(int dir_fd, const char *name, int *ret_fd) {
        _cleanup_close_ int fd = open_at(dir_fd, name, O_RDWR | O_NOFOLLOW, 0);
        struct flock request = exclusive;

        if (fd < 0 || fcntl(fd, F_OFD_SETLK, &request) < 0 || !has_name(dir_fd, name, fd))
                return 0;
        *ret_fd = TAKE_FD(fd);
        return 1;
}

/* One of the two places of a stage. */
static int make_place(Store *s, const char *parent, char *ret_random, char **ret_path, int *ret_fd) {
        _cleanup_close_ int fd = store_make_lock(s, parent, LOCK_PREFIX, ret_random);
        _cleanup_free_ char *dir = NULL;

        if (fd < 0)
                return fd;
        dir = str_join(parent, "/" DIR_PREFIX, ret_random, NULL);
        *ret_path = dir ? path_join(s->root, dir) : NULL;
        if (!*ret_path)
                return -ENOMEM;
        if (mkdirat(s->root_fd, dir, 0700) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int store_stage(Store *s, StoreStage *ret, Error *error) {
        StoreStage stage = { .lock_fd = -EBADF, .split_lock_fd = -EBADF };
        int r;

        r = make_place(s, STORE_TEMPDIRS, stage.random, &stage.path, &stage.lock_fd);
        if (r >= 0)
                r = make_place(s,
                               STORE_SPLIT_TEMPDIRS,
                               stage.split_random,
                               &stage.split_path,
                               &stage.split_lock_fd);
        if (r < 0) {
                (void) store_unstage(s, &stage); /* the first failure is the one to report */
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "make a staging place in the store: %s",
                                STRERROR(r));
        }
        *ret = stage;
        return 0;
}

/* The directory first, so that nothing is ever without a lock that is still written to. */
static int clear_place(Store *s, const char *parent, const char *random, char *path, int fd) {
        _cleanup_free_ char *lock = str_join(parent, "/" LOCK_PREFIX, random, NULL);
        int r = path ? rm_rf_at(AT_FDCWD, path) : 0;

        if (lock && fd >= 0)
                (void) unlinkat(s->root_fd, lock, 0); /* stale ones are found by their free lock */
        close_fd(fd);
        free(path);
        (void) unlinkat(s->root_fd, parent, AT_REMOVEDIR); /* unless somebody else is there */
        return r;
}

int store_unstage(Store *s, StoreStage *stage) {
        int r, q;

        r = clear_place(s, STORE_TEMPDIRS, stage->random, TAKE_PTR(stage->path), stage->lock_fd);
        q = clear_place(s,
                        STORE_SPLIT_TEMPDIRS,
                        stage->split_random,
                        TAKE_PTR(stage->split_path),
                        stage->split_lock_fd);
        stage->lock_fd = stage->split_lock_fd = -EBADF;
        return r < 0 ? r : q;
}

/* Whether nobody holds the lock of a directory; takes a stale lock away with it. */
static bool is_garbage(int dir_fd, const char *random) {
        _cleanup_free_ char *lock = str_join(LOCK_PREFIX, random, NULL);
        _cleanup_close_ int fd = -EBADF;

        if (!lock)
                return false;
        if (faccessat(dir_fd, lock, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT;
        if (store_take_stale_lock(dir_fd, lock, &fd) <= 0)
                return false;
        (void) unlinkat(dir_fd, lock, 0); /* its directory is without an owner from here on */
        return true;
}

static int find_garbage(Store *s, const char *parent, size_t max, char ***ret) {
        int fd = open_at(s->root_fd, parent, O_RDONLY | O_DIRECTORY, 0), r = 0;
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!d) {
                close_fd(fd);
                return 0;
        }
        while (r >= 0 && strv_length(*ret) < max && (de = readdir(d))) {
                const char *random = startswith(de->d_name, DIR_PREFIX),
                           *lock = startswith(de->d_name, LOCK_PREFIX);

                if (random && is_garbage(dirfd(d), random))
                        r = strv_extendf(ret, "%s/%s/%s", s->root, parent, de->d_name);
                /* A lock whose directory is gone, or was not made yet by one who died. */
                if (lock)
                        (void) is_garbage(dirfd(d), lock);
        }
        (void) closedir(d);
        (void) unlinkat(s->root_fd, parent, AT_REMOVEDIR); /* unless something is there */
        return r;
}

int store_find_garbage(Store *s, size_t max, char ***ret) {
        int r;

        r = find_garbage(s, STORE_TEMPDIRS, max, ret);
        return r < 0 ? r : find_garbage(s, STORE_SPLIT_TEMPDIRS, max, ret);
}
