/* SPDX-License-Identifier: Apache-2.0 */
#include "format/reference.h"

#include "basic/id.h"
#include "basic/number.h"
#include "basic/str.h"
#include "format/digest.h"

#define TAG_MAX 128
#define REPOSITORY_MAX 255
#define TAG_CHARS STR_LOWER STR_UPPER STR_DIGITS "_.-"

void reference_done(Reference *r) {
        free(r->domain);
        free(r->repository);
        free(r->tag);
        free(r->digest);
        *r = (Reference){};
}

static bool is_alphanumeric(char c) {
        return c && strchr(STR_LOWER STR_DIGITS, c);
}

/* Components of [a-z0-9] with single ".", "_", "__" or any number of "-" in between. */
static bool component_is_valid(const char *s, size_t n) {
        if (n == 0 || !is_alphanumeric(s[0]) || !is_alphanumeric(s[n - 1]))
                return false;
        for (size_t i = 0; i < n; i++) {
                size_t run = strspn(s + i, "._-");

                if (is_alphanumeric(s[i]))
                        continue;
                if (run == 0)
                        return false;
                if (s[i] == '-' ? strspn(s + i, "-") < run :
                                  run > 1 && !(run == 2 && s[i] == '_' && s[i + 1] == '_'))
                        return false;
                i += run - 1;
        }
        return true;
}

static bool repository_is_valid(const char *s) {
        if (strlen(s) > REPOSITORY_MAX)
                return false;
        for (;;) {
                size_t n = strcspn(s, "/");

                if (!component_is_valid(s, n))
                        return false;
                if (!s[n])
                        return true;
                s += n + 1;
        }
}

static bool is_domain(const char *s, size_t n) {
        return memchr(s, '.', n) || memchr(s, ':', n) ||
                        (n == strlen("localhost") && memcmp(s, "localhost", n) == 0);
}

/* "host", "host:5000" or "[::1]:5000". */
static bool domain_is_valid(const char *s) {
        const char *port = strrchr(s, ':'), *bracket = *s == '[' ? strchr(s, ']') : NULL;
        size_t n = bracket ? (size_t) (bracket + 1 - s) : port ? (size_t) (port - s) : strlen(s);
        uint64_t number;

        if (n == 0 || (bracket && strspn(s + 1, STR_HEX_DIGITS "ABCDEF:.") + 2 != n) ||
            (!bracket && strspn(s, STR_LOWER STR_UPPER STR_DIGITS ".-") != n))
                return false;
        return !s[n] || (s[n] == ':' && parse_u64(s + n + 1, UINT16_MAX, &number) >= 0 && number > 0);
}

/* Docker's own registry has a folder for names without one. */
static int split_domain(const char *name, Reference *r) {
        const char *slash = strchr(name, '/'), *rest = name;

        if (slash && is_domain(name, (size_t) (slash - name))) {
                r->domain = strndup(name, (size_t) (slash - name));
                rest = slash + 1;
        } else
                r->domain = strdup("docker.io");
        if (!r->domain)
                return -ENOMEM;
        if (streq(r->domain, "index.docker.io") && str_replace(&r->domain, "docker.io") < 0)
                return -ENOMEM;
        r->repository = streq(r->domain, "docker.io") && !strchr(rest, '/') ?
                        str_join("library/", rest, NULL) :
                        strdup(rest);
        return r->repository ? 0 : -ENOMEM;
}

static int invalid(Error *error, const char *s, const char *what) {
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "invalid image reference \"%.200s\": %s",
                        s,
                        what);
}

int reference_parse(const char *s, Reference *ret, Error *error) {
        _cleanup_(reference_done) Reference r = {};
        _cleanup_free_ char *name = strdup(s);
        char *at, *colon;
        Digest digest;
        int e;

        if (!name)
                return -ENOMEM;
        if (isempty(s) || strlen(s) > REFERENCE_MAX)
                return invalid(error, strlen(s) > REFERENCE_MAX ? "…" : s, "expected 1 to 4096 bytes");

        if (id_is_valid(s))
                return invalid(error, s, "64 hexadecimal digits are an id, not a name");
        at = strchr(name, '@');
        if (at) {
                *at++ = '\0';
                if (digest_parse(at, &digest) < 0)
                        return invalid(error, s, "the digest is not sha256 with 64 digits");
                r.digest = strdup(at);
                if (!r.digest)
                        return -ENOMEM;
        }
        colon = strrchr(name, ':');
        if (colon && !strchr(colon, '/')) {
                *colon++ = '\0';
                if (isempty(colon) || strlen(colon) > TAG_MAX || !str_in_charset(colon, TAG_CHARS) ||
                    strchr(".-", colon[0]))
                        return invalid(error, s, "the tag is not 1 to 128 of A-Z a-z 0-9 _ . -");
                r.tag = strdup(colon);
                if (!r.tag)
                        return -ENOMEM;
        }
        e = split_domain(name, &r);
        if (e < 0)
                return e;
        if (!repository_is_valid(r.repository) || !domain_is_valid(r.domain))
                return invalid(error,
                               s,
                               "the name is not a registry with a port up to 65535, then lower case letters, digits and separators");

        if (r.digest)
                free(TAKE_PTR(r.tag)); /* the digest says more */
        else if (!r.tag) {
                r.tag = strdup("latest");
                if (!r.tag)
                        return -ENOMEM;
        }
        *ret = r;
        r = (Reference){};
        return 0;
}

char *reference_format_name(const Reference *r) {
        return str_join(r->domain, "/", r->repository, NULL);
}

char *reference_format(const Reference *r) {
        return str_join(r->domain, "/", r->repository, r->digest ? "@" : ":", r->digest ?: r->tag, NULL);
}
