/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/arena.h"

#include <stdio.h>

#include "basic/str.h"
#include "format/json-field.h"

struct ArenaBlock {
        ArenaBlock *next;
        void *foreign; /* of the heap, freed with the block */
        alignas(max_align_t) uint8_t data[];
};

/* What protobuf-c makes of every entry of a map of strings. */
typedef struct MapEntry {
        ProtobufCMessage base;
        char *key, *value;
} MapEntry;

void arena_done(Arena *a) {
        ArenaBlock *block;

        while ((block = a->blocks)) {
                a->blocks = block->next;
                free(block->foreign);
                free(block);
        }
}

static ArenaBlock *arena_add(Arena *a, size_t size) {
        ArenaBlock *block = calloc(1, sizeof(ArenaBlock) + size);

        if (!block) {
                a->failed = true;
                return NULL;
        }
        block->next = a->blocks;
        a->blocks = block;
        return block;
}

void *arena_alloc(Arena *a, size_t n, size_t size) {
        ArenaBlock *block;

        if (size > 0 && n > SIZE_MAX / 2 / size) {
                a->failed = true;
                return NULL;
        }
        block = arena_add(a, MAX(n * size, (size_t) 1));
        return block ? block->data : NULL;
}

char *arena_own(Arena *a, char *s) {
        ArenaBlock *block = s ? arena_add(a, 0) : NULL;

        if (!block) {
                a->failed = true;
                free(s);
                return NULL;
        }
        block->foreign = s;
        return s;
}

char *arena_printf(Arena *a, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        return arena_own(a, n < 0 ? NULL : s);
}

void *arena_message(Arena *a, const ProtobufCMessageDescriptor *descriptor) {
        static max_align_t spare[64]; /* what is written there is never read: the arena has failed */
        ProtobufCMessage *m = arena_alloc(a, 1, descriptor->sizeof_message);

        if (!m) {
                assert(descriptor->sizeof_message <= sizeof(spare));
                m = (ProtobufCMessage *) spare;
        }
        descriptor->message_init(m);
        return m;
}

void **arena_messages(Arena *a, const ProtobufCMessageDescriptor *descriptor, size_t n) {
        void **array = arena_alloc(a, n, sizeof(void *));

        for (size_t i = 0; array && i < n; i++)
                array[i] = arena_message(a, descriptor);
        return array;
}

void *arena_map(Arena *a, const ProtobufCMessageDescriptor *entry, char *const *pairs, size_t *ret_n) {
        size_t n = strv_length(pairs) / 2, i = 0;
        MapEntry **entries;

        assert(entry->sizeof_message == sizeof(MapEntry));
        entries = (MapEntry **) arena_messages(a, entry, n);
        *ret_n = entries ? n : 0;
        if (!entries)
                return NULL;
        PAIRS_FOREACH(p, pairs) {
                entries[i]->key = p[0];
                entries[i]->value = p[1];
                i++;
        }
        return entries;
}
