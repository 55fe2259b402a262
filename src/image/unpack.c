/* SPDX-License-Identifier: Apache-2.0 */
#include "image/unpack.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "image/path-set.h"
#include "image/tar-split.h"

#define WHITEOUT_PREFIX ".wh."
#define OPAQUE ".wh..wh..opq"
#define AUFS_PREFIX ".wh..wh."
#define OPAQUE_XATTR "trusted.overlay.opaque"
#define COPY_CHUNK (256 * KIB)
/* Names of directories, which are kept until their times are set. */
#define DIRECTORY_NAMES_MAX (64 * MIB)
/* Different owners, or groups. */
#define IDS_MAX 65536
/* Looks at the free space of the file system after so much, and leaves others this part of it. */
#define SPACE_CHECK_BYTES (16 * MIB)
#define SPACE_RESERVE_BYTES (64 * MIB)
#define SPACE_RESERVE_PART 32

/* A directory whose times are set at the end, when nothing is made in it any more. */
typedef struct DirectoryTime {
        char *path;
        int64_t mtime_nsec;
} DirectoryTime;

typedef struct IdSet {
        uint32_t *ids;
        size_t n;
} IdSet;

typedef struct Unpack {
        TarRead read;
        void *userdata;
        int dir_fd;
        Tar tar;
        TarSplit *split;
        EVP_MD_CTX *hash;
        uint64_t size, n_entries, unchecked_bytes;
        PathSet seen;
        DirectoryTime *directories;
        size_t n_directories, directory_names_size;
        IdSet uids, gids;
        char *buffer;

        /* The parent of the last entry: most entries share it with the one before. */
        char *parent;
        int parent_fd;
} Unpack;

void unpack_result_done(UnpackResult *r) {
        free(r->uids);
        free(r->gids);
        *r = (UnpackResult){};
}

static void unpack_done(Unpack *u) {
        path_set_done(&u->seen);
        for (size_t i = 0; i < u->n_directories; i++)
                free(u->directories[i].path);
        free(u->directories);
        tar_done(&u->tar);
        tar_split_free(u->split);
        EVP_MD_CTX_free(u->hash);
        free(u->uids.ids);
        free(u->gids.ids);
        free(u->buffer);
        free(u->parent);
        close_fd(u->parent_fd);
}

static ssize_t unpack_on_read(void *userdata, void *data, size_t size) {
        Unpack *u = userdata;
        ssize_t n = u->read(u->userdata, data, size);

        if (n > 0) {
                if (EVP_DigestUpdate(u->hash, data, (size_t) n) != 1)
                        return -EIO;
                u->size += (size_t) n;
        }
        return n;
}

static int unpack_on_raw(void *userdata, const void *data, size_t size) {
        Unpack *u = userdata;

        return tar_split_raw(u->split, data, size);
}

static int id_set_add(IdSet *s, uint32_t id) {
        size_t low = 0, high = s->n;
        uint32_t *larger;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (s->ids[middle] == id)
                        return 0;
                if (s->ids[middle] < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (s->n >= IDS_MAX)
                return -E2BIG;
        larger = reallocarray(s->ids, s->n + 1, sizeof(*larger));
        if (!larger)
                return -ENOMEM;
        memmove(larger + low + 1, larger + low, (s->n - low) * sizeof(*larger));
        larger[low] = id;
        s->ids = larger;
        s->n++;
        return 0;
}

/* "./a//../b/" to "b"; "" for the root itself. */
static int clean_path(const char *path, char **ret) {
        _cleanup_free_ char *absolute = str_join("/", path, NULL),
                            *clean = absolute ? path_clean(absolute) : NULL;

        if (!clean)
                return -ENOMEM;
        *ret = strdup(clean + 1);
        return *ret ? 0 : -ENOMEM;
}

/* Directory of an entry, made where it is missing; symlinks in it are resolved with our directory as root.
 */
static int open_parent(Unpack *u, const char *path, const char **ret_name) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
        int fd, r;

        *ret_name = slash ? slash + 1 : path;
        if (!parent)
                return -ENOMEM;
        if (u->parent && streq(u->parent, parent))
                return u->parent_fd;

        fd = open_in_root(u->dir_fd, parent, O_PATH | O_DIRECTORY, 0);
        if (fd == -ENOENT) {
                const char *name;
                int above = open_parent(u, parent, &name);

                if (above < 0)
                        return above;
                if (mkdirat(above, name, 0755) < 0 && errno != EEXIST)
                        return -errno;
                fd = open_in_root(u->dir_fd, parent, O_PATH | O_DIRECTORY, 0);
        }
        if (fd < 0)
                return fd;

        r = str_replace(&u->parent, parent);
        close_fd(u->parent_fd);
        u->parent_fd = fd;
        return r < 0 ? r : fd;
}

