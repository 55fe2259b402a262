/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Strings and NULL-terminated lists of strings ("strv").
 *
 * A strv is owned as a whole: the array and every string in it. NULL is the empty list wherever one is read.
 */

#include "basic/macros.h"

#define STRV_FOREACH(s, l) for (char *const *s = (char *const *) (l); s && *s; s++)

/* Neither may be NULL. */
static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* NULL equals only NULL. */
static inline bool streq_null(const char *a, const char *b) {
        return a == b || (a && b && streq(a, b));
}

/* NULL or "". */
static inline bool isempty(const char *s) {
        return !s || !*s;
}

/* NULL becomes "". */
static inline const char *strempty(const char *s) {
        return s ?: "";
}

/* Pointer behind the prefix, or NULL. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* Pointer to the suffix inside @s, or NULL. */
const char *endswith(const char *s, const char *suffix);

/* Joins all arguments up to NULL; NULL without memory. */
char *str_join(const char *first, ...) _sentinel_;

/* Replaces *@p by a copy of @s (which may be NULL, or *@p itself). 0 or -ENOMEM. */
int str_replace(char **p, const char *s);

/* Whether every byte is one of @allowed. */
bool str_in_charset(const char *s, const char *allowed);

/* Whether it is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
size_t utf8_valid_size(const char *s, size_t size); /* of the well-formed bytes at the front */
bool utf8_is_valid(const char *s, size_t size);

#define STR_LOWER "abcdefghijklmnopqrstuvwxyz"
#define STR_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define STR_DIGITS "0123456789"
#define STR_HEX_DIGITS STR_DIGITS "abcdef"

char **strv_free(char **l);
DEFINE_CLEANUP(char **, strv_free);
#define _cleanup_strv_ _cleanup_(strv_freep)

/* Number of strings; a deep copy (NULL without memory); look-up and comparison, both in order. */
size_t strv_length(char *const *l);
char **strv_copy(char *const *l);
bool strv_contains(char *const *l, const char *s);
bool strv_equal(char *const *a, char *const *b);

/* Appends a copy, or (consume) the string itself, which is freed on failure. 0 or -ENOMEM. */
int strv_extend(char ***l, const char *s);
int strv_consume(char ***l, char *s);
int strv_extendf(char ***l, const char *format, ...) _printf_(2, 3);

/* Appends copies of all strings of @b; on -ENOMEM @l is unchanged. */
int strv_extend_strv(char ***l, char *const *b);

/* Splits at every byte of @separators; empty parts are left out. 0 or -ENOMEM. */
int strv_split(const char *s, const char *separators, char ***ret);

/* NULL without memory. */
char *strv_join(char *const *l, const char *separator);

/* Sorts in place by byte value. */
void strv_sort(char **l);

/**
 * strv_env_set() - set a variable in an environment list
 * @assignment:  "NAME=value"; replaces the entry of the same name in its place, else is appended
 *
 * Return: 0 or -ENOMEM.
 */
int strv_env_set(char ***l, const char *assignment);

/* Value of @name in an environment list, or NULL. */
const char *strv_env_get(char *const *l, const char *name);
