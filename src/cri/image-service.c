/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls about images.
 */

#include <sys/statvfs.h>

#include "basic/clock.h"
#include "basic/number.h"
#include "basic/str.h"
#include "core/images.h"
#include "core/manager.h"
#include "cri/arena.h"
#include "cri/handlers.h"
#include "cri/request.h"
#include "format/json-field.h"
#include "format/reference.h"
#include "proto/cri.pb-c.h"

/* "repository:tag" into tags, "repository@digest" for all digests. */
static int format_names(const StoreImage *image, char ***tags, char ***digests) {
        STRV_FOREACH(name, image->names) {
                _cleanup_(reference_done) Reference reference = { 0 };
                _cleanup_free_ char *repository = NULL;
                int r = 0;

                if (reference_parse(*name, &reference, NULL) < 0)
                        continue; /* written by somebody with other ideas of a name */
                repository = reference_format_name(&reference);
                if (!repository)
                        return -ENOMEM;
                if (reference.tag)
                        r = strv_extend(tags, *name);
                STRV_FOREACH(digest, image->digests) {
                        _cleanup_free_ char *s = str_join(repository, "@", *digest, NULL);

                        if (!s || r < 0)
                                return -ENOMEM;
                        if (!strv_contains(*digests, s))
                                r = strv_extend(digests, s);
                }
                if (r < 0)
                        return r;
        }
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

static bool is_pinned(const Manager *m, char *const *names) {
        STRV_FOREACH(pattern, m->config->pinned_images)
                if (strv_contains(names, *pattern))
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
        if (r < 0)
                grpc_call_fail(call, r, NULL);
        else
                grpc_call_finish(call);
}

static void add_info(Arena *a, const StoreImage *image, Runtime__V1__ImageStatusResponse *reply) {
        const ImageConfig *c = &image->config;
        _cleanup_json_ json_t *json = json_object(), *config = json_object();
        char **pairs = arena_alloc(a, 3, sizeof(char *));
        const struct {
                const char *key;
                char *const *values;
        } lists[] = { { "Env", c->env }, { "Entrypoint", c->entrypoint }, { "Cmd", c->cmd } };

        if (!pairs || !json || !config)
                return;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                json_t *array = json_array();

                STRV_FOREACH(s, lists[i].values)
                        json_array_append_new(array, json_string(*s));
                json_object_set_new(config, lists[i].key, array);
        }
        json_object_set_new(config, "User", json_string(strempty(c->user)));
        json_object_set_new(config, "WorkingDir", json_string(strempty(c->working_dir)));
        json_object_set_new(config, "StopSignal", json_string(strempty(c->stop_signal)));
        json_object_set_new(
                        json,
                        "imageSpec",
                        json_pack("{s:s, s:s, s:O}",
                                  "architecture",
                                  strempty(c->architecture),
                                  "os",
                                  strempty(c->os),
                                  "config",
                                  config));
        pairs[0] = arena_printf(a, "info");
        pairs[1] = arena_own(a, json_dumps(json, JSON_COMPACT));
        reply->info =
                        arena_map(a,
                                  &runtime__v1__image_status_response__info_entry__descriptor,
                                  pairs,
                                  &reply->n_info);
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
                if (image && request->verbose)
                        add_info(&arena, image, &reply);
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

HANDLER(handle_pull_image) {
        _cleanup_error_ Error error = ERROR_INIT;
        ImageAuth auth = { 0 };
        Manager *m = userdata;
        PullWait *w = NULL;
        int r;

        REQUEST(request, Runtime__V1__PullImageRequest, runtime__v1__pull_image_request__descriptor);
        r = require_image(request->image, &error);
        if (r >= 0 && request->auth) {
                auth = (ImageAuth){ .username = request->auth->username,
                                    .password = request->auth->password,
                                    .identity_token = request->auth->identity_token,
                                    .registry_token = request->auth->registry_token };
                if (!isempty(request->auth->auth) && isempty(auth.username))
                        r = error_set(&error,
                                      -EOPNOTSUPP,
                                      STATUS_UNIMPLEMENTED,
                                      "credentials in the field \"auth\" are not there in this version, send username and password");
        }
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
        const StoreImage *image;
        Manager *m = userdata;
        uint64_t bytes = 0;

        REQUEST(request, Runtime__V1__ImageFsInfoRequest, runtime__v1__image_fs_info_request__descriptor);
        images_refresh(m->images);
        for (size_t i = 0; (image = store_get_image(m->store, i)); i++)
                bytes += image->size_bytes;
        usage = arena_message(&arena, &runtime__v1__filesystem_usage__descriptor);
        usage->timestamp = now_realtime_nsec();
        usage->fs_id = arena_message(&arena, &runtime__v1__filesystem_identifier__descriptor);
        usage->fs_id->mountpoint = (char *) store_get_root(m->store);
        usage->used_bytes = arena_message(&arena, &runtime__v1__uint64_value__descriptor);
        usage->used_bytes->value = bytes;
        reply.image_filesystems = &usage;
        reply.n_image_filesystems = 1;
        reply.container_filesystems = &usage;
        reply.n_container_filesystems = 1;
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}
