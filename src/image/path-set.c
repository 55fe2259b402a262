/* SPDX-License-Identifier: Apache-2.0 */
#include "image/path-set.h"

#include <openssl/sha.h>

#define ALLOCATED_MIN 1024

void path_set_done(PathSet *s) {
        free(s->keys);
        *s = (PathSet){ 0 };
}

/* Place of a key, or the empty one where it belongs. */
static size_t find(const PathSet *s, const uint8_t *key) {
        static const uint8_t empty[PATH_SET_KEY_SIZE];
        size_t i;

        memcpy(&i, key, sizeof(i));
        for (i %= s->allocated; memcmp(s->keys[i], empty, sizeof(empty)) != 0; i = (i + 1) % s->allocated)
                if (memcmp(s->keys[i], key, PATH_SET_KEY_SIZE) == 0)
                        break;
        return i;
}

static int grow(PathSet *s) {
        static const uint8_t empty[PATH_SET_KEY_SIZE];
        PathSet larger = { .n = s->n, .allocated = MAX(s->allocated * 2, (size_t) ALLOCATED_MIN) };

        larger.keys = calloc(larger.allocated, PATH_SET_KEY_SIZE);
        if (!larger.keys)
                return -ENOMEM;
        for (size_t i = 0; i < s->allocated; i++)
                if (memcmp(s->keys[i], empty, sizeof(empty)) != 0)
                        memcpy(larger.keys[find(&larger, s->keys[i])], s->keys[i], PATH_SET_KEY_SIZE);
        path_set_done(s);
        *s = larger;
        return 0;
}

int path_set_add(PathSet *s, const char *path) {
        uint8_t hash[SHA256_DIGEST_LENGTH];
        size_t i;

        if (s->n + 1 > s->allocated / 2) {
                int r = grow(s);

                if (r < 0)
                        return r;
        }
        (void) SHA256((const uint8_t *) path, strlen(path), hash);
        hash[0] |= 1; /* never the empty one */
        i = find(s, hash);
        if (memcmp(s->keys[i], hash, PATH_SET_KEY_SIZE) == 0)
                return -EEXIST;
        memcpy(s->keys[i], hash, PATH_SET_KEY_SIZE);
        s->n++;
        return 0;
}
