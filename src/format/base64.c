/* SPDX-License-Identifier: Apache-2.0 */
#include "format/base64.h"

#include "basic/str.h"

static const char alphabet[] = STR_UPPER STR_LOWER STR_DIGITS "+/";

int base64_encode(const void *data, size_t size, char **ret) {
        const uint8_t *in = data;
        char *text, *to;

        text = to = malloc((size + 2) / 3 * 4 + 1);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < size; i += 3) {
                size_t n = MIN(size - i, (size_t) 3);
                uint32_t bits = (uint32_t) in[i] << 16 | (n > 1 ? (uint32_t) in[i + 1] << 8 : 0) |
                                (n > 2 ? in[i + 2] : 0);

                *to++ = alphabet[bits >> 18];
                *to++ = alphabet[bits >> 12 & 63];
                *to++ = n > 1 ? alphabet[bits >> 6 & 63] : '=';
                *to++ = n > 2 ? alphabet[bits & 63] : '=';
        }
        *to = '\0';
        *ret = text;
        return 0;
}

/* Four characters, of which the last @n_padding are padding. */
static int decode_group(const char *text, size_t n_padding, char *to) {
        uint32_t bits = 0;

        for (size_t i = 0; i < 4; i++) {
                const char *digit = i < 4 - n_padding ? strchr(alphabet, text[i]) : alphabet;

                if (!digit || *digit == '\0')
                        return -EINVAL;
                bits = bits << 6 | (uint32_t) (digit - alphabet);
        }
        if (bits & ((UINT32_C(1) << 8 * n_padding) - 1))
                return -EINVAL;
        to[0] = (char) (bits >> 16);
        if (n_padding < 2)
                to[1] = (char) (bits >> 8);
        if (n_padding < 1)
                to[2] = (char) bits;
        return 0;
}

int base64_decode(const char *text, char **ret, size_t *ret_size) {
        size_t size = strlen(text), padding = size > 1 && text[size - 1] == '=' ? 1 : 0;
        _cleanup_free_ char *data = malloc(size / 4 * 3 + 1);
        int r;

        if (!data)
                return -ENOMEM;
        if (size % 4 != 0)
                return -EINVAL;
        padding += padding && text[size - 2] == '=' ? 1 : 0;
        for (size_t i = 0; i < size; i += 4) {
                r = decode_group(text + i, i + 4 == size ? padding : 0, data + i / 4 * 3);
                if (r < 0)
                        return r;
        }
        *ret_size = size / 4 * 3 - padding;
        data[*ret_size] = '\0';
        *ret = TAKE_PTR(data);
        return 0;
}
