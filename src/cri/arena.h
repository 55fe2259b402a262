/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Arena: memory of one reply, freed as a whole when it has been packed.
 *
 * Keeps its first failure: a NULL that goes on into a message is caught by arena_failed() before that is
 * packed. For cri/ only.
 */

#include <protobuf-c/protobuf-c.h>

#include "basic/macros.h"

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena {
        ArenaBlock *blocks;
        bool failed;
} Arena;

void arena_done(Arena *a);
#define _cleanup_arena_ _cleanup_(arena_done) Arena

/* Whether anything above returned NULL. */
static inline bool arena_failed(const Arena *a) {
        return a->failed;
}

/* Zeroed; NULL on failure. */
void *arena_alloc(Arena *a, size_t n, size_t size);
char *arena_printf(Arena *a, const char *format, ...) _printf_(2, 3);
/* Owns a string of the heap from here on; NULL counts as a failure. */
char *arena_own(Arena *a, char *s);

/* A message that is ready to be filled. */
void *arena_message(Arena *a, const ProtobufCMessageDescriptor *descriptor);

/* An array of @n such messages. */
void **arena_messages(Arena *a, const ProtobufCMessageDescriptor *descriptor, size_t n);

/* The entries of a map<string, string>; @pairs: key and value in turn, borrowed. */
void *arena_map(Arena *a, const ProtobufCMessageDescriptor *entry, char *const *pairs, size_t *ret_n);
