/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the tests of refused TOML documents share. For test-toml-*.c only.
 */

#include "basic/str.h"
#include "basic/test.h"
#include "format/toml.h"

typedef struct RefusedCase {
        const char *text;
        size_t size;
        const char *place, *message; /* "LINE:COLUMN", in bytes; how the text behind it begins */
} RefusedCase;

#define DOC(text) text, sizeof(text) - 1

/* Parses a copy of the exact size, so that a sanitizer sees every byte too far. */
static inline void check_refused(const RefusedCase *c) {
        _cleanup_free_ char *copy = malloc(MAX(c->size, (size_t) 1)),
                            *expected = str_join("x:", c->place, ": ", c->message, NULL);
        _cleanup_(toml_freep) TomlValue *v = NULL;
        _cleanup_(error_done) Error error = {};
        const char *text;
        int r;

        ASSERT_TRUE(copy && expected);
        memcpy(copy, c->text, c->size);
        r = toml_parse("x", copy, c->size, &v, &error);
        if (r >= 0)
                test_fail(__FILE__, __LINE__, "accepted: %s", c->text);
        ASSERT_EQ(r, -EINVAL);
        ASSERT_NULL(v);
        ASSERT_EQ(error_get_status(&error, r), STATUS_INVALID_ARGUMENT);
        text = error_get_text(&error, r);
        if (!startswith(text, expected))
                test_fail(__FILE__, __LINE__, "%s\nis       %s\nexpected %s", c->text, text, expected);
}
