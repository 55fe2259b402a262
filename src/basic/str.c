/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/str.h"

#include <stdio.h>

const char *endswith(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && streq(s + n - m, suffix) ? s + n - m : NULL;
}

char *str_join(const char *first, ...) {
        size_t size = 1;
        const char *s;
        char *joined, *p;
        va_list ap;

        va_start(ap, first);
        for (s = first; s; s = va_arg(ap, const char *))
                size += strlen(s);
        va_end(ap);

        joined = malloc(size);
        if (!joined)
                return NULL;

        p = joined;
        va_start(ap, first);
        for (s = first; s; s = va_arg(ap, const char *))
                p = stpcpy(p, s);
        va_end(ap);
        *p = '\0';
        return joined;
}

int str_replace(char **p, const char *s) {
        char *copy = NULL;

        if (s) {
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
        }
        free(*p);
        *p = copy;
        return 0;
}

bool str_in_charset(const char *s, const char *allowed) {
        return s[strspn(s, allowed)] == '\0';
}

/* Length of the sequence at @s, 0 if it is not well-formed (Unicode 15, table 3-7). */
static size_t utf8_sequence(const uint8_t *s, size_t size) {
        static const struct {
                uint8_t first, last, second_first, second_last;
                size_t length;
        } table[] = {
                { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
                { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
                { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
        };

        FOREACH_ELEMENT(row, table) {
                if (s[0] < row->first || s[0] > row->last)
                        continue;
                if (size < row->length)
                        return 0;
                if (row->length > 1 && (s[1] < row->second_first || s[1] > row->second_last))
                        return 0;
                for (size_t i = 2; i < row->length; i++)
                        if ((s[i] & 0xc0) != 0x80)
                                return 0;
                return row->length;
        }
        return 0;
}

size_t utf8_valid_size(const char *s, size_t size) {
        const uint8_t *p = (const uint8_t *) s;
        size_t valid = 0, n = 1;

        while (valid < size && n > 0) {
                n = utf8_sequence(p + valid, size - valid);
                valid += n;
        }
        return valid;
}

bool utf8_is_valid(const char *s, size_t size) {
        return utf8_valid_size(s, size) == size;
}

char **strv_free(char **l) {
        STRV_FOREACH(s, l)
                free(*s);
        free(l);
        return NULL;
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        STRV_FOREACH(s, l)
                n++;
        return n;
}

char **strv_copy(char *const *l) {
        char **copy = new0(char *, strv_length(l) + 1);
        size_t n = 0;

        if (!copy)
                return NULL;
        STRV_FOREACH(s, l) {
                copy[n] = strdup(*s);
                if (!copy[n++])
                        return strv_free(copy);
        }
        return copy;
}

bool strv_contains(char *const *l, const char *s) {
        STRV_FOREACH(i, l)
                if (streq(*i, s))
                        return true;
        return false;
}

bool strv_equal(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

int strv_consume(char ***l, char *s) {
        size_t n = strv_length(*l);
        char **larger;

        if (!s)
                return -ENOMEM;

        larger = reallocarray(*l, n + 2, sizeof(char *));
        if (!larger) {
                free(s);
                return -ENOMEM;
        }
        larger[n] = s;
        larger[n + 1] = NULL;
        *l = larger;
        return 0;
}

int strv_extend(char ***l, const char *s) {
        return strv_consume(l, strdup(s));
}

int strv_extendf(char ***l, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        return strv_consume(l, n < 0 ? NULL : s);
}

int strv_extend_strv(char ***l, char *const *b) {
        size_t n = strv_length(*l), m = strv_length(b);
        _cleanup_strv_ char **copy = strv_copy(b);
        char **larger;

        if (!copy)
                return -ENOMEM;
        larger = reallocarray(*l, n + m + 1, sizeof(char *));
        if (!larger)
                return -ENOMEM;

        memcpy(larger + n, copy, (m + 1) * sizeof(char *));
        copy[0] = NULL; /* the strings have moved, only the array is left */
        *l = larger;
        return 0;
}

int strv_split(const char *s, const char *separators, char ***ret) {
        _cleanup_strv_ char **l = new0(char *, 1);
        int r;

        if (!l)
                return -ENOMEM;

        for (;;) {
                size_t n;

                s += strspn(s, separators);
                n = strcspn(s, separators);
                if (n == 0)
                        break;
                r = strv_consume(&l, strndup(s, n));
                if (r < 0)
                        return r;
                s += n;
        }

        *ret = TAKE_PTR(l);
        return 0;
}

char *strv_join(char *const *l, const char *separator) {
        size_t size = 1;
        char *joined, *p;

        STRV_FOREACH(s, l)
                size += strlen(*s) + strlen(separator);
        p = joined = malloc(size);
        if (!joined)
                return NULL;

        STRV_FOREACH(s, l) {
                if (s != l)
                        p = stpcpy(p, separator);
                p = stpcpy(p, *s);
        }
        *p = '\0';
        return joined;
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

void strv_sort(char **l) {
        if (l)
                qsort(l, strv_length(l), sizeof(char *), compare);
}

int strv_env_set(char ***l, const char *assignment) {
        size_t n = strcspn(assignment, "=");

        STRV_FOREACH(s, *l)
                if (strncmp(*s, assignment, n) == 0 && (*s)[n] == '=')
                        return str_replace((char **) s, assignment);
        return strv_extend(l, assignment);
}

const char *strv_env_get(char *const *l, const char *name) {
        size_t n = strlen(name);

        STRV_FOREACH(s, l)
                if (strncmp(*s, name, n) == 0 && (*s)[n] == '=')
                        return *s + n + 1;
        return NULL;
}
