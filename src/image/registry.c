/* SPDX-License-Identifier: Apache-2.0 */
#include "image/registry.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include "basic/clock.h"
#include "basic/str.h"
#include "format/json-field.h"
#include "image/challenge.h"

#define URL_MAX 8192
#define HEADER_MAX (256 * KIB)
#define ERROR_BODY_MAX (64 * KIB)
#define TOKEN_BODY_MAX (1 * MIB)
#define REDIRECTS_MAX 10
#define CONNECT_TIMEOUT_SEC 30L
/* A transfer slower than this for so long has died. */
#define LOW_SPEED_BYTES 1L
#define LOW_SPEED_SEC 60L
#define ATTEMPTS_MAX 5
#define RETRY_WAIT_USEC (1 * USEC_PER_SEC)
#define RESUME_BYTES_MIN (1 * MIB)
#define RESUME_WAIT_USEC (60 * USEC_PER_SEC)

enum {
        HTTP_OK = 200,
        HTTP_PARTIAL = 206,
        HTTP_UNAUTHORIZED = 401,
        HTTP_FORBIDDEN = 403,
        HTTP_NOT_FOUND = 404,
        HTTP_TOO_MANY = 429,
        HTTP_SERVER_ERROR = 500,
};

struct Registry {
        CURL *curl;
        const char *scheme;
        char *host, *repository;
        RegistryAuth auth;
        bool insecure;
        Challenge challenge;
        char *authorization; /* header line; NULL: none */
};

/* One request and what came back. */
typedef struct Transfer {
        Registry *registry;
        const char *url;
        const char *authorization; /* header line or NULL */
        const char *accept;        /* header line or NULL */
        const char *range;         /* "100-" or NULL */
        const char *form;          /* body of a POST or NULL */
        RegistryWrite write;       /* NULL: into body */
        void *userdata;
        Buffer body;
        size_t header_bytes;
        Challenge challenge;
        long status;
        int write_result;
        Error *error;
} Transfer;

static size_t on_header(char *data, size_t one, size_t size, void *userdata) {
        static const char name[] = "www-authenticate:";
        Transfer *t = userdata;

        t->header_bytes += size;
        if (t->header_bytes > HEADER_MAX)
                return 0;
        if (size > sizeof(name) && strncasecmp(data, name, sizeof(name) - 1) == 0) {
                _cleanup_free_ char *value = strndup(data + sizeof(name) - 1, size - sizeof(name) + 1);

                if (!value)
                        return 0;
                (void) challenge_parse(value, &t->challenge); /* one that makes no sense is none */
        }
        return size;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata) {
        Transfer *t = userdata;
        long status = 0;

        (void) curl_easy_getinfo(t->registry->curl, CURLINFO_RESPONSE_CODE, &status);
        if (t->write && (status == HTTP_OK || status == HTTP_PARTIAL)) {
                /* A server that sends everything again was asked for the rest. */
                t->write_result = t->range && status != HTTP_PARTIAL ? -EPROTO :
                                                                       t->write(data, size, t->userdata);
                return t->write_result < 0 ? 0 : size;
        }
        t->write_result = buffer_add(&t->body, data, size);
        return t->write_result < 0 ? 0 : size;
}

static int add_header(struct curl_slist **list, const char *line) {
        struct curl_slist *longer = line ? curl_slist_append(*list, line) : *list;

        if (line && !longer)
                return -ENOMEM;
        *list = longer;
        return 0;
}

static void free_list(struct curl_slist **list) {
        curl_slist_free_all(*list);
}

static void set_options(Transfer *t, struct curl_slist *headers) {
        const Registry *r = t->registry;
        CURL *c = r->curl;

        curl_easy_reset(c);
        (void) curl_easy_setopt(c, CURLOPT_URL, t->url);
        (void) curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        (void) curl_easy_setopt(c, CURLOPT_USERAGENT, "cri-o/" CRIO_VERSION);
        (void) curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
        (void) curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long) REDIRECTS_MAX);
        (void) curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_SEC);
        (void) curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
        (void) curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SEC);
        (void) curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
        (void) curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        (void) curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
        (void) curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long) CURL_MAX_READ_SIZE);
        (void) curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, r->insecure ? "http,https" : "https");
        (void) curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, r->insecure ? "http,https" : "https");
        (void) curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, r->insecure ? 0L : 1L);
        (void) curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, r->insecure ? 0L : 2L);
        if (t->range)
                (void) curl_easy_setopt(c, CURLOPT_RANGE, t->range);
        if (t->form)
                (void) curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->form);
}

