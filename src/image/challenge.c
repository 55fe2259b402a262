/* SPDX-License-Identifier: Apache-2.0 */
#include "image/challenge.h"

#include <strings.h>

#include "basic/str.h"

#define TOKEN_CHARS STR_LOWER STR_UPPER STR_DIGITS "!#$%&'*+-.^_`|~"

void challenge_done(Challenge *c) {
        free(c->realm);
        free(c->service);
        free(c->scope);
        *c = (Challenge){ 0 };
}

/* A token or a quoted string at *p, with its escapes taken out. */
static int parse_value(const char **p, char *ret) {
        const char *s = *p;
        size_t n = 0;

        if (*s != '"') {
                n = strspn(s, TOKEN_CHARS "/:=");
                if (n == 0 || n >= CHALLENGE_VALUE_MAX)
                        return -EINVAL;
                memcpy(ret, s, n);
                ret[n] = '\0';
                *p = s + n;
                return 0;
        }
        for (s++; *s && *s != '"'; s++) {
                if (*s == '\\' && s[1])
                        s++;
                if ((uint8_t) *s < 0x20 || n + 1 >= CHALLENGE_VALUE_MAX)
                        return -EINVAL;
                ret[n++] = *s;
        }
        if (*s != '"')
                return -EINVAL;
        ret[n] = '\0';
        *p = s + 1;
        return 0;
}

static bool is_word(const char *text, size_t size, const char *word) {
        return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

static int take_parameter(Challenge *c, const char *key, size_t size, const char *value) {
        char **to = is_word(key, size, "realm")       ? &c->realm :
                        is_word(key, size, "service") ? &c->service :
                        is_word(key, size, "scope")   ? &c->scope :
                                                        NULL;

        if (is_word(key, size, "error") && streq(value, "insufficient_scope"))
                c->insufficient_scope = true;
        return to && !*to ? str_replace(to, value) : 0;
}

int challenge_parse(const char *header, Challenge *c) {
        char value[CHALLENGE_VALUE_MAX];
        bool bearer = false;
        int r;

        for (const char *p = header; *(p += strspn(p, " \t\r\n,"));) {
                size_t size = strspn(p, TOKEN_CHARS);
                const char *word = p;

                if (size == 0)
                        return -EINVAL;
                p += size;
                if (*p == '=') {
                        p++;
                        r = parse_value(&p, value);
                        if (r >= 0 && bearer)
                                r = take_parameter(c, word, size, value);
                        if (r < 0)
                                return r;
                        continue;
                }
                bearer = is_word(word, size, "bearer");
                c->bearer |= bearer;
                if (is_word(word, size, "basic")) {
                        c->basic = true;
                        c->basic_first |= !c->bearer;
                }
        }
        if (c->bearer &&
            (!c->realm || (!startswith(c->realm, "https://") && !startswith(c->realm, "http://")))) {
                c->bearer = false; /* nowhere to get a token from */
                return -EINVAL;
        }
        return 0;
}
