/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Hashmap: values found by a string.
 *
 * Open addressing, insertion order kept for iteration. The map owns neither keys nor values: the key is
 * usually a field of the value. Removing the current element while iterating is allowed. The hash is keyed
 * with random bytes, so that a client can not choose names that collide.
 */

#include "basic/macros.h"

typedef struct Hashmap Hashmap;

typedef struct HashmapEntry {
        const char *key; /* NULL: removed */
        void *value;
        uint64_t hash;
} HashmapEntry;

/* -ENOMEM only. */
int hashmap_new(Hashmap **ret);
Hashmap *hashmap_free(Hashmap *m);
DEFINE_CLEANUP(Hashmap *, hashmap_free);

/**
 * hashmap_put() - add a value
 * @key:  borrowed, must live as long as the entry
 *
 * Return: 0, -EEXIST (the key is there; nothing changed), -ENOMEM.
 */
int hashmap_put(Hashmap *m, const char *key, void *value);

/* NULL when the key is absent (or @m is NULL). */
void *hashmap_get(const Hashmap *m, const char *key);

/* Takes it out and returns the value, NULL when the key is absent. */
void *hashmap_remove(Hashmap *m, const char *key);

/* Number of entries; 0 for NULL. */
size_t hashmap_size(const Hashmap *m);

/* First value in insertion order, or NULL. */
void *hashmap_first(const Hashmap *m);

/* Next entry at or after *@i; advances *@i; false at the end. For HASHMAP_FOREACH. */
bool hashmap_next(const Hashmap *m, size_t *i, const char **ret_key, void **ret_value);

#define HASHMAP_FOREACH(v, m)                                                                               \
        for (size_t _i_##v = 0, _once_##v = 1; _once_##v; _once_##v = 0)                                    \
                for (void *_v_##v = NULL; hashmap_next((m), &_i_##v, NULL, &_v_##v) && ((v) = _v_##v, true);)