static int transfer_fail(Transfer *t, CURLcode code) {
        if (t->write_result < 0)
                return t->write_result == -E2BIG ? error_set(t->error,
                                                             -E2BIG,
                                                             STATUS_INTERNAL,
                                                             "%s: answer is too long",
                                                             t->url) :
                                                   t->write_result;
        return error_set(
                        t->error,
                        code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR ||
                                                        code == CURLE_OPERATION_TIMEDOUT ||
                                                        code == CURLE_HTTP2_STREAM ?
                                        -ECONNRESET :
                                        -EHOSTUNREACH,
                        STATUS_UNKNOWN,
                        "RegistryUnavailable: %s: %s",
                        t->url,
                        curl_easy_strerror(code));
}

/* 0: an answer came, with whatever status; -ECONNRESET: it broke off; -EHOSTUNREACH: none came. curl keeps
 * CURLOPT_HTTPHEADER's Authorization to the first host only (CURLOPT_UNRESTRICTED_AUTH is off). */
static int transfer_run(Transfer *t) {
        _cleanup_(free_list) struct curl_slist *headers = NULL;
        CURLcode code;
        int r;

        r = add_header(&headers, "Docker-Distribution-API-Version: registry/2.0");
        if (r >= 0)
                r = add_header(&headers, t->authorization);
        if (r >= 0)
                r = add_header(&headers, t->accept);
        if (r < 0)
                return r;
        set_options(t, headers);
        code = curl_easy_perform(t->registry->curl);
        if (code != CURLE_OK)
                return transfer_fail(t, code);
        (void) curl_easy_getinfo(t->registry->curl, CURLINFO_RESPONSE_CODE, &t->status);
        return 0;
}

static void transfer_done(Transfer *t) {
        buffer_done(&t->body);
        challenge_done(&t->challenge);
}

/* What a registry says about a failure: {"errors":[{"code":…,"message":…}]}, or any text. */
static int refuse_status(const Transfer *t, const char *what, Error *error) {
        _cleanup_json_ json_t *json = t->body.data ? json_loadb(t->body.data, t->body.size, 0, NULL) : NULL;
        json_t *first = json_array_get(json_object_get(json, "errors"), 0);
        const char *code = json_string_value(json_object_get(first, "code"));
        const char *message = json_string_value(json_object_get(first, "message"));
        bool denied = t->status == HTTP_UNAUTHORIZED || t->status == HTTP_FORBIDDEN;

        return error_set(
                        error,
                        t->status == HTTP_NOT_FOUND ? -ENOENT :
                                        denied      ? -EACCES :
                                                      -EIO,
                        t->status == HTTP_NOT_FOUND ? STATUS_NOT_FOUND :
                                        denied      ? STATUS_PERMISSION_DENIED :
                                                      STATUS_UNKNOWN,
                        "%s%s: registry answered %ld%s%s%s%.200s",
                        t->status >= HTTP_SERVER_ERROR ? "RegistryUnavailable: " : "",
                        what,
                        t->status,
                        code ? " " : "",
                        strempty(code),
                        message ? ": " : "",
                        strempty(message));
}

static int basic_authorization(const RegistryAuth *auth, char **ret) {
        _cleanup_free_ char *plain = str_join(auth->username, ":", strempty(auth->password), NULL);
        size_t size = plain ? strlen(plain) : 0;
        _cleanup_free_ unsigned char *encoded = malloc(4 * (size / 3 + 1) + 1);

        if (!plain || !encoded)
                return -ENOMEM;
        (void) EVP_EncodeBlock(encoded, (const unsigned char *) plain, (int) size); /* cannot fail */
        *ret = str_join("Authorization: Basic ", (const char *) encoded, NULL);
        return *ret ? 0 : -ENOMEM;
}

