/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls about images.
 */

#include <strings.h>

#include "basic/clock.h"
#include "basic/number.h"
#include "basic/str.h"
#include "core/images.h"
#include "core/manager.h"
#include "cri/arena.h"
#include "cri/handlers.h"
#include "cri/request.h"
#include "format/base64.h"
#include "format/json-field.h"
#include "format/reference.h"
#include "proto/cri.pb-c.h"

#define AUTH_MAX (64 * KIB)

/* "repository@digest" for all digests. */
static int add_digests(const StoreImage *image, const Reference *reference, char ***digests) {
        _cleanup_free_ char *repository = reference_format_name(reference);
        int r = repository ? 0 : -ENOMEM;

        STRV_FOREACH(digest, image->digests) {
                _cleanup_free_ char *s = r >= 0 ? str_join(repository, "@", *digest, NULL) : NULL;

                if (!s)
                        return r < 0 ? r : -ENOMEM;
                if (!strv_contains(*digests, s))
                        r = strv_extend(digests, s);
        }
        return r;
}

/* "repository:tag" into tags, "repository@digest" for all digests, both sorted. An image without a name
 * keeps the digests of its last one. */
static int format_names(const StoreImage *image, char ***tags, char ***digests) {
        const char *const last[] = { image->last_name, NULL };
        char *const *names = strv_length(image->names) > 0 ? image->names : (char *const *) last;

        STRV_FOREACH(name, names) {
                _cleanup_(reference_done) Reference reference = { 0 };
                int r;

                if (reference_parse(*name, &reference, NULL) < 0)
                        continue; /* written by somebody with other ideas of a name */
                r = add_digests(image, &reference, digests);
                if (r >= 0 && reference.tag && names == image->names)
                        r = strv_extend(tags, *name);
                if (r < 0)
                        return r;
        }
        strv_sort(*tags);
        strv_sort(*digests);
        return 0;
}

/* Strings that live as long as the arena. */
static char **own_strings(Arena *a, char **l, size_t *ret_n) {
        char **array = arena_alloc(a, strv_length(l) + 1, sizeof(char *));
        size_t n = 0;

        STRV_FOREACH(s, l)
                if (array)
                        array[n++] = arena_printf(a, "%s", *s);
        strv_free(l);
        *ret_n = n;
        return array;
}

static void add_user(Arena *a, const StoreImage *image, Runtime__V1__Image *i) {
        const char *user = strempty(image->config.user);
        _cleanup_free_ char *name = strndup(user, strcspn(user, ":"));
        uint64_t uid;

        if (isempty(name))
                return;
        if (parse_u64(name, UINT32_MAX, &uid) < 0) {
                i->username = arena_own(a, TAKE_PTR(name));
                return;
        }
        i->uid = arena_message(a, &runtime__v1__int64_value__descriptor);
        i->uid->value = (int64_t) uid;
}

/* "exact", "prefix*" and "*keyword*", whatever the case. */
static bool matches_pattern(const char *pattern, const char *name) {
        size_t n = strlen(pattern);
        bool open_start = n > 1 && pattern[0] == '*', open_end = n > 0 && pattern[n - 1] == '*';

        if (!open_end)
                return strcasecmp(pattern, name) == 0;
        if (!open_start)
                return strncasecmp(pattern, name, n - 1) == 0;
        for (; *name; name++)
                if (strncasecmp(pattern + 1, name, n - 2) == 0)
                        return true;
        return n == 2;
}

static bool is_pinned(const Manager *m, char *const *names) {
        STRV_FOREACH(pattern, m->config->pinned_images)
                STRV_FOREACH(name, names)
                        if (matches_pattern(*pattern, *name))
                                return true;
        return false;
}

