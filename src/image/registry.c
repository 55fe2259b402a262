/* SPDX-License-Identifier: Apache-2.0 */
#include "image/registry.h"

#include <openssl/evp.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/str.h"
#include "format/json-field.h"
#include "image/registry-internal.h"

#define ERROR_BODY_MAX (64 * KIB)
#define WAIT_SEC_MAX UINT64_C(60)
/* How often somebody is asked during a wait whether it is worth it. */
#define WAIT_SLICE_USEC (100 * USEC_PER_MSEC)

bool registry_is_temporary(int r, long status) {
        return r == -ECONNRESET || r == -EHOSTUNREACH ||
                        (r >= 0 &&
                         (status == HTTP_TOO_MANY ||
                          (status >= HTTP_BAD_GATEWAY && status <= HTTP_GATEWAY_TIMEOUT)));
}

int registry_wait(const Registry *r, unsigned attempt, uint64_t retry_after_sec) {
        uint64_t seconds = retry_after_sec > 0 ? retry_after_sec : UINT64_C(1) << MIN(attempt - 1, 6U),
                 end = now_usec() + MIN(seconds, WAIT_SEC_MAX) * USEC_PER_SEC;

        while (now_usec() < end) {
                if (r->options.is_wanted && !r->options.is_wanted(r->options.userdata))
                        return -ECANCELED;
                (void) usleep((useconds_t) WAIT_SLICE_USEC); /* a signal only makes it shorter */
        }
        return 0;
}

int registry_refuse(const HttpAnswer *answer, const char *what, Error *error) {
        const Buffer *body = &answer->body;
        _cleanup_json_ json_t *json = body->data ? json_loadb(body->data, body->size, 0, NULL) : NULL;
        json_t *first = json_array_get(json_object_get(json, "errors"), 0);
        const char *code = json_string_value(json_object_get(first, "code"));
        const char *message = json_string_value(json_object_get(first, "message"));
        bool denied = answer->status == HTTP_UNAUTHORIZED || answer->status == HTTP_FORBIDDEN,
             missing = answer->status == HTTP_NOT_FOUND;

        return error_set(
                        error,
                        missing                ? -ENOENT :
                                        denied ? -EACCES :
                                                 -EIO,
                        missing                ? STATUS_NOT_FOUND :
                                        denied ? STATUS_PERMISSION_DENIED :
                                                 STATUS_UNKNOWN,
                        "%s%s: the registry answered %ld%s%.80s%s%.200s",
                        answer->status >= HTTP_SERVER_ERROR ? "RegistryUnavailable: " : "",
                        what,
                        answer->status,
                        code ? " " : "",
                        strempty(code),
                        message ? ": " : "",
                        strempty(message));
}

int registry_request(
                Registry *r,
                const HttpRequest *request,
                unsigned attempts_max,
                HttpAnswer *ret,
                Error *error) {
        for (unsigned attempt = 1;; attempt++) {
                _cleanup_error_ Error last = ERROR_INIT;
                int e;

                e = http_run(r->http, request, ret, &last);
                if (!registry_is_temporary(e, ret->status) || attempt >= attempts_max) {
                        error_move(error, &last);
                        return e;
                }
                e = registry_wait(r, attempt, ret->retry_after_sec);
                http_answer_done(ret);
                if (e < 0)
                        return e;
        }
}

static int ping(Registry *r, const char *scheme, Error *error) {
        _cleanup_free_ char *url = str_join(scheme, "://", r->host, "/v2/", NULL);
        _cleanup_(http_answer_done) HttpAnswer answer = { 0 };
        int e;

        if (!url)
                return -ENOMEM;
        /* One that has too much to do is asked again; one that nobody hears of is reported at once. */
        for (unsigned attempt = 1;; attempt++) {
                e = http_run(r->http,
                             &(HttpRequest){ .url = url, .body_max = ERROR_BODY_MAX },
                             &answer,
                             error);
                if (e < 0)
                        return e;
                if (!registry_is_temporary(e, answer.status) || attempt >= REGISTRY_ATTEMPTS_MAX)
                        break;
                e = registry_wait(r, attempt, answer.retry_after_sec);
                http_answer_done(&answer);
                if (e < 0)
                        return e;
        }
        if (answer.status != HTTP_OK && answer.status != HTTP_UNAUTHORIZED)
                return registry_refuse(&answer, r->host, error);
        r->scheme = scheme;
        r->challenge = answer.challenge;
        answer.challenge = (Challenge){ 0 };
        return 0;
}

static int find_scheme(Registry *r, Error *error) {
        _cleanup_error_ Error https = ERROR_INIT;
        int e;

        e = ping(r, "https", &https);
        if (!r->options.insecure || (e != -EHOSTUNREACH && e != -ECONNRESET && e != -EPROTO)) {
                error_move(error, &https);
                return e;
        }
        return ping(r, "http", error);
}