/* "key=value" with escapes, behind what is there. */
static int add_parameter(Registry *r, Buffer *b, const char *key, const char *value) {
        char *escaped;
        int e;

        if (isempty(value))
                return 0;
        escaped = curl_easy_escape(r->curl, value, 0);
        if (!escaped)
                return -ENOMEM;
        e = buffer_addf(b, "%s%s=%s", b->size > 0 ? "&" : "", key, escaped);
        curl_free(escaped);
        return e;
}

static int token_from_body(const Transfer *t, char **ret, Error *error) {
        _cleanup_json_ json_t *json = NULL;
        const char *token;
        int r;

        r = json_parse("token", strempty(t->body.data), t->body.size, &json, error);
        if (r < 0)
                return r;
        token = json_string_value(json_object_get(json, "token"));
        if (isempty(token))
                token = json_string_value(json_object_get(json, "access_token"));
        if (isempty(token) || strpbrk(token, "\r\n"))
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "the token server sent no token");
        *ret = str_join("Authorization: Bearer ", token, NULL);
        return *ret ? 0 : -ENOMEM;
}

static int fetch_token(Registry *r, Error *error) {
        _cleanup_buffer_ Buffer query = BUFFER_INIT(URL_MAX);
        _cleanup_free_ char *scope = str_join("repository:", r->repository, ":pull", NULL), *basic = NULL,
                            *url = NULL;
        _cleanup_(transfer_done)
                        Transfer t = { .registry = r, .body = BUFFER_INIT(TOKEN_BODY_MAX), .error = error };
        bool refresh = !isempty(r->auth.identity_token), user = !isempty(r->auth.username);
        int e = scope ? 0 : -ENOMEM;

        if (e >= 0 && refresh)
                e = buffer_adds(&query, "grant_type=refresh_token&client_id=containers%2Fimage");
        if (e >= 0 && refresh)
                e = add_parameter(r, &query, "refresh_token", r->auth.identity_token);
        if (e >= 0 && user && !refresh)
                e = add_parameter(r, &query, "account", r->auth.username);
        if (e >= 0)
                e = add_parameter(r, &query, "service", r->challenge.service);
        if (e >= 0)
                e = add_parameter(r, &query, "scope", scope);
        if (e >= 0 && user && !refresh)
                e = basic_authorization(&r->auth, &basic);
        if (e < 0)
                return e;

        url = refresh ? strdup(r->challenge.realm) :
                        str_join(r->challenge.realm,
                                 strchr(r->challenge.realm, '?') ? "&" : "?",
                                 query.data,
                                 NULL);
        if (!url)
                return -ENOMEM;
        t.url = url;
        t.form = refresh ? query.data : NULL;
        t.authorization = basic;
        e = transfer_run(&t);
        if (e < 0)
                return e;
        if (t.status != HTTP_OK)
                return refuse_status(&t, "token", error);
        free(r->authorization);
        r->authorization = NULL;
        return token_from_body(&t, &r->authorization, error);
}

/* What the ping asked for. */
static int authorize(Registry *r, Error *error) {
        if (!isempty(r->auth.registry_token)) {
                r->authorization = str_join("Authorization: Bearer ", r->auth.registry_token, NULL);
                return r->authorization ? 0 : -ENOMEM;
        }
        if (r->challenge.bearer)
                return fetch_token(r, error);
        if (r->challenge.basic && !isempty(r->auth.username))
                return basic_authorization(&r->auth, &r->authorization);
        return 0;
}

static int ping(Registry *r, const char *scheme, Error *error) {
        _cleanup_free_ char *url = str_join(scheme, "://", r->host, "/v2/", NULL);
        _cleanup_(transfer_done) Transfer t = { .registry = r,
                                                .url = url,
                                                .body = BUFFER_INIT(ERROR_BODY_MAX),
                                                .error = error };
        int e;

        e = url ? transfer_run(&t) : -ENOMEM;
        if (e < 0)
                return e;
        if (t.status != HTTP_OK && t.status != HTTP_UNAUTHORIZED)
                return refuse_status(&t, r->host, error);
        r->scheme = scheme;
        r->challenge = t.challenge;
        t.challenge = (Challenge){ 0 };
        return 0;
}