static Runtime__V1__Image *image_new(Arena *a, const Manager *m, const StoreImage *image) {
        Runtime__V1__Image *i = arena_message(a, &runtime__v1__image__descriptor);
        char **tags = NULL, **digests = NULL;

        if (format_names(image, &tags, &digests) < 0)
                a->failed = true;
        i->id = image->id;
        i->pinned = is_pinned(m, tags);
        i->repo_tags = own_strings(a, tags, &i->n_repo_tags);
        i->repo_digests = own_strings(a, digests, &i->n_repo_digests);
        i->size = MAX(image->size_bytes, (uint64_t) 1);
        i->spec = arena_message(a, &runtime__v1__image_spec__descriptor);
        i->spec->image = image->id;
        add_user(a, image, i);
        return i;
}

static Runtime__V1__Image **
images_new_list(Arena *a, const Manager *m, const Runtime__V1__ImageFilter *filter, size_t *ret_n) {
        const char *wanted = filter && filter->image ? filter->image->image : "";
        const StoreImage *image;
        Runtime__V1__Image **list;
        size_t n = 0;

        images_refresh(m->images);
        if (!isempty(wanted)) {
                list = arena_alloc(a, 1, sizeof(*list));
                image = store_find_image(m->store, wanted);
                if (list && image)
                        list[n++] = image_new(a, m, image);
                *ret_n = n;
                return list;
        }
        while (store_get_image(m->store, n))
                n++;
        list = arena_alloc(a, n, sizeof(*list));
        if (!list)
                return NULL;
        for (size_t i = 0; i < n; i++)
                list[i] = image_new(a, m, store_get_image(m->store, i));
        *ret_n = n;
        return list;
}

HANDLER(handle_list_images) {
        Runtime__V1__ListImagesResponse reply = RUNTIME__V1__LIST_IMAGES_RESPONSE__INIT;
        _cleanup_arena_ arena = { 0 };

        REQUEST(request, Runtime__V1__ListImagesRequest, runtime__v1__list_images_request__descriptor);
        reply.images = images_new_list(&arena, userdata, request->filter, &reply.n_images);
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}

HANDLER(handle_stream_images) {
        _cleanup_arena_ arena = { 0 };
        Runtime__V1__Image **list;
        size_t n = 0;
        int r;

        REQUEST(request, Runtime__V1__StreamImagesRequest, runtime__v1__stream_images_request__descriptor);
        list = images_new_list(&arena, userdata, request->filter, &n);
        r = arena_failed(&arena) ? -ENOMEM : 0;
        for (size_t i = 0; i < n && r >= 0; i++) {
                Runtime__V1__StreamImagesResponse reply = RUNTIME__V1__STREAM_IMAGES_RESPONSE__INIT;

                reply.images = list + i;
                reply.n_images = 1;
                r = request_send(call, &reply.base);
        }
        grpc_call_finish(call, r);
}

/* A document of the image as JSON, or NULL when it cannot be read. */
static json_t *load_document(const Manager *m, const StoreImage *image, const char *key) {
        _cleanup_free_ char *text = NULL;
        json_t *json = NULL;
        size_t size;

        if (store_read_document(m->store, image, key, &text, &size) < 0 ||
            json_parse(key, text, size, &json, NULL) < 0)
                return NULL;
        return json;
}

/* Labels, and the config as it came from the registry. */
static void
add_info(Arena *a, const Manager *m, const StoreImage *image, Runtime__V1__ImageStatusResponse *reply) {
        _cleanup_free_ char *key = str_join("sha256:", image->id, NULL);
        _cleanup_json_ json_t *config = key ? load_document(m, image, key) : NULL, *info = NULL;
        char **pairs = arena_alloc(a, 3, sizeof(char *));
        json_t *labels = json_object_get(json_object_get(config, "config"), "Labels");

        if (!pairs || !config)
                return;
        info = json_pack("{s:O*, s:O}", "labels", labels, "imageSpec", config);
        if (!info)
                return;
        pairs[0] = arena_printf(a, "info");
        pairs[1] = arena_own(a, json_dumps(info, JSON_COMPACT));
        reply->info =
                        arena_map(a,
                                  &runtime__v1__image_status_response__info_entry__descriptor,
                                  pairs,
                                  &reply->n_info);
}

