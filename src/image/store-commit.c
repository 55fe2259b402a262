/* SPDX-License-Identifier: Apache-2.0 */

/* A new image: its layers out of their staging place, its documents, its records. */

#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <unistd.h>

#include <jansson.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/json-field.h"
#include "image/store-internal.h"

#define NAMES_HISTORY_MAX 32

void store_layer_id(const char *parent, const Digest *diff_id, Id *ret) {
        uint8_t hash[SHA256_DIGEST_LENGTH];
        char text[2 * ID_SIZE + 2];
        Digest digest;

        if (!parent) {
                memcpy(ret->text, digest_hex(diff_id), sizeof(ret->text));
                return;
        }
        (void) snprintf(text, sizeof(text), "%s+%s", parent, digest_hex(diff_id)); /* fits by construction */
        (void) SHA256((const uint8_t *) text, strlen(text), hash);
        digest_from_bytes(hash, &digest);
        memcpy(ret->text, digest_hex(&digest), sizeof(ret->text));
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

/* Puts what was staged where it belongs; nobody looks there before the record says so. */
static int
place_layer(Store *s,
            const StoreStage *stage,
            const StoreNewLayer *l,
            const char *id,
            const char *parent,
            Error *error) {
        _cleanup_free_ char *path = path_join(stage->path, l->staged),
                            *split = str_join(stage->split_path, "/", l->staged, ".tar-split.gz", NULL),
                            *to = store_split_path(id);
        _cleanup_close_ int staged_fd = -EBADF;
        int r;

        if (!path || !split || !to)
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
        r = store_make_layer(s, id, parent, staged_fd, error);
        if (r >= 0 && renameat(AT_FDCWD, split, s->root_fd, to) < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "move %s: %m", split);
        return r;
}

/* All layers that the store does not have, in their final form, in memory. @ret_new: their ids. */
static int
add_layers(Store *s,
           const StoreStage *stage,
           const StoreNewImage *image,
           char ***ret_new,
           Id *ret_top,
           Error *error) {
        const char *below = NULL;
        Id id, parent;
        int r = 0;

        for (size_t i = 0; i < image->n_layers && r >= 0; i++) {
                const StoreNewLayer *l = image->layers + i;

                store_layer_id(below, &l->diff_id, &id);
                if (!store_has_layer(s, id.text)) {
                        r = !l->staged ? -ESTALE : strv_extend(ret_new, id.text);
                        if (r >= 0)
                                r = place_layer(s, stage, l, id.text, below, error);
                        if (r >= 0)
                                r = add_layer_record(s, id.text, below, l);
                }
                parent = id;
                below = parent.text;
        }
        if (r == -ESTALE)
                (void) error_set(error, r, STATUS_UNAVAILABLE, "layer %s was removed meanwhile", id.text);
        *ret_top = parent;
        return r;
}

/* Which of its layers the store does not have, by their ids. */
static int missing_layers(Store *s, const StoreNewImage *image, char ***ret) {
        const char *below = NULL;
        Id id, parent;
        int r = 0;

        for (size_t i = 0; i < image->n_layers && r >= 0; i++) {
                store_layer_id(below, &image->layers[i].diff_id, &id);
                if (!store_has_layer(s, id.text))
                        r = strv_extend(ret, id.text);
                parent = id;
                below = parent.text;
        }
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

static int commit_image(Store *s, const StoreNewImage *image, const char *top_layer, Error *error) {
        const char *id = digest_hex(&image->config_digest);
        _cleanup_free_ char *dir = str_join("overlay-images/", id, NULL);
        bool known = store_file_find(&s->images_file, id);
        json_t *record;
        int r;

        if (!dir)
                return -ENOMEM;
        r = image_record(s, image, id, top_layer, &record);
        if (r >= 0)
                r = write_image(s, image, id, record);
        if (r >= 0)
                r = store_fault("image-data");
        if (r >= 0)
                r = store_file_save(&s->images_file, false, error);
        if (r >= 0)
                return 0;
        if (!known) {
                (void) store_file_remove(&s->images_file, id); /* what is in memory is read again anyway */
                (void) rm_rf_at(s->root_fd, dir);              /* of no use without a record */
        }
        return error_prefix(error, r, "record image %s", id);
}

/* Takes layers back that got no image. -errno: they stay, and so does the note. */
static int take_back(Store *s, char *const *added) {
        _cleanup_strv_ char **discard = NULL;
        int r;

        r = store_forget_unused(s, added, &discard);
        if (r >= 0 && discard)
                r = store_file_save(&s->layers_file, false, NULL);
        STRV_FOREACH(id, discard)
                if (r >= 0)
                        r = store_discard_layer(s, *id);
        return r;
}

/* Layers first, so that no image ever misses one; the note is for those that are left without an image. */
static int commit_locked(Store *s, const StoreStage *stage, const StoreNewImage *image, Error *error) {
        _cleanup_strv_ char **missing = NULL, **added = NULL;
        StorePending pending = { .fd = -EBADF };
        Id top = { 0 };
        int r;

        r = missing_layers(s, image, &missing);
        if (r >= 0 && strv_length(missing) > 0)
                r = store_pending_new(s, missing, &pending, error);
        if (r >= 0)
                r = store_fault("pending");
        if (r >= 0)
                r = add_layers(s, stage, image, &added, &top, error);
        if (r >= 0)
                r = store_fault("layer-directories");
        /* What makes them layers ("link", "lower") is as lasting as the record: the bulk was synced before.
         */
        if (r >= 0 && added && syncfs(s->root_fd) < 0)
                r = error_set(error, -errno, STATUS_INTERNAL, "sync the store: %m");
        if (r >= 0 && added)
                r = store_file_save(&s->layers_file, false, error);
        if (r < 0) {
                STRV_FOREACH(id, added)
                        (void) store_discard_layer(s, *id); /* the first failure is the one to report */
                store_pending_drop(s, &pending);
                return error_prefix(error, r, "store layers");
        }
        r = store_fault("layers-json");
        if (r >= 0)
                r = commit_image(s, image, image->n_layers > 0 ? top.text : NULL, error);
        if (r >= 0)
                r = store_fault("images-json");
        if (r >= 0 || take_back(s, added) >= 0)
                store_pending_drop(s, &pending);
        close_fd(pending.fd); /* of a note that stays: the next start looks at it */
        return r;
}

int store_commit(Store *s, const StoreStage *stage, const StoreNewImage *image, Error *error) {
        int r;

        bool staged = false;

        for (size_t i = 0; i < image->n_layers; i++)
                staged = staged || image->layers[i].staged;
        if (staged && syncfs(s->root_fd) < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "sync the store: %m");
        r = store_file_lock(&s->layers_file, true, true, error);
        if (r < 0)
                return r;
        r = store_file_lock(&s->images_file, true, true, error);
        if (r >= 0)
                r = commit_locked(s, stage, image, error);
        if (r < 0)
                s->layers_file.loaded = s->images_file.loaded = false; /* what is on disk counts */
        store_file_unlock(&s->images_file);
        store_file_unlock(&s->layers_file);
        return r;
}
