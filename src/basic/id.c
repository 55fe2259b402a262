/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/id.h"

#include <sys/random.h>

#include "basic/number.h"
#include "basic/str.h"

int id_generate(Id *ret) {
        uint8_t bytes[ID_SIZE / 2];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t) sizeof(bytes))
                return errno > 0 ? -errno : -EIO;

        hex_encode(bytes, sizeof(bytes), ret->text);
        return 0;
}

bool id_is_prefix(const char *s) {
        return !isempty(s) && strlen(s) <= ID_SIZE && str_in_charset(s, STR_HEX_DIGITS);
}

bool id_is_valid(const char *s) {
        return id_is_prefix(s) && strlen(s) == ID_SIZE;
}
