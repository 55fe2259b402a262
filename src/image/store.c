/* SPDX-License-Identifier: Apache-2.0 */
#include "image/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/base64.h"
#include "format/json-field.h"
#include "format/reference.h"
#include "image/store-internal.h"

static const JsonField config_fields[] = {
        { .name = "Env", .type = JSON_FIELD_STRINGS, .offset = offsetof(ImageConfig, env) },
        { .name = "Entrypoint", .type = JSON_FIELD_STRINGS, .offset = offsetof(ImageConfig, entrypoint) },
        { .name = "Cmd", .type = JSON_FIELD_STRINGS, .offset = offsetof(ImageConfig, cmd) },
        { .name = "Labels", .type = JSON_FIELD_PAIRS, .offset = offsetof(ImageConfig, labels) },
        { .name = "User", .type = JSON_FIELD_STRING, .offset = offsetof(ImageConfig, user) },
        { .name = "WorkingDir", .type = JSON_FIELD_STRING, .offset = offsetof(ImageConfig, working_dir) },
        { .name = "StopSignal", .type = JSON_FIELD_STRING, .offset = offsetof(ImageConfig, stop_signal) },
        {},
};

static const JsonField platform_fields[] = {
        { .name = "architecture", .type = JSON_FIELD_STRING, .offset = offsetof(ImageConfig, architecture) },
        { .name = "os", .type = JSON_FIELD_STRING, .offset = offsetof(ImageConfig, os) },
        {},
};

static void image_done(StoreImage *i) {
        free(i->id);
        free(i->digest);
        strv_free(i->names);
        free(i->last_name);
        strv_free(i->digests);
        free(i->top_layer);
        json_field_done(config_fields, &i->config);
        json_field_done(platform_fields, &i->config);
        strv_free(i->config.volumes);
}

static void store_drop_images(Store *s) {
        for (size_t i = 0; i < s->n_images; i++)
                image_done(&s->images[i]);
        free(TAKE_PTR(s->images));
        s->n_images = 0;
}

Store *store_free(Store *s) {
        if (!s)
                return NULL;
        store_drop_images(s);
        store_file_done(&s->layers_file);
        store_file_done(&s->images_file);
        store_file_done(&s->containers_file);
        close_fd(s->root_fd);
        free(s->root);
        free(s->runroot);
        free(s);
        return NULL;
}

const char *store_get_root(const Store *s) {
        return s->root;
}

static void init_files(Store *s) {
        s->layers_file = (StoreFile){
                .root_fd = -EBADF,
                .lock_path = "overlay-layers/layers.lock",
                .path = "overlay-layers/layers.json",
                .volatile_path = "overlay-layers/volatile-layers.json",
                .lock_fd = -EBADF,
        };
        s->images_file = (StoreFile){
                .root_fd = -EBADF,
                .lock_path = "overlay-images/images.lock",
                .path = "overlay-images/images.json",
                .lock_fd = -EBADF,
        };
        s->containers_file = (StoreFile){
                .root_fd = -EBADF,
                .lock_path = "overlay-containers/containers.lock",
                .path = "overlay-containers/containers.json",
                .volatile_path = "overlay-containers/volatile-containers.json",
                .lock_fd = -EBADF,
        };
}

int store_open(const char *root, const char *runroot, Store **ret, Error *error) {
        static const char *const dirs[] = {
                "overlay/l",
                "overlay-layers",
                "overlay-images",
                "overlay-containers",
        };
        _cleanup_(store_freep) Store *s = new0(Store, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->root_fd = -EBADF;
        init_files(s);
        s->root = path_clean(root);
        s->runroot = path_clean(runroot);
        if (!s->root || !s->runroot)
                return -ENOMEM;

        r = mkdir_p_at(AT_FDCWD, s->root, 0700);
        if (r >= 0)
                r = s->root_fd = open_at(AT_FDCWD, s->root, O_RDONLY | O_DIRECTORY, 0);
        FOREACH_ELEMENT(d, dirs)
                if (r >= 0)
                        r = mkdir_p_at(s->root_fd, *d, 0700);
        if (r >= 0)
                r = mkdir_p_at(AT_FDCWD, s->runroot, 0700);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "open the store %s: %s", s->root, STRERROR(r));
        s->layers_file.root_fd = s->images_file.root_fd = s->containers_file.root_fd = s->root_fd;

        *ret = TAKE_PTR(s);
        return 0;
}

