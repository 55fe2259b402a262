/* SPDX-License-Identifier: Apache-2.0 */
#include "format/digest.h"

#include "basic/id.h"
#include "basic/number.h"
#include "basic/str.h"

#define PREFIX "sha256:"

int digest_parse(const char *s, Digest *ret) {
        const char *hex = startswith(s, PREFIX);

        if (!hex || !id_is_valid(hex))
                return -EINVAL;
        memcpy(ret->text, s, sizeof(ret->text));
        return 0;
}

void digest_from_bytes(const uint8_t *bytes, Digest *ret) {
        memcpy(ret->text, PREFIX, sizeof(PREFIX) - 1);
        hex_encode(bytes, DIGEST_SIZE, ret->text + sizeof(PREFIX) - 1);
}
