/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Base64: RFC 4648 section 4, with its padding and without line breaks.
 */

#include "basic/error.h"

/* Text of @size bytes, owned by the caller. 0 or -ENOMEM. */
int base64_encode(const void *data, size_t size, char **ret);

/**
 * base64_decode() - what was encoded
 * @ret:  owned by the caller, with a NUL behind its @ret_size bytes
 *
 * Return: 0, -EINVAL (another character, no padding, bits behind the end), -ENOMEM.
 */
int base64_decode(const char *text, char **ret, size_t *ret_size);
