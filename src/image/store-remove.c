/* SPDX-License-Identifier: Apache-2.0 */

/* Removal of images and of the layers that only they needed. */

#include <fcntl.h>
#include <unistd.h>

#include <jansson.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "image/store-internal.h"

#define HOLD_USEC 5000

int store_fault(const char *step) {
        int r;

        while ((r = fault_point("store", step, "at")) == FAULT_HOLD)
                (void) usleep(HOLD_USEC); /* a test waits for us to stand still */
        return r;
}

int store_lock_all(Store *s, bool wait, Error *error) {
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

void store_unlock_all(Store *s) {
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

bool store_layer_is_used(Store *s, const char *layer) {
        return any_has(s->layers_file.records, "parent", layer) ||
                        any_has(s->layers_file.volatile_records, "parent", layer) ||
                        any_has(s->images_file.records, "layer", layer) ||
                        any_has(s->containers_file.records, "layer", layer) ||
                        any_has(s->containers_file.volatile_records, "layer", layer);
}

int store_layer_chain(Store *s, const char *layer, char ***ret) {
        _cleanup_strv_ char **chain = NULL;
        size_t n;
        int r;

        for (size_t depth = 0; layer && depth < 2 * STORE_LAYERS_MAX; depth++) {
                json_t *record = store_file_find(&s->layers_file, layer);

                r = strv_extend(&chain, layer);
                if (r < 0)
                        return r;
                layer = json_string_value(json_object_get(record, "parent"));
        }
        n = strv_length(chain);
        for (size_t i = 0; i < n / 2; i++) {
                char *last = chain[n - 1 - i];

                chain[n - 1 - i] = chain[i];
                chain[i] = last;
        }
        *ret = TAKE_PTR(chain);
        return 0;
}

int store_forget_unused(Store *s, char *const *chain, char ***ret) {
        for (size_t i = strv_length(chain); i-- > 0;) {
                int r;

                if (store_layer_is_used(s, chain[i]))
                        continue;
                if (!store_file_remove(&s->layers_file, chain[i]))
                        continue; /* gone already */
                r = strv_extend(ret, chain[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The record first, so that nobody sees half an image; then the layers' records, then what they stood for.
 * The note finds the layers again if we die in between. */
static int remove_records(Store *s, const char *id, char ***ret_discard, Error *error) {
        json_t *record = store_file_find(&s->images_file, id);
        const char *top = json_string_value(json_object_get(record, "layer"));
        _cleanup_strv_ char **chain = NULL;
        StorePending pending = { .fd = -EBADF };
        int r = 0;

        if (top)
                r = store_layer_chain(s, top, &chain);
        if (r >= 0 && chain)
                r = store_pending_new(s, chain, &pending, error);
        if (r >= 0)
                r = store_fault("remove-pending");
        (void) store_file_remove(&s->images_file, id);
        if (r >= 0)
                r = store_file_save(&s->images_file, false, error);
        if (r >= 0)
                r = store_fault("remove-images-json");
        if (r >= 0)
                r = store_forget_unused(s, chain, ret_discard);
        if (r >= 0 && strv_length(*ret_discard) > 0)
                r = store_file_save(&s->layers_file, false, error);
        if (r >= 0)
                r = store_fault("remove-layers-json");
        if (r >= 0)
                store_pending_drop(s, &pending);
        close_fd(pending.fd);
        return r;
}

static int remove_image_locked(Store *s, const char *id, Error *error) {
        _cleanup_free_ char *dir = str_join("overlay-images/", id, NULL);
        _cleanup_strv_ char **discard = NULL;
        int r;

        if (!dir)
                return -ENOMEM;
        if (!store_file_find(&s->images_file, id))
                return 0;
        r = remove_records(s, id, &discard, error);
        STRV_FOREACH(layer, discard)
                if (r >= 0)
                        r = store_discard_layer(s, *layer);
        if (r >= 0)
                r = store_fault("remove-trees");
        return r < 0 ? r : rm_rf_at(s->root_fd, dir); /* a handful of small files */
}

int store_remove_image(Store *s, const char *id, bool wait, Error *error) {
        int r;

        r = store_lock_all(s, wait, error);
        if (r < 0)
                return r;
        r = remove_image_locked(s, id, error);
        if (r < 0)
                s->layers_file.loaded = s->images_file.loaded = false;
        store_unlock_all(s);
        return r < 0 ? error_prefix(error, r, "remove image %s", id) : 0;
}
