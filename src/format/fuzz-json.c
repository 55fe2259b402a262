/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "format/json-build.h"
#include "format/json-field.h"

typedef struct Inner {
        char *name;
        int64_t *numbers;
        size_t n_numbers;
} Inner;

typedef struct Outer {
        char *string, **strings, **pairs;
        bool boolean;
        int integer;
        int64_t large;
        uint64_t natural;
        Inner inner, *items;
        size_t n_items;
} Outer;

#define ROW(type_, struct_, field_)                                                                         \
        .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(struct_, field_)

static const JsonField inner_fields[] = {
        { ROW(STRING, Inner, name), .required = true },
        { ROW(INT64S, Inner, numbers), .n_offset = offsetof(Inner, n_numbers) },
        {},
};

static const JsonField outer_fields[] = {
        { ROW(STRING, Outer, string) },
        { ROW(STRINGS, Outer, strings) },
        { ROW(PAIRS, Outer, pairs) },
        { ROW(BOOL, Outer, boolean) },
        { ROW(INT, Outer, integer) },
        { ROW(INT64, Outer, large) },
        { ROW(UINT64, Outer, natural) },
        { ROW(STRUCT, Outer, inner), .fields = inner_fields },
        { ROW(ARRAY, Outer, items),
          .fields = inner_fields,
          .size = sizeof(Inner),
          .n_offset = offsetof(Outer, n_items) },
        {},
};

static int load(const char *text, size_t size, Outer *o) {
        _cleanup_json_ json_t *json = NULL;
        int r = json_parse("x", text, size, &json, NULL);

        return r < 0 ? r : json_field_load(outer_fields, json, o, NULL);
}

/* What is loaded and saved is loaded as the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_json_ json_t *saved = NULL;
        _cleanup_free_ char *text = NULL;
        Outer o = {}, other = {};
        int r = load((const char *) data, size, &o);

        fuzz_verdict(r);
        if (r >= 0) {
                saved = json_field_save(outer_fields, &o);
                ASSERT_EQ(json_dump(saved, &text), 0);
                if (o.inner.name) /* which a saved one always has, empty or not */
                        ASSERT_EQ(load(text, strlen(text), &other), 0);
                if (o.inner.name)
                        ASSERT_TRUE(json_field_equal(outer_fields, &o, &other));
        }
        json_field_done(outer_fields, &o);
        json_field_done(outer_fields, &other);
        return 0;
}
