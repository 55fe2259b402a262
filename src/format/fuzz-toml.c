/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "basic/str.h"
#include "format/toml.h"

/* Every value has its place, keys are unique, and items are counted right. */
static void check_value(const TomlValue *v, unsigned depth) {
        ASSERT_TRUE(depth < 10000 && v->line > 0 && v->column > 0);
        if (v->type != TOML_ARRAY && v->type != TOML_TABLE)
                return;
        for (size_t i = 0; i < v->n_items; i++) {
                const TomlValue *item = v->items[i];

                ASSERT_TRUE(!item->key == (v->type == TOML_ARRAY));
                if (item->key && strlen(item->key) == item->key_size)
                        ASSERT_TRUE(toml_find(v, item->key) == item);
                check_value(item, depth + 1);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(toml_freep) TomlValue *v = NULL;
        _cleanup_(error_done) Error error = {};
        int r;

        if (size > 16 * KIB)
                return 0;
        r = toml_parse("x", (const char *) data, size, &v, &error);
        fuzz_verdict(r);
        if (r < 0) {
                ASSERT_NULL(v);
                ASSERT_TRUE(startswith(error_get_text(&error, r), "x:")); /* with its place */
        } else
                check_value(v, 0);
        return 0;
}