static int registry_init(const RegistryOptions *options, const char *host, Registry **ret) {
        _cleanup_(registry_freep) Registry *r = new0(Registry, 1);
        int e;

        if (!r)
                return -ENOMEM;
        *r = (Registry){ .options = *options,
                         .host = strdup(host),
                         .repository = strdup(options->reference->repository) };
        if (!r->host || !r->repository)
                return -ENOMEM;
        e = http_new(&(HttpOptions){ .insecure_host = options->insecure ? r->host : NULL,
                                     .plain = options->insecure,
                                     .is_wanted = options->is_wanted,
                                     .userdata = options->userdata },
                     &r->http);
        if (e >= 0)
                *ret = TAKE_PTR(r);
        return e;
}

int registry_new(const RegistryOptions *options, Registry **ret, Error *error) {
        const char *domain = options->reference->domain;
        _cleanup_(registry_freep) Registry *r = NULL;
        int e;

        e = registry_init(options, streq(domain, "docker.io") ? "registry-1.docker.io" : domain, &r);
        if (e >= 0)
                e = find_scheme(r, error);
        if (e >= 0)
                e = registry_authorize(r, NULL, error);
        if (e >= 0)
                *ret = TAKE_PTR(r);
        return e;
}

int registry_dup(const Registry *from, Registry **ret) {
        RegistryOptions options = from->options;
        _cleanup_(registry_freep) Registry *r = NULL;
        int e;

        options.is_wanted = NULL;
        e = registry_init(&options, from->host, &r);
        if (e < 0)
                return e;
        r->scheme = from->scheme;
        r->challenge = (Challenge){ .basic = from->challenge.basic,
                                    .bearer = from->challenge.bearer,
                                    .basic_first = from->challenge.basic_first };
        e = str_replace(&r->challenge.realm, from->challenge.realm);
        if (e >= 0)
                e = str_replace(&r->challenge.service, from->challenge.service);
        if (e >= 0)
                e = str_replace(&r->authorization, from->authorization);
        if (e >= 0)
                *ret = TAKE_PTR(r);
        return e;
}

Registry *registry_free(Registry *r) {
        if (!r)
                return NULL;
        http_free(r->http);
        challenge_done(&r->challenge);
        free(r->authorization);
        free(r->host);
        free(r->repository);
        free(r);
        return NULL;
}

/* The answer's body becomes the caller's, its digest is told and, for a digest, compared. */
static int take_manifest(HttpAnswer *answer, const char *what, Buffer *body, Digest *ret, Error *error) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        unsigned hash_size;

        if (EVP_Digest(strempty(answer->body.data),
                       answer->body.size,
                       hash,
                       &hash_size,
                       EVP_sha256(),
                       NULL) != 1)
                return -ENOMEM;
        digest_from_bytes(hash, ret);
        if (startswith(what, "sha256:") && !streq(what, ret->text))
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "manifest %s: the registry sent one whose digest is %s",
                                what,
                                ret->text);
        buffer_done(body);
        *body = answer->body;
        answer->body = BUFFER_INIT(0);
        return 0;
}

int registry_get_manifest(Registry *r, const char *what, Buffer *body, Digest *ret_digest, Error *error) {
        static const char accept[] = "Accept: application/vnd.oci.image.manifest.v1+json, "
                                     "application/vnd.docker.distribution.manifest.v2+json, "
                                     "application/vnd.docker.distribution.manifest.list.v2+json, "
                                     "application/vnd.oci.image.index.v1+json";
        _cleanup_(http_answer_done) HttpAnswer answer = { 0 };
        _cleanup_free_ char *url =
                        str_join(r->scheme,
                                 "://",
                                 r->host,
                                 "/v2/",
                                 r->repository,
                                 "/manifests/",
                                 what,
                                 NULL);
        int e = url ? 0 : -ENOMEM;

        for (bool again = true; e >= 0;) {
                http_answer_done(&answer);
                e = registry_request(
                                r,
                                &(HttpRequest){ .url = url,
                                                .accept = accept,
                                                .authorization = r->authorization,
                                                .body_max = REGISTRY_DOCUMENT_MAX },
                                REGISTRY_ATTEMPTS_MAX,
                                &answer,
                                error);
                if (e < 0 || answer.status != HTTP_UNAUTHORIZED || !answer.challenge.bearer || !again)
                        break;
                /* A token that is too old or does not reach far enough: one more. */
                again = false;
                e = registry_authorize(
                                r,
                                answer.challenge.insufficient_scope ? answer.challenge.scope : NULL,
                                error);
        }
        if (e < 0)
                return error_prefix(error, e, "manifest %s", what);
        if (answer.status != HTTP_OK)
                return registry_refuse(&answer, what, error);
        return take_manifest(&answer, what, body, ret_digest, error);
}
