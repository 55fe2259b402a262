/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers from text: the whole text, digits only, within a bound.
 */

#include "basic/macros.h"

/* Decimal. 0, -EINVAL ("", "-1", " 80", "+8", "80x"), -ERANGE (above @max). */
int parse_u64(const char *s, uint64_t max, uint64_t *ret);

/* Decimal with an optional '-'. -ERANGE outside [@min, @max]. */
int parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

/* Digits of @base (2 to 16, lower or upper case, no prefix), for modes and hexadecimal fields. */
int parse_base(const char *s, unsigned base, uint64_t max, uint64_t *ret);

/* "true"/"false" as Go's strconv knows them ("1", "t", "T", "TRUE", "True", …). -EINVAL for everything else.
 */
int parse_bool(const char *s, bool *ret);

/* 2 * @size digits, lower case, and a NUL. */
void hex_encode(const void *data, size_t size, char *ret);

/* Exactly 2 * @size hexadecimal digits. 0 or -EINVAL. */
int hex_decode(const char *s, void *ret, size_t size);