/* Of the manifest. */
static void
add_annotations(Arena *a, const Manager *m, const StoreImage *image, Runtime__V1__ImageSpec *spec) {
        _cleanup_json_ json_t *manifest = load_document(m, image, "manifest");
        json_t *annotations = json_object_get(manifest, "annotations"), *value;
        char **pairs = arena_alloc(a, 2 * json_object_size(annotations) + 1, sizeof(char *));
        const char *key;
        size_t n = 0;

        if (!pairs)
                return;
        json_object_foreach(annotations, key, value) {
                if (!json_is_string(value))
                        continue;
                pairs[n++] = arena_printf(a, "%s", key);
                pairs[n++] = arena_printf(a, "%s", json_string_value(value));
        }
        spec->annotations =
                        arena_map(a,
                                  &runtime__v1__image_spec__annotations_entry__descriptor,
                                  pairs,
                                  &spec->n_annotations);
}

static int require_image(const Runtime__V1__ImageSpec *spec, Error *error) {
        if (spec && !isempty(spec->image))
                return 0;
        return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "image is missing");
}

HANDLER(handle_image_status) {
        Runtime__V1__ImageStatusResponse reply = RUNTIME__V1__IMAGE_STATUS_RESPONSE__INIT;
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_arena_ arena = { 0 };
        const StoreImage *image;
        Manager *m = userdata;
        int r;

        REQUEST(request, Runtime__V1__ImageStatusRequest, runtime__v1__image_status_request__descriptor);
        r = require_image(request->image, &error);
        if (r >= 0) {
                images_refresh(m->images);
                image = store_find_image(m->store, request->image->image);
                if (image)
                        reply.image = image_new(&arena, m, image);
                if (image && !arena_failed(&arena))
                        add_annotations(&arena, m, image, reply.image->spec);
                if (image && request->verbose)
                        add_info(&arena, m, image, &reply);
                r = arena_failed(&arena) ? -ENOMEM : 0;
        }
        if (r < 0)
                grpc_call_fail(call, r, &error);
        else
                request_reply(call, &reply.base);
}

typedef struct PullWait {
        GrpcCall *call;
        ImagePullWaiter *waiter;
} PullWait;

static void pull_on_done(int r, const char *image_id, const Error *error, void *userdata) {
        Runtime__V1__PullImageResponse reply = RUNTIME__V1__PULL_IMAGE_RESPONSE__INIT;
        PullWait *w = userdata;

        if (r < 0)
                grpc_call_fail(w->call, r, error);
        else {
                reply.image_ref = (char *) image_id;
                request_reply(w->call, &reply.base);
        }
        free(w);
}

/* The pull goes on: the client will ask again. */
static void pull_on_cancel(GrpcCall *call, void *userdata) {
        PullWait *w = userdata;

        w->waiter = images_pull_leave(w->waiter);
        grpc_call_fail(call, -ECANCELED, NULL);
        free(w);
}

/* "auth": base64 of "user:password", wins over the two fields. */
static int decode_auth(Arena *a, const char *encoded, ImageAuth *auth, Error *error) {
        _cleanup_free_ char *decoded = NULL;
        char *plain, *colon;
        size_t size;
        int r;

        r = strlen(encoded) > AUTH_MAX ? -EINVAL : base64_decode(encoded, &decoded, &size);
        if (r == -EINVAL)
                return error_set(error, r, STATUS_INVALID_ARGUMENT, "auth: not base64 of \"user:password\"");
        plain = r < 0 ? NULL : arena_own(a, TAKE_PTR(decoded));
        if (!plain)
                return -ENOMEM;
        colon = strchr(plain, ':');
        if (!colon)
                return 0;
        *colon = '\0';
        auth->username = plain;
        auth->password = colon + 1;
        return 0;
}

