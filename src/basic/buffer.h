/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Buffer: bytes that grow up to a maximum which is fixed at birth.
 *
 * Keeps its first failure, so that a row of additions is checked once, at the end. Always NUL-terminated
 * behind its size. A value: BUFFER_INIT(max) and buffer_done().
 */

#include "basic/macros.h"

typedef struct Buffer {
        char *data; /* owned; NULL while nothing was added */
        size_t size;
        size_t allocated;
        size_t max; /* in bytes, without the NUL */
        int error;  /* first failure: -E2BIG or -ENOMEM */
} Buffer;

#define BUFFER_INIT(max_) ((Buffer){ .max = (max_) })
#define _cleanup_buffer_ _cleanup_(buffer_done)

void buffer_done(Buffer *b);

/* All additions return 0, or the first failure of this buffer: -E2BIG or -ENOMEM. Nothing is added in part.
 */
int buffer_add(Buffer *b, const void *data, size_t size);
int buffer_adds(Buffer *b, const char *s);
int buffer_addc(Buffer *b, char c);
int buffer_addf(Buffer *b, const char *format, ...) _printf_(2, 3);
int buffer_addv(Buffer *b, const char *format, va_list ap) _printf_(2, 0);

/* Room for @size more bytes behind the end, for reading into; the caller then says how many with
 * buffer_grow(). */
int buffer_reserve(Buffer *b, size_t size, void **ret);
void buffer_grow(Buffer *b, size_t size);

/* Drops @size bytes at the front. */
void buffer_consume(Buffer *b, size_t size);

/* Empties it and forgets a failure; the memory stays. */
void buffer_reset(Buffer *b);

/**
 * buffer_take() - hand over the text
 * @ret:  owned by the caller, NUL-terminated, never NULL on success; the buffer is empty afterwards
 *
 * Return: 0, or the first failure of this buffer.
 */
int buffer_take(Buffer *b, char **ret);
