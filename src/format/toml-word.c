/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "basic/number.h"
#include "basic/str.h"
#include "format/toml-internal.h"

#define WORD_MAX 256 /* without its underscores */

/* Whether @s has the digits of a pattern ("dddd-dd-dd"), and moves behind it. */
static bool match_digits(const char **s, const char *pattern) {
        const char *at = *s;

        for (; *pattern; pattern++, at++)
                if (*pattern == 'd' ? *at < '0' || *at > '9' : *at != *pattern)
                        return false;
        *s = at;
        return true;
}

static unsigned two_digits(const char *s) {
        return (unsigned) (s[0] - '0') * 10 + (unsigned) (s[1] - '0');
}

static bool date_is_valid(const char *s) {
        static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        unsigned year = two_digits(s) * 100 + two_digits(s + 2), month = two_digits(s + 5),
                 day = two_digits(s + 8);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

static bool match_time(const char **s) {
        const char *start = *s;

        if (!match_digits(s, "dd:dd:dd") || two_digits(start) > 23 || two_digits(start + 3) > 59 ||
            two_digits(start + 6) > 60)
                return false;
        if (**s != '.')
                return true;
        if ((*s)[1] < '0' || (*s)[1] > '9')
                return false;
        *s += 1 + strspn(*s + 1, STR_DIGITS);
        return true;
}

static bool match_offset(const char **s) {
        const char *start = *s;

        if (*start == 'Z' || *start == 'z') {
                (*s)++;
                return true;
        }
        return (match_digits(s, "+dd:dd") || match_digits(s, "-dd:dd")) && two_digits(start + 1) <= 23 &&
                        two_digits(start + 4) <= 59;
}

/* Date, time or both. -ENODATA when @s is neither. */
static int datetime_type(const char *s, TomlType *ret) {
        const char *at = s;

        if (match_time(&at) && !*at) {
                *ret = TOML_LOCAL_TIME;
                return 0;
        }
        at = s;
        if (!match_digits(&at, "dddd-dd-dd") || !date_is_valid(s))
                return -ENODATA;
        if (!*at) {
                *ret = TOML_LOCAL_DATE;
                return 0;
        }
        if (!strchr("Tt ", *at) || (at++, !match_time(&at)))
                return -ENODATA;
        *ret = *at ? TOML_DATETIME : TOML_LOCAL_DATETIME;
        return !*at || (match_offset(&at) && !*at) ? 0 : -ENODATA;
}

/* Removes "_" that stand between two of @digits; false for others and for words that are too long. */
static bool drop_underscores(const char *from, const char *digits, char to[static WORD_MAX]) {
        size_t n = 0;

        for (const char *s = from; *s; s++) {
                if (*s == '_') {
                        if (s == from || !strchr(digits, s[-1]) || !s[1] || !strchr(digits, s[1]))
                                return false;
                        continue;
                }
                if (n + 1 == WORD_MAX)
                        return false;
                to[n++] = *s;
        }
        to[n] = '\0';
        return true;
}

static int integer_parse_based(const char *digits, unsigned base, TomlValue *v) {
        char plain[WORD_MAX];
        uint64_t n;
        int r;

        if (!drop_underscores(digits, STR_HEX_DIGITS "ABCDEF", plain))
                return -EINVAL;
        r = parse_base(plain, base, INT64_MAX, &n);
        if (r < 0)
                return r;
        v->type = TOML_INTEGER;
        v->integer = (int64_t) n;
        return 0;
}

/* Without a sign in front. */
static bool float_is_valid(const char *s) {
        size_t n;

        n = strspn(s, STR_DIGITS);
        if (n == 0 || (n > 1 && *s == '0'))
                return false;
        s += n;
        if (*s == '.') {
                n = strspn(s + 1, STR_DIGITS);
                if (n == 0)
                        return false;
                s += 1 + n;
        }
        if (*s == 'e' || *s == 'E') {
                s++;
                s += *s == '-' || *s == '+';
                n = strspn(s, STR_DIGITS);
                if (n == 0)
                        return false;
                s += n;
        }
        return !*s;
}

static int number_parse(const char *s, TomlValue *v) {
        char plain[WORD_MAX];
        const char *digits;
        int r;

        if (!drop_underscores(s, STR_DIGITS, plain))
                return -EINVAL;
        digits = plain + (*plain == '-' || *plain == '+');
        if (*digits && str_in_charset(digits, STR_DIGITS)) {
                if (digits[0] == '0' && digits[1])
                        return -EINVAL;
                r = parse_i64(*plain == '+' ? digits : plain, INT64_MIN, INT64_MAX, &v->integer);
                if (r >= 0)
                        v->type = TOML_INTEGER;
                return r;
        }
        if (streq(digits, "inf"))
                v->number = INFINITY;
        else if (streq(digits, "nan"))
                v->number = NAN;
        else if (float_is_valid(digits))
                v->number = strtod(digits, NULL); /* of checked form; our programs keep the locale "C" */
        else
                return -EINVAL;
        v->type = TOML_FLOAT;
        if (*plain == '-')
                v->number = -v->number;
        return 0;
}

int toml_word_parse(const char *word, TomlValue *ret) {
        static const struct {
                const char *prefix;
                unsigned base;
        } bases[] = { { "0x", 16 }, { "0o", 8 }, { "0b", 2 } };
        TomlType type;
        char *text;

        if (streq(word, "true") || streq(word, "false")) {
                ret->type = TOML_BOOLEAN;
                ret->boolean = word[0] == 't';
                return 0;
        }
        if (datetime_type(word, &type) >= 0) {
                text = strdup(word);
                if (!text)
                        return -ENOMEM;
                ret->type = type;
                ret->text = text;
                ret->size = strlen(text);
                return 0;
        }
        FOREACH_ELEMENT(b, bases)
                if (startswith(word, b->prefix))
                        return integer_parse_based(word + strlen(b->prefix), b->base, ret);
        return number_parse(word, ret);
}