int registry_new(
                const Reference *reference,
                const RegistryAuth *auth,
                bool insecure,
                Registry **ret,
                Error *error) {
        _cleanup_(registry_freep) Registry *r = new0(Registry, 1);
        bool docker = streq(reference->domain, "docker.io");
        int e;

        if (!r)
                return -ENOMEM;
        *r = (Registry){ .curl = curl_easy_init(),
                         .host = strdup(docker ? "registry-1.docker.io" : reference->domain),
                         .repository = strdup(reference->repository),
                         .auth = *auth,
                         .insecure = insecure };
        if (!r->curl || !r->host || !r->repository)
                return -ENOMEM;
        e = ping(r, "https", insecure ? NULL : error);
        if (insecure && (e == -EHOSTUNREACH || e == -ECONNRESET))
                e = ping(r, "http", error);
        if (e >= 0)
                e = authorize(r, error);
        if (e < 0)
                return e;
        *ret = TAKE_PTR(r);
        return 0;
}

Registry *registry_free(Registry *r) {
        if (!r)
                return NULL;
        if (r->curl)
                curl_easy_cleanup(r->curl);
        challenge_done(&r->challenge);
        free(r->authorization);
        free(r->host);
        free(r->repository);
        free(r);
        return NULL;
}

/* A moment before the next attempt, longer each time. */
static void back_off(unsigned attempt) {
        (void) usleep(
                        (useconds_t) (RETRY_WAIT_USEC
                                      << MIN(attempt, 4U))); /* a signal only makes it shorter */
}

static bool is_temporary(int r, long status) {
        return r == -ECONNRESET || (r >= 0 && (status == HTTP_TOO_MANY || status >= HTTP_SERVER_ERROR));
}

int registry_get_manifest(Registry *r, const char *what, Buffer *body, Digest *ret_digest, Error *error) {
        static const char accept[] = "Accept: application/vnd.oci.image.manifest.v1+json, "
                                     "application/vnd.docker.distribution.manifest.v2+json, "
                                     "application/vnd.docker.distribution.manifest.list.v2+json, "
                                     "application/vnd.oci.image.index.v1+json";
        uint8_t hash[EVP_MAX_MD_SIZE];
        unsigned hash_size;
        char url[URL_MAX];

        if ((size_t) snprintf(
                            url,
                            sizeof(url),
                            "%s://%s/v2/%s/manifests/%s",
                            r->scheme,
                            r->host,
                            r->repository,
                            what) >= sizeof(url))
                return error_set(
                                error,
                                -ENAMETOOLONG,
                                STATUS_INVALID_ARGUMENT,
                                "name of the image is too long");
        for (unsigned attempt = 0;; attempt++) {
                _cleanup_error_ Error e = ERROR_INIT;
                _cleanup_(transfer_done) Transfer t = { .registry = r,
                                                        .url = url,
                                                        .accept = accept,
                                                        .authorization = r->authorization,
                                                        .body = BUFFER_INIT(REGISTRY_DOCUMENT_MAX),
                                                        .error = &e };
                int result = transfer_run(&t);

                if (is_temporary(result, t.status) && attempt + 1 < ATTEMPTS_MAX) {
                        back_off(attempt);
                        continue;
                }
                if (result >= 0 && t.status != HTTP_OK)
                        result = refuse_status(&t, what, &e);
                if (result < 0) {
                        error_move(error, &e);
                        return result;
                }
                *body = t.body;
                t.body = BUFFER_INIT(0);
                break;
        }
        if (EVP_Digest(strempty(body->data), body->size, hash, &hash_size, EVP_sha256(), NULL) != 1)
                return -ENOMEM;
        digest_from_bytes(hash, ret_digest);
        if (startswith(what, "sha256:") && !streq(what, ret_digest->text))
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "manifest %s: the registry sent one whose digest is %s",
                                what,
                                ret_digest->text);
        return 0;
}

/* A blob that is being received: its state lives on over broken transfers. */
typedef struct Blob {
        EVP_MD_CTX *hash;
        uint64_t received, size;
        RegistryWrite write;
        void *userdata;
} Blob;

