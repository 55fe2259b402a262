/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Digest: "sha256:" and 64 hexadecimal digits, the only algorithm that is used here.
 */

#include "basic/error.h"

#define DIGEST_SIZE 32
#define DIGEST_HEX_SIZE 64
#define DIGEST_TEXT_SIZE (sizeof("sha256:") - 1 + DIGEST_HEX_SIZE)

typedef struct Digest {
        char text[DIGEST_TEXT_SIZE + 1];
} Digest;

/* -EINVAL unless @s is exactly "sha256:" and 64 lower case digits. */
int digest_parse(const char *s, Digest *ret);

/* From the 32 bytes of a SHA-256. */
void digest_from_bytes(const uint8_t *bytes, Digest *ret);

/* The digits behind the colon. */
static inline const char *digest_hex(const Digest *d) {
        return d->text + sizeof("sha256:") - 1;
}
