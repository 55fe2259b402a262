/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/number.h"

#include "basic/str.h"

static int digit_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

int parse_base(const char *s, unsigned base, uint64_t max, uint64_t *ret) {
        uint64_t n = 0;
        bool above = false;

        assert(base >= 2 && base <= 16);

        if (isempty(s))
                return -EINVAL;

        for (; *s; s++) {
                int d = digit_value(*s);

                if (d < 0 || d >= (int) base)
                        return -EINVAL;
                above = above || __builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, d, &n);
        }
        if (above || n > max)
                return -ERANGE;

        *ret = n;
        return 0;
}

int parse_u64(const char *s, uint64_t max, uint64_t *ret) {
        return parse_base(s, 10, max, ret);
}

int parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret) {
        bool negative = s && *s == '-';
        uint64_t n;
        int64_t v;
        int r;

        r = parse_u64(negative ? s + 1 : s, (uint64_t) INT64_MAX + negative, &n);
        if (r < 0)
                return r;

        v = negative ? (int64_t) (0 - n) : (int64_t) n;
        if (v < min || v > max)
                return -ERANGE;

        *ret = v;
        return 0;
}

int parse_bool(const char *s, bool *ret) {
        static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
        static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

        FOREACH_ELEMENT(i, yes)
                if (streq(s, *i)) {
                        *ret = true;
                        return 0;
                }
        FOREACH_ELEMENT(i, no)
                if (streq(s, *i)) {
                        *ret = false;
                        return 0;
                }
        return -EINVAL;
}

void hex_encode(const void *data, size_t size, char *ret) {
        static const char digits[] = STR_HEX_DIGITS;
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++) {
                *ret++ = digits[p[i] >> 4];
                *ret++ = digits[p[i] & 0xf];
        }
        *ret = '\0';
}

int hex_decode(const char *s, void *ret, size_t size) {
        uint8_t *p = ret;

        for (size_t i = 0; i < size; i++) {
                int high, low;

                high = digit_value(s[2 * i]);
                low = high < 0 ? high : digit_value(s[2 * i + 1]);
                if (low < 0)
                        return -EINVAL;
                p[i] = (uint8_t) (high << 4 | low);
        }
        return s[2 * size] == '\0' ? 0 : -EINVAL;
}