/* An image must not forge metadata of overlay, and labels belong to the host. */
static bool xattr_is_allowed(const char *name) {
        static const char *const refused[] = { "user.overlay.", "user.containers.override_stat" };

        FOREACH_ELEMENT(prefix, refused)
                if (startswith(name, *prefix))
                        return false;
        return startswith(name, "user.") || startswith(name, "system.posix_acl_") ||
                        streq(name, "security.capability");
}

static int set_xattrs(int parent_fd, const char *name, const TarEntry *e) {
        char path[sizeof("/proc/self/fd//") + DECIMAL_MAX + NAME_MAX];

        if (e->n_xattrs == 0)
                return 0;
        (void) snprintf(path,
                        sizeof(path),
                        "/proc/self/fd/%d/%s",
                        parent_fd,
                        name); /* names are at most NAME_MAX */
        for (size_t i = 0; i < e->n_xattrs; i++) {
                const TarXattr *x = &e->xattrs[i];

                if (!xattr_is_allowed(x->name) || lsetxattr(path, x->name, x->value, x->size, 0) >= 0)
                        continue;
                /* The file system has none of that kind, or (user.* of a symlink) the kernel has not. */
                if (errno != ENOTSUP && !(errno == EPERM && startswith(x->name, "user.")))
                        return -errno;
        }
        return 0;
}

static struct timespec to_timespec(int64_t nsec) {
        int64_t seconds = nsec / (int64_t) NSEC_PER_SEC, rest = nsec % (int64_t) NSEC_PER_SEC;

        return (struct timespec){ .tv_sec = rest < 0 ? seconds - 1 : seconds,
                                  .tv_nsec = rest < 0 ? rest + (int64_t) NSEC_PER_SEC : rest };
}

