/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>

#include "basic/str.h"
#include "format/json-field.h"
#include "image/registry-internal.h"

#define TOKEN_BODY_MAX (1 * MIB)

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

static int token_from_body(const Buffer *body, char **ret, Error *error) {
        _cleanup_json_ json_t *json = NULL;
        const char *token;
        int r;

        r = json_parse_foreign("token", body->data, body->size, &json, error);
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

/* The parameters, for the body of a POST (with an identity token) or behind the "?" of a GET. */
static int token_query(Registry *r, const char *scope, Buffer *query) {
        const RegistryAuth *auth = &r->options.auth;
        _cleanup_free_ char *own = str_join("repository:", r->repository, ":pull", NULL);
        int e = own ? 0 : -ENOMEM;

        if (e >= 0 && !isempty(auth->identity_token)) {
                e = buffer_adds(query, "grant_type=refresh_token&client_id=containers%2Fimage");
                if (e >= 0)
                        e = http_add_parameter(r->http, query, "refresh_token", auth->identity_token);
        } else if (e >= 0)
                e = http_add_parameter(r->http, query, "account", auth->username);
        if (e >= 0)
                e = http_add_parameter(r->http, query, "service", r->challenge.service);
        return e < 0 ? e : http_add_parameter(r->http, query, "scope", scope ?: own);
}

static int fetch_token(Registry *r, const char *scope, Error *error) {
        const RegistryAuth *auth = &r->options.auth;
        bool refresh = !isempty(auth->identity_token), user = !refresh && !isempty(auth->username);
        _cleanup_buffer_ Buffer query = BUFFER_INIT(REGISTRY_URL_MAX);
        _cleanup_(http_answer_done) HttpAnswer answer = { 0 };
        _cleanup_free_ char *basic = NULL, *url = NULL, *header = NULL;
        const char *realm = r->challenge.realm;
        int e;

        e = token_query(r, scope, &query);
        if (e >= 0 && user)
                e = basic_authorization(auth, &basic);
        if (e < 0)
                return e;
        url = refresh ? strdup(realm) : str_join(realm, strchr(realm, '?') ? "&" : "?", query.data, NULL);
        if (!url)
                return -ENOMEM;
        e = registry_request(
                        r,
                        &(HttpRequest){ .url = url,
                                        .form = refresh ? query.data : NULL,
                                        .authorization = basic,
                                        .body_max = TOKEN_BODY_MAX },
                        REGISTRY_ATTEMPTS_MAX,
                        &answer,
                        error);
        if (e < 0)
                return error_prefix(error, e, "token");
        if (answer.status != HTTP_OK)
                return registry_refuse(&answer, "token", error);
        e = token_from_body(&answer.body, &header, error);
        if (e < 0)
                return e;
        free(r->authorization);
        r->authorization = TAKE_PTR(header);
        return 0;
}

/* Where an answer without credentials says nothing of them, none are sent. */
int registry_authorize(Registry *r, const char *scope, Error *error) {
        const RegistryAuth *auth = &r->options.auth;
        bool user = !isempty(auth->username);

        if (r->challenge.basic && user && (r->challenge.basic_first || !r->challenge.bearer)) {
                free(TAKE_PTR(r->authorization));
                return basic_authorization(auth, &r->authorization);
        }
        if (!r->challenge.bearer)
                return 0;
        if (isempty(auth->registry_token))
                return fetch_token(r, scope, error);
        free(r->authorization);
        r->authorization = str_join("Authorization: Bearer ", auth->registry_token, NULL);
        return r->authorization ? 0 : -ENOMEM;
}
