/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/hashmap.h"

#include <sys/random.h>

/*
 * Entries stand in an array in the order of insertion; the table holds indices into it, plus one. A removed
 * entry leaves a hole that the next growth closes.
 */
struct Hashmap {
        HashmapEntry *entries;
        uint32_t *table;
        size_t n_entries; /* holes included */
        size_t n_alive;
        size_t n_table; /* power of two */
        uint64_t seed[2];
};

#define TABLE_MIN 16

int hashmap_new(Hashmap **ret) {
        _cleanup_(hashmap_freep) Hashmap *m = new0(Hashmap, 1);

        if (!m)
                return -ENOMEM;
        if (getrandom(m->seed, sizeof(m->seed), GRND_NONBLOCK) < 0)
                m->seed[0] = (uintptr_t) m; /* early boot: an address is random enough to start with */

        *ret = TAKE_PTR(m);
        return 0;
}

Hashmap *hashmap_free(Hashmap *m) {
        if (!m)
                return NULL;
        free(m->entries);
        free(m->table);
        free(m);
        return NULL;
}

static inline uint64_t rotate(uint64_t x, unsigned n) {
        return (x << n) | (x >> (64 - n));
}

/* A keyed multiply-and-rotate hash over 8 byte words. */
static uint64_t hash_key(const Hashmap *m, const char *key) {
        size_t left = strlen(key);
        uint64_t h = m->seed[0] ^ (left * UINT64_C(0x9e3779b97f4a7c15)), word;

        for (; left > 0; key += MIN(left, sizeof(word)), left -= MIN(left, sizeof(word))) {
                word = 0;
                memcpy(&word, key, MIN(left, sizeof(word)));
                h = rotate((h ^ word) * UINT64_C(0xff51afd7ed558ccd) + m->seed[1], 29);
        }

        h ^= h >> 33;
        h *= UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ (h >> 32);
}

/* Slot of the key, or the free slot where the search ended. */
static size_t find_slot(const Hashmap *m, const char *key, uint64_t hash) {
        size_t slot = hash & (m->n_table - 1);

        for (;; slot = (slot + 1) & (m->n_table - 1)) {
                const HashmapEntry *e;

                if (m->table[slot] == 0)
                        return slot;
                e = &m->entries[m->table[slot] - 1];
                if (e->key && e->hash == hash && strcmp(e->key, key) == 0)
                        return slot;
        }
}

static int hashmap_rebuild(Hashmap *m) {
        size_t n_table = TABLE_MIN, n = 0;
        HashmapEntry *entries;
        uint32_t *table;

        while (n_table < (m->n_alive + 1) * 4)
                n_table *= 2;

        table = new0(uint32_t, n_table);
        entries = new0(HashmapEntry, n_table / 2);
        if (!table || !entries) {
                free(table);
                free(entries);
                return -ENOMEM;
        }

        for (size_t i = 0; i < m->n_entries; i++)
                if (m->entries[i].key)
                        entries[n++] = m->entries[i];

        free(m->table);
        free(m->entries);
        m->table = table;
        m->entries = entries;
        m->n_table = n_table;
        m->n_entries = n;
        for (size_t i = 0; i < n; i++)
                m->table[find_slot(m, entries[i].key, entries[i].hash)] = (uint32_t) i + 1;
        return 0;
}

int hashmap_put(Hashmap *m, const char *key, void *value) {
        uint64_t hash = hash_key(m, key);
        size_t slot;
        int r;

        if (m->n_alive > 0 && m->table[find_slot(m, key, hash)] != 0)
                return -EEXIST;

        if (m->n_entries >= m->n_table / 2) {
                r = hashmap_rebuild(m);
                if (r < 0)
                        return r;
        }

        slot = find_slot(m, key, hash);
        m->entries[m->n_entries] = (HashmapEntry){ .key = key, .value = value, .hash = hash };
        m->table[slot] = (uint32_t) ++m->n_entries;
        m->n_alive++;
        return 0;
}

static HashmapEntry *hashmap_find(const Hashmap *m, const char *key) {
        size_t slot;

        if (!m || m->n_alive == 0)
                return NULL;
        slot = find_slot(m, key, hash_key(m, key));
        return m->table[slot] == 0 ? NULL : &m->entries[m->table[slot] - 1];
}

void *hashmap_get(const Hashmap *m, const char *key) {
        const HashmapEntry *e = hashmap_find(m, key);

        return e ? e->value : NULL;
}

void *hashmap_remove(Hashmap *m, const char *key) {
        HashmapEntry *e = hashmap_find(m, key);
        void *value;

        if (!e)
                return NULL;
        value = e->value;
        e->key = NULL; /* the table keeps pointing here, so that searches walk on */
        e->value = NULL;
        m->n_alive--;
        return value;
}

size_t hashmap_size(const Hashmap *m) {
        return m ? m->n_alive : 0;
}

bool hashmap_next(const Hashmap *m, size_t *i, const char **ret_key, void **ret_value) {
        if (!m)
                return false;

        for (; *i < m->n_entries; (*i)++) {
                const HashmapEntry *e = &m->entries[*i];

                if (!e->key)
                        continue;
                if (ret_key)
                        *ret_key = e->key;
                if (ret_value)
                        *ret_value = e->value;
                (*i)++;
                return true;
        }
        return false;
}

void *hashmap_first(const Hashmap *m) {
        void *value = NULL;
        size_t i = 0;

        return hashmap_next(m, &i, NULL, &value) ? value : NULL;
}
