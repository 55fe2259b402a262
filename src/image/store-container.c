/* SPDX-License-Identifier: Apache-2.0 */

/* Containers: their records and writable layers. Source: containers/storage layout, section 5. */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <jansson.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/json-field.h"
#include "image/store-internal.h"

#define OPTIONS_MAX 4095 /* one page, with the NUL */
#define LOWER_MAX (64 * KIB)

static int add_container_records(Store *s, const StoreNewContainer *c, const char *layer) {
        _cleanup_free_ char *layer_name = str_join(c->name, "-layer", NULL);
        char now[40];
        json_t *record;

        store_time_now(now);
        if (!layer_name)
                return -ENOMEM;
        record =
                        json_pack("{s:s, s:[s], s:s*, s:s}",
                                  "id",
                                  c->id,
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
                                  c->id,
                                  "names",
                                  c->name,
                                  "image",
                                  c->image_id,
                                  "layer",
                                  c->id,
                                  "metadata",
                                  c->metadata,
                                  "created",
                                  now,
                                  "flags",
                                  "Volatile",
                                  1);
        return json_array_append_new(s->containers_file.volatile_records, record) < 0 ? -ENOMEM : 0;
}

static int create_container_locked(Store *s, const StoreNewContainer *c, Error *error) {
        json_t *image = store_file_find(&s->images_file, c->image_id);
        const char *layer = json_string_value(json_object_get(image, "layer"));
        int r;

        if (!image)
                return error_set(
                                error,
                                -ENOENT,
                                STATUS_NOT_FOUND,
                                "image %s is not in the store",
                                c->image_id);
        if (!layer)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "image %s has no layers, nothing in it can be run",
                                c->image_id);
        r = store_make_layer(s, c->id, layer, -EBADF, error);
        if (r >= 0)
                r = add_container_records(s, c, layer);
        if (r >= 0)
                r = store_file_save(&s->containers_file, true, error);
        if (r >= 0)
                r = store_file_save(&s->layers_file, true, error);
        if (r < 0)
                (void) store_discard_layer(s, c->id); /* the first failure is the one to report */
        return r;
}

int store_create_container(Store *s, const StoreNewContainer *container, bool wait, Error *error) {
        int r;

        r = store_lock_all(s, wait, error);
        if (r < 0)
                return r;
        r = create_container_locked(s, container, error);
        if (r < 0)
                s->layers_file.loaded = s->containers_file.loaded = false;
        store_unlock_all(s);
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

/* The layers of its image go as well when the image went before it. */
static int remove_container_locked(Store *s, const char *id, char ***ret_discard, Error *error) {
        json_t *record = store_file_find(&s->layers_file, id);
        const char *parent = json_string_value(json_object_get(record, "parent"));
        _cleanup_free_ char *below = NULL;
        _cleanup_strv_ char **chain = NULL;
        StorePending pending = { .fd = -EBADF };
        bool shared = false;
        int r = 0;

        below = parent ? strdup(parent) : NULL;
        if (parent && !below)
                return -ENOMEM;
        (void) store_file_remove(&s->layers_file, id); /* may be gone */
        (void) store_file_remove(&s->containers_file, id);
        if (below && !store_layer_is_used(s, below))
                r = store_layer_chain(s, below, &chain);
        if (r >= 0)
                r = store_forget_unused(s, chain, ret_discard);
        shared = strv_length(*ret_discard) > 0;
        if (r >= 0 && shared)
                r = store_pending_new(s, *ret_discard, &pending, error);
        /* A container without a layer is found at the next start; a layer without a container is not. */
        if (r >= 0)
                r = store_file_save(&s->layers_file, !shared, error);
        if (r >= 0)
                r = store_file_save(&s->containers_file, true, error);
        if (r >= 0)
                store_pending_drop(s, &pending);
        close_fd(pending.fd);
        return r;
}

int store_remove_container(Store *s, const char *id, bool wait, Error *error) {
        _cleanup_free_ char *dir = str_join("overlay-containers/", id, NULL);
        _cleanup_strv_ char **discard = NULL;
        int r;

        if (!dir)
                return -ENOMEM;
        r = store_lock_all(s, wait, error);
        if (r < 0)
                return r;
        if (store_file_find(&s->containers_file, id) || store_file_find(&s->layers_file, id))
                r = remove_container_locked(s, id, &discard, error);
        if (r < 0)
                s->layers_file.loaded = s->containers_file.loaded = false;
        if (r >= 0)
                r = store_discard_layer(s, id);
        STRV_FOREACH(layer, discard)
                if (r >= 0)
                        r = store_discard_layer(s, *layer);
        if (r >= 0)
                r = rm_rf_at(s->root_fd, dir);
        store_unlock_all(s);
        return r < 0 ? error_prefix(error, r, "remove container %s from the store", id) : 0;
}
