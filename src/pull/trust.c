/* SPDX-License-Identifier: Apache-2.0 */
#include "pull/trust.h"

#include <fcntl.h>
#include <openssl/evp.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "format/json-field.h"

#define POLICY_PATH "/etc/containers/policy.json"
#define TRUST_FILE_MAX (4 * MIB)

/* Every requirement has to be one that asks for nothing. */
static int check_requirements(const char *path, json_t *requirements, Error *error) {
        json_t *requirement;
        size_t i;

        if (!json_is_array(requirements) || json_array_size(requirements) == 0)
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "%s: a scope has no requirements", path);
        json_array_foreach(requirements, i, requirement) {
                const char *type = json_string_value(json_object_get(requirement, "type"));

                if (!type)
                        return error_set(
                                        error,
                                        -EBADMSG,
                                        STATUS_UNKNOWN,
                                        "%s: a requirement has no type",
                                        path);
                if (streq(type, "insecureAcceptAnything"))
                        continue;
                if (streq(type, "reject"))
                        return error_set(
                                        error,
                                        -EACCES,
                                        STATUS_UNKNOWN,
                                        "SignatureValidationFailed: the image is rejected by policy %s",
                                        path);
                return error_set(
                                error,
                                -EOPNOTSUPP,
                                STATUS_UNKNOWN,
                                "SignatureValidationFailed: policy %s demands \"%.40s\", which this version can not check",
                                path,
                                type);
        }
        return 0;
}

/* Requirements of the most special scope of the docker transport, from "host/repository:tag" up to
 * "*.domain". */
static json_t *find_scope(json_t *transport, const Reference *reference) {
        _cleanup_free_ char *whole = reference_format(reference), *name = reference_format_name(reference);
        json_t *found = NULL;

        if (whole)
                found = json_object_get(transport, whole);
        for (char *slash; !found && name;) {
                found = json_object_get(transport, name);
                slash = strrchr(name, '/');
                if (!slash)
                        break;
                *slash = '\0';
        }
        for (const char *dot = strchr(reference->domain, '.'); !found && dot; dot = strchr(dot + 1, '.')) {
                _cleanup_free_ char *wildcard = str_join("*", dot, NULL);

                found = wildcard ? json_object_get(transport, wildcard) : NULL;
        }
        return found ?: json_object_get(transport, "");
}

int policy_check(const char *path, const Reference *reference, Error *error) {
        _cleanup_json_ json_t *json = NULL;
        _cleanup_free_ char *text = NULL;
        json_t *requirements;
        size_t size;
        int r;

        if (isempty(path))
                path = POLICY_PATH;
        r = read_file_at(AT_FDCWD, path, TRUST_FILE_MAX, &text, &size);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_UNKNOWN,
                                "signature policy %s: %s; without one nothing may be pulled",
                                path,
                                STRERROR(r));
        r = json_parse_foreign(path, text, size, &json, error);
        if (r < 0)
                return r;
        requirements = find_scope(json_object_get(json_object_get(json, "transports"), "docker"), reference);
        return check_requirements(path, requirements ?: json_object_get(json, "default"), error);
}

/* "auth": base64 of "user:password". */
static int decode_auth(const char *encoded, char **ret_username, char **ret_password) {
        size_t size = strlen(encoded);
        _cleanup_free_ char *plain = new0(char, size + 1);
        char *colon;

        if (!plain)
                return -ENOMEM;
        if (size == 0 || size % 4 != 0 ||
            EVP_DecodeBlock((unsigned char *) plain, (const unsigned char *) encoded, (int) size) < 0)
                return -EBADMSG;
        colon = strchr(plain, ':');
        if (!colon)
                return -EBADMSG;
        *colon = '\0';
        *ret_username = strdup(plain);
        *ret_password = strdup(colon + 1);
        return *ret_username && *ret_password ? 0 : -ENOMEM;
}

int auth_file_find(
                const char *path,
                const Reference *reference,
                char **ret_username,
                char **ret_password,
                char **ret_token,
                Error *error) {
        _cleanup_free_ char *text = NULL, *name = reference_format_name(reference);
        _cleanup_json_ json_t *json = NULL;
        json_t *auths, *entry = NULL;
        const char *auth, *token;
        size_t size;
        int r;

        if (isempty(path))
                return 0;
        r = read_file_at(AT_FDCWD, path, TRUST_FILE_MAX, &text, &size);
        if (r < 0)
                return error_set(error, r, STATUS_UNKNOWN, "credentials %s: %s", path, STRERROR(r));
        r = json_parse_foreign(path, text, size, &json, error);
        if (r < 0)
                return r;
        auths = json_object_get(json, "auths");
        for (char *slash; !entry && name;) { /* from the repository up to the host */
                entry = json_object_get(auths, name);
                slash = strrchr(name, '/');
                if (!slash)
                        break;
                *slash = '\0';
        }
        auth = json_string_value(json_object_get(entry, "auth"));
        token = json_string_value(json_object_get(entry, "identitytoken"));
        if (!isempty(token))
                return str_replace(ret_token, token);
        r = isempty(auth) ? 0 : decode_auth(auth, ret_username, ret_password);
        return r < 0 ? error_set(error,
                                 r,
                                 STATUS_UNKNOWN,
                                 "credentials %s: those of %s make no sense",
                                 path,
                                 reference->domain) :
                       0;
}

bool registry_is_insecure(const char *domain, char *const *insecure) {
        _cleanup_free_ char *host = strndup(domain, strcspn(domain, ":"));

        if (strv_contains(insecure, domain) || startswith(domain, "[::1]"))
                return true;
        return host &&
                        (streq(host, "localhost") ||
                         (startswith(host, "127.") && str_in_charset(host, STR_DIGITS ".")) ||
                         strv_contains(insecure, host));
}
