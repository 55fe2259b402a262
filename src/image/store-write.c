/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/json-field.h"
#include "image/store-internal.h"
#include "image/store.h"

#define LINK_SIZE 26
#define LINK_CHARS STR_UPPER "234567"
#define OPTIONS_MAX 4095 /* one page, with the NUL */
#define LOWER_MAX (64 * KIB)
#define NAMES_HISTORY_MAX 32

static int make_link_name(char ret[static LINK_SIZE + 1]) {
        uint8_t bytes[LINK_SIZE];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t) sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < LINK_SIZE; i++)
                ret[i] = LINK_CHARS[bytes[i] % 32];
        ret[LINK_SIZE] = '\0';
        return 0;
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

static int make_diff(Store *s, int layer_fd, const char *parent) {
        _cleanup_free_ char *path = parent ? str_join("overlay/", parent, "/diff", NULL) : NULL;
        struct stat st = { .st_mode = 0555 };

        if (parent && (!path || fstatat(s->root_fd, path, &st, 0) < 0))
                return path ? -errno : -ENOMEM;
        if (mkdirat(layer_fd, "diff", 0755) < 0)
                return -errno;
        if (fchownat(layer_fd, "diff", st.st_uid, st.st_gid, 0) < 0 ||
            fchmodat(layer_fd, "diff", st.st_mode & 07777, 0) < 0)
                return -errno;
        return 0;
}