/* "https://registry.example.com/v1/" names the registry of a reference. */
static bool is_server(const char *address, const char *domain) {
        const char *host = strstr(address, "://") ? strstr(address, "://") + 3 : address;
        size_t n = strcspn(host, "/");

        if (streq(domain, "docker.io") &&
            (startswith(host, "index.docker.io") || startswith(host, "registry-1.docker.io")))
                return true;
        return strlen(domain) == n && strncmp(host, domain, n) == 0;
}

/* Credentials for another server than the one that is asked are not for it. */
static int take_auth(Arena *a, const Runtime__V1__PullImageRequest *request, ImageAuth *ret, Error *error) {
        const Runtime__V1__AuthConfig *c = request->auth;
        _cleanup_(reference_done) Reference reference = { 0 };
        int r = 0;

        *ret = (ImageAuth){ 0 };
        if (!c)
                return 0;
        if (!isempty(c->server_address)) {
                r = reference_parse(request->image->image, &reference, error);
                if (r < 0)
                        return r;
                if (!is_server(c->server_address, reference.domain))
                        return 0;
        }
        *ret = (ImageAuth){ .username = c->username,
                            .password = c->password,
                            .identity_token = c->identity_token,
                            .registry_token = c->registry_token };
        return isempty(c->auth) ? 0 : decode_auth(a, c->auth, ret, error);
}

HANDLER(handle_pull_image) {
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_arena_ arena = { 0 };
        ImageAuth auth = { 0 };
        Manager *m = userdata;
        PullWait *w = NULL;
        int r;

        REQUEST(request, Runtime__V1__PullImageRequest, runtime__v1__pull_image_request__descriptor);
        r = require_image(request->image, &error);
        if (r >= 0)
                r = take_auth(&arena, request, &auth, &error);
        if (r >= 0) {
                w = new0(PullWait, 1);
                r = w ? 0 : -ENOMEM;
        }
        if (r >= 0) {
                w->call = call;
                r = images_pull(m->images,
                                request->image->image,
                                &auth,
                                pull_on_done,
                                w,
                                &w->waiter,
                                &error);
        }
        if (r < 0) {
                free(w);
                grpc_call_fail(call, r, &error);
        } else
                grpc_call_on_cancel(call, pull_on_cancel, w);
}

static void answer_remove(GrpcCall *call, const Id *id) {
        Runtime__V1__RemoveImageResponse reply = RUNTIME__V1__REMOVE_IMAGE_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

HANDLER(handle_remove_image) {
        _cleanup_error_ Error error = ERROR_INIT;
        Manager *m = userdata;
        RequestWait *w;
        int r;

        REQUEST(request, Runtime__V1__RemoveImageRequest, runtime__v1__remove_image_request__descriptor);
        w = request_wait_new(call, answer_remove);
        if (!w)
                return;
        r = require_image(request->image, &error);
        if (r >= 0)
                r = images_remove(m->images, request->image->image, &w->waiter, &error);
        request_wait_settle(w, r, &error);
}

HANDLER(handle_image_fs_info) {
        Runtime__V1__ImageFsInfoResponse reply = RUNTIME__V1__IMAGE_FS_INFO_RESPONSE__INIT;
        _cleanup_arena_ arena = { 0 };
        Runtime__V1__FilesystemUsage *usage;
        Manager *m = userdata;

        REQUEST(request, Runtime__V1__ImageFsInfoRequest, runtime__v1__image_fs_info_request__descriptor);
        images_refresh(m->images);
        usage = arena_message(&arena, &runtime__v1__filesystem_usage__descriptor);
        usage->timestamp = now_realtime_nsec();
        usage->fs_id = arena_message(&arena, &runtime__v1__filesystem_identifier__descriptor);
        usage->fs_id->mountpoint = (char *) store_get_root(m->store);
        usage->used_bytes = arena_message(&arena, &runtime__v1__uint64_value__descriptor);
        usage->used_bytes->value = store_get_layers_size(m->store);
        reply.image_filesystems = &usage;
        reply.n_image_filesystems = 1;
        reply.container_filesystems = &usage;
        reply.n_container_filesystems = 1;
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}
