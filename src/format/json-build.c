/* SPDX-License-Identifier: Apache-2.0 */
#include "format/json-build.h"

#include "basic/str.h"

json_t *json_new_strings(char *const *l) {
        json_t *array = json_array();

        STRV_FOREACH(s, l)
                if (json_array_append_new(array, json_string(*s)) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

json_t *json_new_pairs(char *const *pairs) {
        json_t *object = json_object();

        PAIRS_FOREACH(p, pairs)
                if (json_object_set_new(object, p[0], json_string(p[1])) < 0) {
                        json_decref(object);
                        return NULL;
                }
        return object;
}

int json_set(json_t *object, const char *key, json_t *value) {
        return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

int json_set_object(json_t *parent, const char *key, json_t *object) {
        if (object && json_object_size(object) == 0) {
                json_decref(object);
                return 0;
        }
        return json_set(parent, key, object);
}

int json_set_unless_zero(json_t *object, const char *key, int64_t value) {
        return value == 0 ? 0 : json_set(object, key, json_integer(value));
}

int json_dump(const json_t *json, char **ret) {
        *ret = json_dumps(json, JSON_COMPACT);
        return *ret ? 0 : -ENOMEM;
}