static int blob_write(const void *data, size_t size, void *userdata) {
        Blob *b = userdata;

        if (size > b->size - b->received)
                return -EFBIG;
        if (EVP_DigestUpdate(b->hash, data, size) != 1)
                return -ENOMEM;
        b->received += size;
        return b->write(data, size, b->userdata);
}

static int blob_check(const Blob *b, const Digest *digest, Error *error) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        Digest seen;

        if (b->received != b->size)
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "blob %s: %" PRIu64 " bytes came, its descriptor says %" PRIu64,
                                digest->text,
                                b->received,
                                b->size);
        if (EVP_DigestFinal_ex(b->hash, hash, NULL) != 1)
                return -ENOMEM;
        digest_from_bytes(hash, &seen);
        if (!streq(seen.text, digest->text))
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "blob %s: what came has the digest %s",
                                digest->text,
                                seen.text);
        return 0;
}

static int
blob_transfer(Registry *r, const Digest *digest, Blob *b, const char *url, long *ret_status, Error *error) {
        char range[DECIMAL_MAX + 1];
        _cleanup_(transfer_done) Transfer t = { .registry = r,
                                                .url = url,
                                                .authorization = r->authorization,
                                                .range = b->received > 0 ? range : NULL,
                                                .write = blob_write,
                                                .userdata = b,
                                                .body = BUFFER_INIT(ERROR_BODY_MAX),
                                                .error = error };
        int e;

        (void) snprintf(range, sizeof(range), "%" PRIu64 "-", b->received); /* fits */
        e = transfer_run(&t);
        *ret_status = t.status;
        if (e == -EFBIG)
                return error_set(
                                error,
                                e,
                                STATUS_UNKNOWN,
                                "blob %s: more bytes than its descriptor says",
                                digest->text);
        if (e >= 0 && t.status != HTTP_OK && t.status != HTTP_PARTIAL)
                return is_temporary(0, t.status) ? 0 : refuse_status(&t, digest->text, error);
        return e;
}

/* Whether another attempt makes sense: the first time, or when much came or time passed since. */
static bool may_resume(const Blob *b, unsigned attempt, uint64_t last_received, uint64_t last_usec) {
        return attempt == 0 || b->received - last_received >= RESUME_BYTES_MIN ||
                        now_usec() - last_usec >= RESUME_WAIT_USEC ||
                        (b->received == 0 && attempt < ATTEMPTS_MAX);
}

int registry_get_blob(
                Registry *r,
                const Digest *digest,
                uint64_t size,
                RegistryWrite write,
                void *userdata,
                Error *error) {
        Blob b = { .hash = EVP_MD_CTX_new(), .size = size, .write = write, .userdata = userdata };
        uint64_t last_received = 0, last_usec = 0;
        char url[URL_MAX];
        int e = 0;

        if (!b.hash || EVP_DigestInit_ex(b.hash, EVP_sha256(), NULL) != 1)
                e = -ENOMEM;
        else if ((size_t) snprintf(
                                 url,
                                 sizeof(url),
                                 "%s://%s/v2/%s/blobs/%s",
                                 r->scheme,
                                 r->host,
                                 r->repository,
                                 digest->text) >= sizeof(url))
                e = -ENAMETOOLONG;
        for (unsigned attempt = 0; e >= 0; attempt++) {
                _cleanup_error_ Error last = ERROR_INIT;
                long status;
                bool temporary;

                e = blob_transfer(r, digest, &b, url, &status, &last);
                temporary = is_temporary(e, status);
                if (!temporary || !may_resume(&b, attempt, last_received, last_usec)) {
                        if (temporary && e >= 0)
                                e = error_set(&last,
                                              -EIO,
                                              STATUS_UNKNOWN,
                                              "RegistryUnavailable: blob %s: registry answers %ld",
                                              digest->text,
                                              status);
                        error_move(error, &last);
                        break;
                }
                last_received = b.received;
                last_usec = now_usec();
                back_off(attempt);
                e = 0;
        }
        if (e >= 0)
                e = blob_check(&b, digest, error);
        EVP_MD_CTX_free(b.hash);
        return e;
}