static int set_times(int parent_fd, const char *name, int64_t mtime_nsec) {
        const struct timespec times[] = { to_timespec(mtime_nsec), to_timespec(mtime_nsec) };

        /* Times beyond what the file system can hold are clamped by the kernel. */
        return utimensat(parent_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Owner before mode and capabilities: chown clears setuid. @is_link: the file is a symlink, which has no
 * mode of its own. */
static int set_attributes(Unpack *u, int parent_fd, const char *name, bool is_link) {
        const TarEntry *e = &u->tar.entry;
        int r;

        if (fchownat(parent_fd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!is_link && fchmodat(parent_fd, name, e->mode, 0) < 0)
                return -errno;
        r = set_xattrs(parent_fd, name, e);
        if (r >= 0 && e->type != TAR_DIRECTORY)
                r = set_times(parent_fd, name, e->mtime_nsec);
        if (r >= 0)
                r = id_set_add(&u->uids, e->uid);
        return r < 0 ? r : id_set_add(&u->gids, e->gid);
}

/* A small archive can hold a lot of zeros: the node goes on needing some space. */
static int check_space(Unpack *u, size_t size) {
        struct statvfs v;
        uint64_t available;

        u->unchecked_bytes += size;
        if (u->unchecked_bytes < SPACE_CHECK_BYTES)
                return 0;
        u->unchecked_bytes = 0;
        if (fstatvfs(u->dir_fd, &v) < 0)
                return -errno;
        available = (uint64_t) v.f_bavail * v.f_frsize;
        return available < MIN((uint64_t) SPACE_RESERVE_BYTES,
                               (uint64_t) v.f_blocks * v.f_frsize / SPACE_RESERVE_PART) ?
                        -ENOSPC :
                        0;
}

static int write_content(Unpack *u, int parent_fd, const char *name, uint64_t *ret_crc, Error *error) {
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;
        int r = 0;

        fd = open_at(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        if (fd < 0)
                return fd;
        while (r >= 0 && (n = tar_read(&u->tar, u->buffer, COPY_CHUNK, error)) != 0) {
                if (n < 0)
                        return (int) n;
                *ret_crc = tar_split_crc(*ret_crc, u->buffer, (size_t) n);
                r = check_space(u, (size_t) n);
                if (r >= 0)
                        r = write_full(fd, u->buffer, (size_t) n);
        }
        return r;
}

static int remember_directory(Unpack *u, const char *path, int64_t mtime_nsec) {
        DirectoryTime *larger = reallocarray(u->directories, u->n_directories + 1, sizeof(*larger));

        if (!larger)
                return -ENOMEM;
        u->directories = larger;
        u->directory_names_size += strlen(path);
        if (u->directory_names_size > DIRECTORY_NAMES_MAX)
                return -E2BIG;
        larger[u->n_directories] = (DirectoryTime){ .path = strdup(path), .mtime_nsec = mtime_nsec };
        return larger[u->n_directories].path ? (u->n_directories++, 0) : -ENOMEM;
}

static int make_directory(Unpack *u, const char *path, int parent_fd, const char *name, const TarEntry *e) {
        struct stat st;

        if (mkdirat(parent_fd, name, 0700) < 0) {
                /* A parent that an earlier entry implied is the same directory. */
                if (errno != EEXIST || fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISDIR(st.st_mode))
                        return -EEXIST;
        }
        return remember_directory(u, path, e->mtime_nsec);
}

/* Its header says of the file what that of the target did; as with other unpackers the last one counts. */
static int make_hard_link(Unpack *u, int parent_fd, const char *name, const TarEntry *e, Error *error) {
        _cleanup_free_ char *target = NULL;
        _cleanup_close_ int directory = -EBADF;
        struct stat st;
        char *slash;
        int r;

        r = clean_path(e->link, &target);
        if (r < 0)
                return r;
        slash = strrchr(target, '/');
        if (slash)
                *slash = '\0';
        directory = open_in_root(u->dir_fd, slash ? target : ".", O_PATH | O_DIRECTORY, 0);
        if (directory < 0 || linkat(directory, slash ? slash + 1 : target, parent_fd, name, 0) < 0)
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "layer: hard link %s to %s: %s",
                                e->path,
                                e->link,
                                STRERROR(directory < 0 ? directory : errno));
        if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return set_attributes(u, parent_fd, name, S_ISLNK(st.st_mode));
}

static int make_node(int parent_fd, const char *name, const TarEntry *e) {
        mode_t type = e->type == TAR_CHARACTER ? S_IFCHR : e->type == TAR_BLOCK_DEVICE ? S_IFBLK : S_IFIFO;

        return mknodat(parent_fd, name, type | 0600, makedev(e->major, e->minor)) < 0 ? -errno : 0;
}

static int make_whiteout(Unpack *u, int parent_fd, const char *name) {
        const char *hidden = name + strlen(WHITEOUT_PREFIX);

        if (streq(name, OPAQUE)) {
                char path[sizeof("/proc/self/fd/") + DECIMAL_MAX];

                (void) snprintf(path,
                                sizeof(path),
                                "/proc/self/fd/%d",
                                parent_fd); /* fits by construction */
                return setxattr(path, OPAQUE_XATTR, "y", 1, 0) < 0 ? -errno : 0;
        }
        if (startswith(name, AUFS_PREFIX))
                return 0; /* of a file system that is no more */
        if (!path_is_component(hidden))
                return -EBADMSG;
        if (mknodat(parent_fd, hidden, S_IFCHR, makedev(0, 0)) < 0)
                return -errno; /* also behind a file of the same name, as everywhere */
        return fchownat(parent_fd, hidden, u->tar.entry.uid, u->tar.entry.gid, AT_SYMLINK_NOFOLLOW) < 0 ?
                        -errno :
                        0;
}

/* A whiteout that an earlier entry made gives way to a file of this layer. */
static void remove_whiteout(int parent_fd, const char *name) {
        struct stat st;

        if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISCHR(st.st_mode) &&
            st.st_rdev == makedev(0, 0))
                (void) unlinkat(parent_fd, name, 0); /* what follows says what is wrong */
}

static int make_entry(Unpack *u, const char *path, uint64_t *ret_crc, Error *error) {
        const TarEntry *e = &u->tar.entry;
        const char *name;
        int parent_fd, r;

        parent_fd = open_parent(u, path, &name);
        /* Below something that hides it already there is nothing to hide. */
        if (parent_fd == -ENOTDIR && startswith(name, WHITEOUT_PREFIX))
                return 0;
        if (parent_fd < 0)
                return parent_fd;
        if (strlen(name) > NAME_MAX)
                return -ENAMETOOLONG;
        if (startswith(name, WHITEOUT_PREFIX))
                return make_whiteout(u, parent_fd, name);
        remove_whiteout(parent_fd, name);

        switch (e->type) {
        case TAR_REGULAR:
                r = write_content(u, parent_fd, name, ret_crc, error);
                break;
        case TAR_HARD_LINK:
                return make_hard_link(u, parent_fd, name, e, error);
        case TAR_SYMLINK:
                r = symlinkat(e->link, parent_fd, name) < 0 ? -errno : 0;
                break;
        case TAR_DIRECTORY:
                r = make_directory(u, path, parent_fd, name, e);
                break;
        default:
                r = make_node(parent_fd, name, e);
                break;
        }
        return r < 0 ? r : set_attributes(u, parent_fd, name, e->type == TAR_SYMLINK);
}

/* Whose fault it is: the registry's, or that of this node. */
static int fail_entry(const TarEntry *e, int r, Error *error) {
        Status status = r == -ENOSPC || r == -EDQUOT || r == -ENOMEM ? STATUS_RESOURCE_EXHAUSTED :
                        r == -EIO || r == -EROFS                     ? STATUS_INTERNAL :
                                                                       STATUS_UNKNOWN;

        return error_set(
                        error,
                        r,
                        status,
                        "layer: unpack %s: %s",
                        e->path,
                        r == -EEXIST ? "it is in the archive twice" : STRERROR(r));
}

static int unpack_entry(Unpack *u, Error *error) {
        const TarEntry *e = &u->tar.entry;
        _cleanup_free_ char *path = NULL;
        uint64_t size = e->size, crc = 0;
        int r;

        if (++u->n_entries > UNPACK_ENTRIES_MAX)
                return error_set(error, -E2BIG, STATUS_UNKNOWN, "layer: more than 4 million entries");
        r = clean_path(e->path, &path);
        if (r < 0)
                return r;
        if (isempty(path) && e->type == TAR_DIRECTORY)
                return tar_split_file(u->split, e->path, 0, 0); /* the root stays as it is */

        r = isempty(path) ? -EISDIR : path_set_add(&u->seen, path);
        if (r >= 0)
                r = make_entry(u, path, &crc, error);
        if (r < 0)
                return fail_entry(e, r, error);
        return tar_split_file(u->split, e->path, size, crc);
}

/* Deepest first does not matter: setting a time does not touch the parent. */
static int set_directory_times(Unpack *u) {
        for (size_t i = 0; i < u->n_directories; i++) {
                const char *name;
                int parent_fd = open_parent(u, u->directories[i].path, &name), r;

                r = parent_fd < 0 ? parent_fd : set_times(parent_fd, name, u->directories[i].mtime_nsec);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int unpack_run(Unpack *u, Error *error) {
        int r;

        while ((r = tar_next(&u->tar, error)) > 0) {
                r = unpack_entry(u, error);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = set_directory_times(u);
        return r < 0 ? r : tar_split_finish(u->split);
}

int unpack(TarRead read, void *userdata, int dir_fd, int split_fd, UnpackResult *ret, Error *error) {
        _cleanup_(unpack_done) Unpack u = { .read = read,
                                            .userdata = userdata,
                                            .dir_fd = dir_fd,
                                            .parent_fd = -EBADF };
        uint8_t digest[EVP_MAX_MD_SIZE];
        int r;

        u.buffer = malloc(COPY_CHUNK);
        u.hash = EVP_MD_CTX_new();
        if (!u.buffer || !u.hash || EVP_DigestInit_ex(u.hash, EVP_sha256(), NULL) != 1)
                return -ENOMEM;
        r = tar_split_new(split_fd, &u.split);
        if (r < 0)
                return r;

        tar_init(&u.tar, unpack_on_read, unpack_on_raw, &u);
        r = unpack_run(&u, error);
        if (r < 0)
                return error_prefix(error, r, "unpack");
        if (EVP_DigestFinal_ex(u.hash, digest, NULL) != 1)
                return -EIO;

        digest_from_bytes(digest, &ret->diff_id);
        ret->size = u.size;
        ret->uids = TAKE_PTR(u.uids.ids);
        ret->gids = TAKE_PTR(u.gids.ids);
        ret->n_uids = u.uids.n;
        ret->n_gids = u.gids.n;
        return 0;
}