/* "sha256:9f9f…" to "=c2hh…" */
int store_big_data_path(const char *image_id, const char *key, char **ret) {
        _cleanup_free_ char *encoded = NULL;
        int r;

        if (!str_in_charset(key, STR_LOWER STR_DIGITS ".")) {
                r = base64_encode(key, strlen(key), &encoded);
                if (r < 0)
                        return r;
        }
        *ret = str_join("overlay-images/", image_id, encoded ? "/=" : "/", encoded ?: key, NULL);
        return *ret ? 0 : -ENOMEM;
}

int store_read_document(const Store *s, const StoreImage *i, const char *key, char **ret, size_t *ret_size) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = store_big_data_path(i->id, key, &path);
        return r < 0 ? r : read_file_at(s->root_fd, path, STORE_CONFIG_MAX, ret, ret_size);
}

static int load_config(Store *s, StoreImage *i) {
        _cleanup_free_ char *key = str_join("sha256:", i->id, NULL), *text = NULL;
        _cleanup_json_ json_t *json = NULL;
        const char *volume;
        json_t *value;
        size_t size;
        int r;

        r = key ? store_read_document(s, i, key, &text, &size) : -ENOMEM;
        if (r >= 0)
                r = json_parse(key, text, size, &json, NULL);
        if (r < 0)
                return r;

        r = json_field_load(platform_fields, json, &i->config, NULL);
        value = json_object_get(json, "config");
        if (r >= 0 && json_is_object(value)) {
                r = json_field_load(config_fields, value, &i->config, NULL);
                json_object_foreach(json_object_get(value, "Volumes"), volume, value)
                        if (r >= 0)
                                r = strv_extend(&i->config.volumes, volume);
        }
        return r;
}

static json_t *layer_find(const Store *s, const char *id) {
        return id ? store_file_find(&s->layers_file, id) : NULL;
}

static uint64_t chain_size(const Store *s, const char *layer) {
        uint64_t size = 0;

        for (size_t depth = 0; layer && depth < 2 * STORE_LAYERS_MAX; depth++) {
                json_t *record = layer_find(s, layer);
                json_int_t n = json_integer_value(json_object_get(record, "diff-size"));

                size += n > 0 ? (uint64_t) n : 0;
                layer = json_string_value(json_object_get(record, "parent"));
        }
        return size;
}

uint64_t store_get_layers_size(const Store *s) {
        uint64_t size = 0;
        json_t *record;
        size_t i;

        json_array_foreach(s->layers_file.records, i, record) {
                json_int_t n = json_integer_value(json_object_get(record, "diff-size"));

                size += n > 0 ? (uint64_t) n : 0;
        }
        return size;
}

static int load_names(json_t *array, char ***ret) {
        json_t *name;
        size_t i;
        int r = 0;

        json_array_foreach(array, i, name)
                if (r >= 0 && json_is_string(name))
                        r = strv_extend(ret, json_string_value(name));
        return r;
}

static int load_digests(json_t *record, StoreImage *image) {
        const char *key;
        json_t *value;
        int r = 0;

        if (image->digest)
                r = strv_extend(&image->digests, image->digest);
        json_object_foreach(json_object_get(record, "big-data-digests"), key, value) {
                const char *digest = json_string_value(value);

                if (r >= 0 && startswith(key, "manifest") && digest &&
                    !strv_contains(image->digests, digest))
                        r = strv_extend(&image->digests, digest);
        }
        return r;
}

static int load_image(Store *s, json_t *record, StoreImage *image) {
        const char *id = json_string_value(json_object_get(record, "id"));
        const char *digest = json_string_value(json_object_get(record, "digest"));
        const char *layer = json_string_value(json_object_get(record, "layer"));
        int r;

        if (!id || !id_is_valid(id))
                return -EBADMSG;
        r = str_replace(&image->id, id);
        if (r >= 0)
                r = str_replace(&image->digest, digest);
        if (r >= 0)
                r = str_replace(&image->top_layer, layer);
        if (r >= 0)
                r = load_names(json_object_get(record, "names"), &image->names);
        if (r >= 0)
                r = str_replace(&image->last_name,
                                json_string_value(
                                                json_array_get(json_object_get(record, "names-history"),
                                                               0)));
        if (r >= 0)
                r = load_digests(record, image);
        if (r >= 0)
                r = load_config(s, image);
        image->size_bytes = chain_size(s, image->top_layer);
        return r;
}

