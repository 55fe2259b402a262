/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/labels.h"

#include <protobuf-c/protobuf-c.h>

#include "basic/str.h"
#include "format/json-field.h"

/* What protobuf-c makes of every entry of a map of strings. */
typedef struct MapEntry {
        ProtobufCMessage base;
        char *key, *value;
} MapEntry;

bool labels_match(void *const *entries, size_t n, char *const *labels) {
        for (size_t i = 0; i < n; i++) {
                const MapEntry *e = entries[i];
                const char *value = pairs_get(labels, e->key);

                if (!value || !streq(value, e->value))
                        return false;
        }
        return true;
}
