/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/buffer.h"

#include <stdio.h>

#define BUFFER_SIZE_MIN 64
/* From here on malloc() takes a mapping of its own, which goes back to the kernel when it is freed; a small
 * block that grows would stay in the heap and keep it large for ever. */
#define BUFFER_SIZE_MAPPED (256 * KIB)

void buffer_done(Buffer *b) {
        free(b->data);
        *b = BUFFER_INIT(b->max);
}

static int buffer_fail(Buffer *b, int r) {
        if (b->error == 0)
                b->error = r;
        return b->error;
}

static char *resize(const Buffer *b, size_t size) {
        char *data;

        if (size < BUFFER_SIZE_MAPPED || b->allocated >= BUFFER_SIZE_MAPPED)
                return realloc(b->data, size);
        data = malloc(size);
        if (!data)
                return NULL;
        if (b->size > 0)
                memcpy(data, b->data, b->size);
        free(b->data);
        return data;
}

int buffer_reserve(Buffer *b, size_t size, void **ret) {
        size_t need, allocate;
        char *data;

        if (b->error < 0)
                return b->error;
        if (size > b->max || b->size > b->max - size)
                return buffer_fail(b, -E2BIG);

        need = b->size + size + 1;
        if (need > b->allocated) {
                allocate = MAX(need, MAX(b->allocated + b->allocated / 2, (size_t) BUFFER_SIZE_MIN));
                data = resize(b, allocate);
                if (!data)
                        return buffer_fail(b, -ENOMEM);
                b->data = data;
                b->allocated = allocate;
                b->data[b->size] = '\0';
        }

        if (ret)
                *ret = b->data + b->size;
        return 0;
}

void buffer_grow(Buffer *b, size_t size) {
        assert(b->size + size < b->allocated);

        b->size += size;
        b->data[b->size] = '\0';
}

int buffer_add(Buffer *b, const void *data, size_t size) {
        void *to;
        int r;

        r = buffer_reserve(b, size, &to);
        if (r < 0)
                return r;

        if (size > 0)
                memcpy(to, data, size);
        buffer_grow(b, size);
        return 0;
}

int buffer_adds(Buffer *b, const char *s) {
        return buffer_add(b, s, strlen(s));
}

int buffer_addc(Buffer *b, char c) {
        return buffer_add(b, &c, 1);
}

int buffer_addv(Buffer *b, const char *format, va_list ap) {
        va_list again;
        void *to;
        int n, r;

        va_copy(again, ap);
        n = vsnprintf(NULL, 0, format, again);
        va_end(again);
        if (n < 0)
                return buffer_fail(b, -EINVAL);

        r = buffer_reserve(b, (size_t) n, &to);
        if (r < 0)
                return r;

        (void) vsnprintf(to, (size_t) n + 1, format, ap); /* the length is known to fit */
        buffer_grow(b, (size_t) n);
        return 0;
}

int buffer_addf(Buffer *b, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = buffer_addv(b, format, ap);
        va_end(ap);
        return r;
}

void buffer_consume(Buffer *b, size_t size) {
        assert(size <= b->size);

        if (size == 0)
                return;
        memmove(b->data, b->data + size, b->size - size + 1);
        b->size -= size;
}

void buffer_reset(Buffer *b) {
        b->size = 0;
        b->error = 0;
        if (b->data)
                b->data[0] = '\0';
}

int buffer_take(Buffer *b, char **ret) {
        int r;

        r = buffer_reserve(b, 0, NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(b->data);
        buffer_done(b);
        return 0;
}
