/* SPDX-License-Identifier: Apache-2.0 */

/* Directories of layers. Source: containers/storage layout, section "The overlay driver's home". */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "image/store-internal.h"

#define LINK_CHARS STR_UPPER "234567"
#define LOWER_MAX (64 * KIB)

int store_random_name(char ret[static STORE_RANDOM_SIZE + 1]) {
        uint8_t bytes[STORE_RANDOM_SIZE];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t) sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < STORE_RANDOM_SIZE; i++)
                ret[i] = LINK_CHARS[bytes[i] % 32];
        ret[STORE_RANDOM_SIZE] = '\0';
        return 0;
}

char *store_split_path(const char *layer) {
        return str_join("overlay-layers/", layer, ".tar-split.gz", NULL);
}

static int read_small(int dir_fd, const char *name, char **ret) {
        int r = read_file_at(dir_fd, name, LOWER_MAX, ret, NULL);

        if (r == -ENOENT) {
                *ret = strdup("");
                return *ret ? 0 : -ENOMEM;
        }
        return r;
}

static int write_text(int dir_fd, const char *name, const char *text) {
        return write_file_atomic_at(dir_fd, name, text, strlen(text), 0644, 0);
}

/* "lower": short links, "lower-layers": ids; nearest parent first. */
static int write_lowers(Store *s, int layer_fd, const char *parent) {
        _cleanup_free_ char *path = str_join("overlay/", parent, NULL), *link = NULL, *lower = NULL,
                            *ids = NULL, *l = NULL, *i = NULL;
        _cleanup_close_ int parent_fd = -EBADF;
        int r;

        if (!path)
                return -ENOMEM;
        parent_fd = open_at(s->root_fd, path, O_PATH | O_DIRECTORY, 0);
        if (parent_fd < 0)
                return parent_fd;
        r = read_file_at(parent_fd, "link", NAME_MAX, &link, NULL);
        if (r >= 0)
                r = read_small(parent_fd, "lower", &lower);
        if (r >= 0)
                r = read_small(parent_fd, "lower-layers", &ids);
        if (r < 0)
                return r;
        l = str_join("l/", link, isempty(lower) ? "" : ":", lower, NULL);
        i = str_join(parent, isempty(ids) ? "" : ":", ids, NULL);
        if (!l || !i)
                return -ENOMEM;
        r = write_text(layer_fd, "lower", l);
        /* A parent of an older program has no list of ids; then ours would be wrong. */
        if (r >= 0 && (isempty(lower) || !isempty(ids)))
                r = write_text(layer_fd, "lower-layers", i);
        return r;
}

/* A base is for everybody to read, a child is as its parent: what the archive says of its root does not
 * count.
 */
static int set_diff_mode(Store *s, int layer_fd, const char *parent) {
        _cleanup_free_ char *path = parent ? str_join("overlay/", parent, "/diff", NULL) : NULL;
        struct stat st = { .st_mode = 0555 };

        if (parent && (!path || fstatat(s->root_fd, path, &st, 0) < 0))
                return path ? -errno : -ENOMEM;
        if (fchownat(layer_fd, "diff", st.st_uid, st.st_gid, 0) < 0 ||
            fchmodat(layer_fd, "diff", st.st_mode & 07777, 0) < 0)
                return -errno;
        return 0;
}

static int fill_layer(Store *s, const char *id, const char *parent, int layer_fd, int staged_fd) {
        _cleanup_free_ char *target = str_join("../", id, "/diff", NULL), *link_path = NULL;
        char link[STORE_RANDOM_SIZE + 1];
        int r;

        r = store_random_name(link);
        if (r < 0)
                return r;
        link_path = str_join("overlay/l/", link, NULL);
        if (!target || !link_path)
                return -ENOMEM;
        if (staged_fd >= 0)
                r = renameat(staged_fd, "diff", layer_fd, "diff") < 0 ? -errno : 0;
        else
                r = mkdirat(layer_fd, "diff", 0755) < 0 ? -errno : 0;
        if (r >= 0)
                r = set_diff_mode(s, layer_fd, parent);
        if (r >= 0 && symlinkat(target, s->root_fd, link_path) < 0)
                r = -errno;
        if (r >= 0)
                r = write_text(layer_fd, "link", link);
        if (r >= 0 && (mkdirat(layer_fd, "work", 0700) < 0 || mkdirat(layer_fd, "merged", 0700) < 0))
                r = -errno;
        if (r >= 0 && !parent && mkdirat(layer_fd, "empty", 0700) < 0)
                r = -errno;
        return r < 0 || !parent ? r : write_lowers(s, layer_fd, parent);
}

int store_make_layer(Store *s, const char *id, const char *parent, int staged_fd, Error *error) {
        _cleanup_free_ char *path = str_join("overlay/", id, NULL);
        _cleanup_close_ int layer_fd = -EBADF;
        int r;

        if (!path)
                return -ENOMEM;
        if (faccessat(s->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                (void) store_discard_layer(s, id); /* garbage without a record; mkdir says if it stays */
        r = mkdirat(s->root_fd, path, 0700) < 0 ? -errno : 0;
        if (r >= 0)
                r = layer_fd = open_at(s->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
        if (r >= 0)
                r = fill_layer(s, id, parent, layer_fd, staged_fd);
        if (r < 0) {
                (void) store_discard_layer(s, id); /* the first failure is the one to report */
                return error_set(error, r, STATUS_INTERNAL, "make layer %s: %s", id, STRERROR(r));
        }
        return 0;
}

/* Into a place that everybody may clear: one without a lock. */
static int move_to_trash(Store *s, const char *path) {
        char random[STORE_RANDOM_SIZE + 1];
        _cleanup_free_ char *trash = NULL;
        int r;

        r = store_random_name(random);
        if (r >= 0)
                r = mkdir_p_at(s->root_fd, STORE_TEMPDIRS, 0700);
        if (r < 0)
                return r;
        trash = str_join(STORE_TEMPDIRS "/temp-dir-", random, NULL);
        if (!trash)
                return -ENOMEM;
        return renameat(s->root_fd, path, s->root_fd, trash) < 0 && errno != ENOENT ? -errno : 0;
}

int store_discard_layer(Store *s, const char *id) {
        _cleanup_free_ char *path = str_join("overlay/", id, NULL), *split = store_split_path(id),
                            *data = str_join("overlay-layers/", id, NULL), *link = NULL, *link_file = NULL,
                            *link_path = NULL;

        link_file = path ? str_join(path, "/link", NULL) : NULL;
        if (!link_file || !split || !data)
                return -ENOMEM;
        if (read_file_at(s->root_fd, link_file, NAME_MAX, &link, NULL) >= 0 && path_is_component(link)) {
                link_path = str_join("overlay/l/", link, NULL);
                if (link_path)
                        (void) unlinkat(s->root_fd, link_path, 0); /* a dangling one is harmless */
        }
        /* Of no use to anybody without the record, and cleared at the next start. */
        (void) unlinkat(s->root_fd, split, 0);
        (void) rm_rf_at(s->root_fd, data);
        return move_to_trash(s, path);
}
