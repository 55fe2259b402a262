/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a crash left. Records of others are left alone, but for the one kind that everybody removes; what has
 * no record is nobody's, as long as the locks are held. Source: containers/storage layout, section
 * "Garbage".
 */

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <jansson.h>

#include "basic/fd.h"
#include "basic/id.h"
#include "basic/path.h"
#include "basic/str.h"
#include "image/store-internal.h"

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

/* Layers that were never finished: whoever makes one holds the lock that we have. */
static int forget_incomplete(Store *s, char ***ret) {
        json_t *record;
        size_t i;
        int r = 0;

        json_array_foreach(s->layers_file.records, i, record) {
                const char *id = json_string_value(json_object_get(record, "id"));

                if (r >= 0 && id &&
                    json_is_true(json_object_get(json_object_get(record, "flags"), "incomplete")))
                        r = strv_extend(ret, id);
        }
        STRV_FOREACH(id, *ret)
                (void) store_file_remove(&s->layers_file, *id); /* it is there */
        return r;
}

/* Names in a directory that are an id with @suffix behind it, whose id has no record in @file. */
static int
find_orphans(Store *s, const char *directory, const char *suffix, const StoreFile *file, char ***ret) {
        int fd = open_at(s->root_fd, directory, O_RDONLY | O_DIRECTORY, 0), r = 0;
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!d) {
                close_fd(fd);
                return 0;
        }
        while (r >= 0 && (de = readdir(d))) {
                const char *end = endswith(de->d_name, suffix);
                _cleanup_free_ char *id = end ? strndup(de->d_name, (size_t) (end - de->d_name)) : NULL;

                if (id && id_is_valid(id) && !store_file_find(file, id))
                        r = strv_extend(ret, id);
        }
        (void) closedir(d);
        return r;
}

/* podman with a transient store keeps records where we do not look. */
static bool has_transient_records(const Store *s) {
        static const char *const files[] = { "overlay-layers/volatile-layers.json",
                                             "overlay-containers/volatile-containers.json",
                                             "overlay-containers/containers.json" };
        bool found = false;

        FOREACH_ELEMENT(file, files) {
                _cleanup_free_ char *path = path_join(s->runroot, *file);

                found = found || !path || access(path, F_OK) >= 0;
        }
        return found;
}

static int clear_orphans(Store *s) {
        const struct {
                const char *directory, *suffix;
                const StoreFile *file;
                bool is_layer;
        } places[] = {
                { "overlay", "", &s->layers_file, true },
                { "overlay-layers", "", &s->layers_file, true },
                { "overlay-layers", ".tar-split.gz", &s->layers_file, true },
                { "overlay-images", "", &s->images_file, false },
                { "overlay-containers", "", &s->containers_file, false },
        };
        int r = 0;

        FOREACH_ELEMENT(place, places) {
                _cleanup_strv_ char **ids = NULL;

                if (r >= 0)
                        r = find_orphans(s, place->directory, place->suffix, place->file, &ids);
                STRV_FOREACH(id, ids) {
                        _cleanup_free_ char *path = str_join(place->directory, "/", *id, NULL);

                        if (r >= 0)
                                r = !path                       ? -ENOMEM :
                                                place->is_layer ? store_discard_layer(s, *id) :
                                                                  rm_rf_at(s->root_fd, path);
                }
        }
        return r;
}

static int repair_locked(Store *s, Error *error) {
        _cleanup_strv_ char **layers = NULL, **names = NULL, **discard = NULL;
        int r;

        r = store_pending_read(s, &layers, &names);
        if (r >= 0)
                r = forget_incomplete(s, &discard);
        if (r >= 0)
                r = store_forget_unused(s, layers, &discard);
        if (r >= 0 && strv_length(discard) > 0)
                r = store_file_save(&s->layers_file, false, error);
        STRV_FOREACH(id, discard)
                if (r >= 0)
                        r = store_discard_layer(s, *id);
        if (r >= 0)
                store_pending_clear(s, names);
        return r < 0 || has_transient_records(s) ? r : clear_orphans(s);
}

int store_repair(Store *s, char *const *alive, Error *error) {
        _cleanup_strv_ char **dead = NULL;
        int r;

        r = store_file_lock(&s->containers_file, false, false, error);
        if (r < 0)
                return r;
        r = find_dead(s, alive, &dead);
        store_file_unlock(&s->containers_file);
        STRV_FOREACH(id, dead)
                if (r >= 0)
                        r = store_remove_container(s, *id, false, error);
        if (r >= 0)
                r = store_lock_all(s, false, error);
        if (r < 0)
                return r;
        r = repair_locked(s, error);
        if (r < 0)
                s->layers_file.loaded = false;
        store_unlock_all(s);
        return r < 0 ? error_prefix(error, r, "repair the image store") : 0;
}