static int fill_layer(Store *s, const char *id, const char *parent, int layer_fd, int staged_fd) {
        _cleanup_free_ char *target = str_join("../", id, "/diff", NULL), *link_path = NULL;
        char link[LINK_SIZE + 1];
        int r;

        r = make_link_name(link);
        if (r < 0)
                return r;
        link_path = str_join("overlay/l/", link, NULL);
        if (!target || !link_path)
                return -ENOMEM;
        if (staged_fd >= 0)
                r = renameat(staged_fd, "diff", layer_fd, "diff") < 0 ? -errno : 0;
        else
                r = make_diff(s, layer_fd, parent);
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

int store_discard_layer(Store *s, const char *id) {
        _cleanup_free_ char *path = str_join("overlay/", id, NULL), *link = NULL, *link_file = NULL,
                            *link_path = NULL, *trash = NULL;
        char random[LINK_SIZE + 1];
        int r;

        r = make_link_name(random);
        if (r < 0)
                return r;
        link_file = path ? str_join(path, "/link", NULL) : NULL;
        trash = str_join("overlay/tempdirs/temp-dir-", random, NULL);
        if (!link_file || !trash)
                return -ENOMEM;
        if (read_file_at(s->root_fd, link_file, NAME_MAX, &link, NULL) >= 0 && path_is_component(link)) {
                link_path = str_join("overlay/l/", link, NULL);
                if (link_path)
                        (void) unlinkat(s->root_fd, link_path, 0); /* a dangling one is harmless */
        }
        /* Without a lock file of that name everybody may clean it. */
        return renameat(s->root_fd, path, s->root_fd, trash) < 0 && errno != ENOENT ? -errno : 0;
}

int store_stage(Store *s, char **ret_path, int *ret_lock_fd, Error *error) {
        _cleanup_free_ char *lock = NULL, *dir = NULL, *path = NULL;
        struct flock request = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        _cleanup_close_ int fd = -EBADF;
        char random[LINK_SIZE + 1];
        int r;

        r = make_link_name(random);
        if (r >= 0) {
                lock = str_join("overlay/tempdirs/lock-", random, NULL);
                dir = str_join("overlay/tempdirs/temp-dir-", random, NULL);
                path = dir ? path_join(s->root, dir) : NULL;
                r = lock && path ? 0 : -ENOMEM;
        }
        if (r >= 0)
                r = fd = open_at(s->root_fd, lock, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (r >= 0 && fcntl(fd, F_OFD_SETLK, &request) < 0)
                r = -errno;
        if (r >= 0 && mkdirat(s->root_fd, dir, 0700) < 0)
                r = -errno;
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "make a staging place in the store: %s",
                                STRERROR(r));
        *ret_path = TAKE_PTR(path);
        *ret_lock_fd = TAKE_FD(fd);
        return 0;
}

int store_unstage(Store *s, const char *path, int lock_fd) {
        const char *random = strstr(path, "/temp-dir-");
        _cleanup_free_ char *lock = random ?
                        str_join("overlay/tempdirs/lock-", random + strlen("/temp-dir-"), NULL) :
                        NULL;
        int r;

        r = rm_rf_at(AT_FDCWD, path);
        if (lock)
                (void) unlinkat(s->root_fd, lock, 0); /* stale ones are found by their free lock */
        close_fd(lock_fd);
        return r;
}

static json_t *ids_new(const uint32_t *ids, size_t n) {
        json_t *array = json_array();

        for (size_t i = 0; i < n; i++)
                if (json_array_append_new(array, json_integer(ids[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

static int add_layer_record(Store *s, const char *id, const char *parent, const StoreNewLayer *l) {
        char now[40];
        json_t *record;

        store_time_now(now);
        record =
                        json_pack("{s:s, s:s*, s:s, s:s, s:I, s:s, s:I, s:o, s:o}",
                                  "id",
                                  id,
                                  "parent",
                                  parent,
                                  "created",
                                  now,
                                  "compressed-diff-digest",
                                  l->blob_digest.text,
                                  "compressed-size",
                                  (json_int_t) l->blob_size,
                                  "diff-digest",
                                  l->diff_id.text,
                                  "diff-size",
                                  (json_int_t) l->diff_size,
                                  "uidset",
                                  ids_new(l->uids, l->n_uids),
                                  "gidset",
                                  ids_new(l->gids, l->n_gids));
        if (record && l->compression != 0)
                (void) json_object_set_new(
                                record,
                                "compression",
                                json_integer(l->compression)); /* the append tells */
        return json_array_append_new(s->layers_file.records, record) < 0 ? -ENOMEM : 0;
}

static int
commit_layer(Store *s,
             const char *stage_path,
             const StoreNewLayer *l,
             const char *id,
             const char *parent,
             Error *error) {
        _cleanup_free_ char *path = path_join(stage_path, l->staged),
                            *split = str_join("overlay-layers/", id, ".tar-split.gz", NULL);
        _cleanup_close_ int staged_fd = -EBADF;
        int r;

        if (!path || !split)
                return -ENOMEM;
        staged_fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
        if (staged_fd < 0)
                return error_set(
                                error,
                                staged_fd,
                                STATUS_INTERNAL,
                                "open %s: %s",
                                path,
                                STRERROR(staged_fd));
        if (renameat(staged_fd, "tar-split.gz", s->root_fd, split) < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "move %s: %m", split);
        r = store_make_layer(s, id, parent, staged_fd, error);
        return r < 0 ? r : add_layer_record(s, id, parent, l);
}

int store_commit_layers(
                Store *s,
                const char *stage_path,
                const StoreNewLayer *layers,
                size_t n_layers,
                Id *ret_top,
                Error *error) {
        Id id, parent;
        bool changed = false;
        int r;

        if (syncfs(s->root_fd) < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "sync the store: %m");
        r = store_file_lock(&s->layers_file, true, true, error);
        for (size_t i = 0; i < n_layers && r >= 0; i++) {
                const char *below = i > 0 ? parent.text : NULL;

                store_layer_id(below, &layers[i].diff_id, &id);
                if (!store_has_layer(s, id.text)) {
                        if (!layers[i].staged)
                                r = error_set(error,
                                              -ESTALE,
                                              STATUS_UNAVAILABLE,
                                              "layer %s was removed meanwhile",
                                              id.text);
                        else
                                r = commit_layer(s, stage_path, &layers[i], id.text, below, error);
                        changed = true;
                }
                parent = id;
        }
        if (r >= 0 && changed)
                r = store_file_save(&s->layers_file, false, error);
        if (r < 0)
                s->layers_file.loaded = false; /* forget what was added in memory only */
        store_file_unlock(&s->layers_file);
        if (r >= 0)
                *ret_top = parent;
        return r;
}

static int
write_big_data(Store *s, const char *id, const char *key, const char *data, size_t size, json_t *record) {
        _cleanup_free_ char *path = NULL;
        uint8_t hash[SHA256_DIGEST_LENGTH];
        json_t *names = json_object_get(record, "big-data-names"), *name;
        Digest digest;
        bool known = false;
        size_t i;
        int r;

        r = store_big_data_path(id, key, &path);
        if (r >= 0)
                r = write_file_atomic_at(s->root_fd, path, data, size, 0600, WRITE_SYNC);
        if (r < 0)
                return r;
        (void) SHA256((const uint8_t *) data, size, hash);
        digest_from_bytes(hash, &digest);
        json_array_foreach(names, i, name)
                known = known || streq(json_string_value(name), key);
        r = known ? 0 : json_array_append_new(names, json_string(key));
        r |= json_object_set_new(
                        json_object_get(record, "big-data-sizes"),
                        key,
                        json_integer((json_int_t) size));
        r |= json_object_set_new(json_object_get(record, "big-data-digests"), key, json_string(digest.text));
        return r == 0 ? 0 : -ENOMEM;
}

/* A name belongs to one image: takes it from all others. */
static void take_name(Store *s, const char *name) {
        json_t *record, *value;
        size_t i, n;

        json_array_foreach(s->images_file.records, i, record) {
                json_t *names = json_object_get(record, "names");

                json_array_foreach(names, n, value)
                        if (json_string_value(value) && streq(json_string_value(value), name)) {
                                (void) json_array_remove(names, n); /* it is there */
                                break;
                        }
        }
}

static int give_name(json_t *record, const char *name) {
        json_t *names = json_object_get(record, "names"),
               *history = json_object_get(record, "names-history");
        int r = 0;

        if (!json_is_array(names)) {
                names = json_array();
                r |= json_object_set_new(record, "names", names);
        }
        if (!json_is_array(history)) {
                history = json_array();
                r |= json_object_set_new(record, "names-history", history);
        }
        r |= json_array_append_new(names, json_string(name));
        if (json_array_size(history) < NAMES_HISTORY_MAX)
                r |= json_array_insert_new(history, 0, json_string(name));
        return r == 0 ? 0 : -ENOMEM;
}

static int
image_record(Store *s, const StoreNewImage *image, const char *id, const char *top_layer, json_t **ret) {
        json_t *record = store_file_find(&s->images_file, id);
        char now[40];

        if (!record) {
                store_time_now(now);
                record =
                                json_pack("{s:s, s:s*, s:s, s:s, s:[], s:{}, s:{}}",
                                          "id",
                                          id,
                                          "layer",
                                          top_layer,
                                          "metadata",
                                          "{}",
                                          "created",
                                          image->created ?: now,
                                          "big-data-names",
                                          "big-data-sizes",
                                          "big-data-digests");
                if (json_array_append_new(s->images_file.records, record) < 0)
                        return -ENOMEM;
        }
        *ret = record;
        return json_object_set_new(
                               record,
                               "digest",
                               json_string(image->index_digest.text[0] ? image->index_digest.text :
                                                                         image->manifest_digest.text)) < 0 ?
                        -ENOMEM :
                        0;
}

static int write_image(Store *s, const StoreNewImage *image, const char *id, json_t *record) {
        _cleanup_free_ char *dir = str_join("overlay-images/", id, NULL),
                            *manifest_key = str_join("manifest-", image->manifest_digest.text, NULL),
                            *index_key = str_join("manifest-", image->index_digest.text, NULL);
        int r;

        if (!dir || !manifest_key || !index_key)
                return -ENOMEM;
        r = mkdir_p_at(s->root_fd, dir, 0700);
        if (r >= 0)
                r =
                                write_big_data(s,
                                               id,
                                               image->config_digest.text,
                                               image->config,
                                               image->config_size,
                                               record);
        if (r >= 0 && image->index)
                r = write_big_data(s, id, index_key, image->index, image->index_size, record);
        if (r >= 0)
                r = write_big_data(s, id, manifest_key, image->manifest, image->manifest_size, record);
        if (r >= 0)
                r = write_big_data(s, id, "manifest", image->manifest, image->manifest_size, record);
        if (r >= 0 && image->name) {
                take_name(s, image->name);
                r = give_name(record, image->name);
        }
        return r;
}

int store_commit_image(Store *s, const StoreNewImage *image, const char *top_layer, Error *error) {
        const char *id = digest_hex(&image->config_digest);
        json_t *record;
        int r;

        r = store_file_lock(&s->images_file, true, true, error);
        if (r < 0)
                return r;
        r = image_record(s, image, id, top_layer, &record);
        if (r >= 0)
                r = write_image(s, image, id, record);
        if (r >= 0)
                r = store_file_save(&s->images_file, false, error);
        if (r < 0)
                s->images_file.loaded = false; /* forget what was changed in memory only */
        store_file_unlock(&s->images_file);
        return r < 0 ? error_prefix(error, r, "record image %s", id) : 0;
}

/* The three locks, in the order that everybody keeps to. */
static int lock_all(Store *s, bool wait, Error *error) {
        int r;

        r = store_file_lock(&s->layers_file, true, wait, error);
        if (r < 0)
                return r;
        r = store_file_lock(&s->images_file, true, wait, error);
        if (r >= 0) {
                r = store_file_lock(&s->containers_file, true, wait, error);
                if (r < 0)
                        store_file_unlock(&s->images_file);
        }
        if (r < 0)
                store_file_unlock(&s->layers_file);
        return r;
}

static void unlock_all(Store *s) {
        store_file_unlock(&s->containers_file);
        store_file_unlock(&s->images_file);
        store_file_unlock(&s->layers_file);
}

/* Whether a record of an array has @value for @key. */
static bool any_has(json_t *array, const char *key, const char *value) {
        json_t *record;
        size_t i;

        json_array_foreach(array, i, record) {
                const char *s = json_string_value(json_object_get(record, key));

                if (s && streq(s, value))
                        return true;
        }
        return false;
}

static bool layer_is_used(Store *s, const char *layer) {
        return any_has(s->layers_file.records, "parent", layer) ||
                        any_has(s->layers_file.volatile_records, "parent", layer) ||
                        any_has(s->images_file.records, "layer", layer) ||
                        any_has(s->containers_file.records, "layer", layer) ||
                        any_has(s->containers_file.volatile_records, "layer", layer);
}

int store_remove_unused_layers(Store *s, const char *layer) {
        _cleanup_free_ char *current = layer ? strdup(layer) : NULL;

        while (current && !layer_is_used(s, current)) {
                _cleanup_free_ char *split = str_join("overlay-layers/", current, ".tar-split.gz", NULL);
                const char *below = json_string_value(
                                json_object_get(store_file_find(&s->layers_file, current), "parent"));
                char *parent = below ? strdup(below) : NULL;

                if (!split)
                        return -ENOMEM;
                (void) store_file_remove(&s->layers_file, current);
                (void) store_discard_layer(
                                s,
                                current); /* without a record it is garbage that the next start finds */
                (void) unlinkat(s->root_fd, split, 0);
                free(current);
                current = parent;
        }
        return 0;
}

static bool image_is_used(Store *s, const char *id) {
        return any_has(s->containers_file.records, "image", id) ||
                        any_has(s->containers_file.volatile_records, "image", id);
}

static int remove_image_locked(Store *s, const char *id, const char *name, Error *error) {
        json_t *record = store_file_find(&s->images_file, id);
        _cleanup_free_ char *dir = str_join("overlay-images/", id, NULL), *layer = NULL;
        const char *top;
        int r = 0;

        if (!record)
                return 0;
        if (name) {
                take_name(s, name);
                return store_file_save(&s->images_file, false, error);
        }
        if (image_is_used(s, id)) {
                (void) json_object_set_new(
                                record,
                                "names",
                                json_array()); /* stays until its last container is gone */
                return store_file_save(&s->images_file, false, error);
        }

        top = json_string_value(json_object_get(record, "layer"));
        layer = top ? strdup(top) : NULL;
        if (!dir || (top && !layer))
                return -ENOMEM;
        (void) store_file_remove(&s->images_file, id);
        r = store_file_save(&s->images_file, false, error);
        if (r >= 0)
                r = store_remove_unused_layers(s, layer);
        if (r >= 0)
                r = store_file_save(&s->layers_file, false, error);
        if (r >= 0)
                r = rm_rf_at(s->root_fd, dir); /* a handful of small files */
        return r;
}

int store_remove_image(Store *s, const char *id, const char *name, bool wait, Error *error) {
        int r;

        r = lock_all(s, wait, error);
        if (r < 0)
                return r;
        r = remove_image_locked(s, id, name, error);
        if (r < 0)
                s->layers_file.loaded = s->images_file.loaded = false;
        unlock_all(s);
        return r < 0 ? error_prefix(error, r, "remove image %s", id) : 0;
}

static int add_container_records(
                Store *s,
                const char *id,
                const char *name,
                const char *image_id,
                const char *layer,
                const char *metadata) {
        _cleanup_free_ char *layer_name = str_join(name, "-layer", NULL);
        char now[40];
        json_t *record;

        store_time_now(now);
        if (!layer_name)
                return -ENOMEM;
        record =
                        json_pack("{s:s, s:[s], s:s*, s:s}",
                                  "id",
                                  id,
                                  "names",
                                  layer_name,
                                  "parent",
                                  layer,
                                  "created",
                                  now);
        if (json_array_append_new(s->layers_file.volatile_records, record) < 0)
                return -ENOMEM;
        record =
                        json_pack("{s:s, s:[s], s:s, s:s, s:s, s:s, s:{s:b}}",
                                  "id",
                                  id,
                                  "names",
                                  name,
                                  "image",
                                  image_id,
                                  "layer",
                                  id,
                                  "metadata",
                                  metadata,
                                  "created",
                                  now,
                                  "flags",
                                  "Volatile",
                                  1);
        return json_array_append_new(s->containers_file.volatile_records, record) < 0 ? -ENOMEM : 0;
}

static int create_container_locked(
                Store *s,
                const char *id,
                const char *name,
                const char *image_id,
                const char *metadata,
                Error *error) {
        json_t *image = store_file_find(&s->images_file, image_id);
        const char *layer = json_string_value(json_object_get(image, "layer"));
        int r;

        if (!image)
                return error_set(error, -ENOENT, STATUS_NOT_FOUND, "image %s is not in the store", image_id);
        if (!layer)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "image %s has no layers, nothing in it can be run",
                                image_id);
        r = store_make_layer(s, id, layer, -EBADF, error);
        if (r >= 0)
                r = add_container_records(s, id, name, image_id, layer, metadata);
        if (r >= 0)
                r = store_file_save(&s->containers_file, true, error);
        if (r >= 0)
                r = store_file_save(&s->layers_file, true, error);
        if (r < 0)
                (void) store_discard_layer(s, id); /* the first failure is the one to report */
        return r;
}

int store_create_container(
                Store *s,
                const char *id,
                const char *name,
                const char *image_id,
                const char *metadata,
                bool wait,
                Error *error) {
        int r;

        r = lock_all(s, wait, error);
        if (r < 0)
                return r;
        r = create_container_locked(s, id, name, image_id, metadata, error);
        if (r < 0)
                s->layers_file.loaded = s->containers_file.loaded = false;
        unlock_all(s);
        return r;
}

int store_mount_options(Store *s, const char *id, char **ret_options, char **ret_directory, Error *error) {
        _cleanup_free_ char *path = str_join("overlay/", id, "/lower", NULL), *lower = NULL,
                            *directory = path_join(s->root, "overlay");
        _cleanup_buffer_ Buffer options = BUFFER_INIT(OPTIONS_MAX);
        int r;

        if (!path || !directory)
                return -ENOMEM;
        r = read_file_at(s->root_fd, path, LOWER_MAX, &lower, NULL);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "read %s of the store: %s", path, STRERROR(r));
        (void) buffer_addf(
                        &options,
                        "lowerdir=%s,upperdir=%s/diff,workdir=%s/work,volatile",
                        lower,
                        id,
                        id); /* told below */
        r = buffer_take(&options, ret_options);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "container %s: too many layers, the mount options do not fit into a page",
                                id);
        *ret_directory = TAKE_PTR(directory);
        return 0;
}

int store_remove_container(Store *s, const char *id, bool wait, Error *error) {
        _cleanup_free_ char *dir = str_join("overlay-containers/", id, NULL);
        int r;

        if (!dir)
                return -ENOMEM;
        r = lock_all(s, wait, error);
        if (r < 0)
                return r;
        if (store_file_find(&s->containers_file, id) || store_file_find(&s->layers_file, id)) {
                (void) store_file_remove(&s->containers_file, id);
                (void) store_file_remove(&s->layers_file, id);
                r = store_file_save(&s->containers_file, true, error);
                if (r >= 0)
                        r = store_file_save(&s->layers_file, true, error);
        }
        if (r >= 0)
                r = store_discard_layer(s, id);
        if (r >= 0)
                r = rm_rf_at(s->root_fd, dir);
        unlock_all(s);
        return r < 0 ? error_prefix(error, r, "remove container %s from the store", id) : 0;
}

/* Ids of volatile containers that crio made ("pod-id" in their metadata) and that are not alive. */
static int find_dead(Store *s, char *const *alive, char ***ret) {
        json_t *record;
        size_t i;
        int r = 0;

        json_array_foreach(s->containers_file.volatile_records, i, record) {
                const char *id = json_string_value(json_object_get(record, "id"));
                const char *metadata = json_string_value(json_object_get(record, "metadata"));

                if (r >= 0 && id && metadata && strstr(metadata, "\"pod-id\"") && !strv_contains(alive, id))
                        r = strv_extend(ret, id);
        }
        return r;
}

/* Staging places and removed trees whose lock nobody holds. */
static void clean_stale_locks(Store *s) {
        struct flock request = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open_at(s->root_fd, "overlay/tempdirs", O_RDONLY | O_DIRECTORY, 0);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!d) {
                close_fd(fd);
                return;
        }
        while ((de = readdir(d))) {
                const char *random = startswith(de->d_name, "lock-");
                _cleanup_close_ int lock = -EBADF;

                if (!random)
                        continue;
                lock = open_at(dirfd(d), de->d_name, O_RDWR, 0);
                if (lock >= 0 && fcntl(lock, F_OFD_SETLK, &request) >= 0)
                        (void) unlinkat(dirfd(d), de->d_name, 0); /* its directory is trash now */
        }
        (void) closedir(d);
}

int store_repair(Store *s, char *const *alive, Error *error) {
        _cleanup_strv_ char **dead = NULL;
        int r;

        clean_stale_locks(s);
        r = store_file_lock(&s->containers_file, false, true, error);
        if (r < 0)
                return r;
        r = find_dead(s, alive, &dead);
        store_file_unlock(&s->containers_file);
        STRV_FOREACH(id, dead)
                if (r >= 0)
                        r = store_remove_container(s, *id, true, error);
        return r;
}