static int store_load_images(Store *s) {
        json_t *record;
        size_t i;
        int r;

        store_drop_images(s);
        s->images = new0(StoreImage, json_array_size(s->images_file.records) + 1);
        if (!s->images)
                return -ENOMEM;
        json_array_foreach(s->images_file.records, i, record) {
                StoreImage image = {};

                r = load_image(s, record, &image);
                if (r >= 0)
                        s->images[s->n_images++] = image;
                else
                        image_done(&image); /* half removed by somebody else: not an image any more */
                if (r == -ENOMEM)
                        return r;
        }
        s->images_generation = s->images_file.generation;
        s->layers_generation = s->layers_file.generation;
        return 0;
}

int store_refresh(Store *s, bool wait, Error *error) {
        int r = 0;

        if (store_file_is_stale(&s->layers_file)) {
                r = store_file_lock(&s->layers_file, false, wait, error);
                if (r < 0)
                        return r;
                store_file_unlock(&s->layers_file);
        }
        if (store_file_is_stale(&s->images_file)) {
                r = store_file_lock(&s->images_file, false, wait, error);
                if (r < 0)
                        return r;
                store_file_unlock(&s->images_file);
        }
        if (!s->images || s->images_generation != s->images_file.generation ||
            s->layers_generation != s->layers_file.generation)
                r = store_load_images(s);
        return r;
}

const StoreImage *store_get_image(const Store *s, size_t i) {
        return i < s->n_images ? &s->images[i] : NULL;
}

static const StoreImage *find_by_prefix(const Store *s, const char *prefix) {
        const StoreImage *found = NULL;

        for (size_t i = 0; i < s->n_images; i++) {
                if (!startswith(s->images[i].id, prefix))
                        continue;
                if (found)
                        return NULL; /* names more than one */
                found = &s->images[i];
        }
        return found;
}

static bool has_repository(const StoreImage *image, const char *repository) {
        STRV_FOREACH(name, image->names) {
                const char *rest = startswith(*name, repository);

                if (rest && (*rest == ':' || *rest == '@'))
                        return true;
        }
        return false;
}

const StoreImage *store_find_image(const Store *s, const char *what) {
        _cleanup_(reference_done) Reference reference = {};
        _cleanup_free_ char *name = NULL, *repository = NULL;
        const char *id = startswith(what, "sha256:") ?: what;
        const StoreImage *found;

        found = id_is_prefix(id) ? find_by_prefix(s, id) : NULL;
        if (found && (strlen(id) == ID_SIZE || startswith(what, "sha256:")))
                return found;

        if (reference_parse(what, &reference, NULL) >= 0) {
                name = reference_format(&reference);
                repository = reference_format_name(&reference);
        }
        for (size_t i = 0; i < s->n_images && name && repository; i++) {
                const StoreImage *image = &s->images[i];

                if (strv_contains(image->names, name) || strv_contains(image->names, what))
                        return image;
                if (reference.digest && strv_contains(image->digests, reference.digest) &&
                    has_repository(image, repository))
                        return image;
        }
        return found;
}

bool store_has_layer(const Store *s, const char *id) {
        json_t *record = layer_find(s, id);

        return record && !json_is_true(json_object_get(json_object_get(record, "flags"), "incomplete"));
}

int store_layer_directories(Store *s, const char *layer, char ***ret, Error *error) {
        _cleanup_strv_ char **l = new0(char *, 1);
        int r;

        if (!l)
                return -ENOMEM;
        for (size_t depth = 0; layer; depth++) {
                json_t *record = layer_find(s, layer);

                if (!record || depth > 2 * STORE_LAYERS_MAX)
                        return error_set(
                                        error,
                                        -EBADMSG,
                                        STATUS_INTERNAL,
                                        "layer %s is not in the store",
                                        layer);
                r = strv_extendf(&l, "%s/overlay/%s/diff", s->root, layer);
                if (r < 0)
                        return r;
                layer = json_string_value(json_object_get(record, "parent"));
        }
        *ret = TAKE_PTR(l);
        return 0;
}
