/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Archives for tests, made by hand so that every field can be a lie. For test-*.c and fuzz-*.c only.
 */

#include <stdio.h>

#include "basic/buffer.h"
#include "basic/str.h"
#include "basic/test.h"
#include "format/tar.h"

#define TEST_TAR_MAX (8 * MIB)

/* Absent numbers are 0; type 0 is '0', mode 0 is 0644 (0755 for directories). */
typedef struct TestEntry {
        const char *path, *link, *content;
        char type;
        unsigned mode, uid, gid, major, minor;
        long long mtime;
        size_t size;           /* of the content; 0: its length as text */
        const char *size_text; /* in place of the size's digits */
} TestEntry;

/* Zeros up to the next block. */
static inline void test_tar_pad(Buffer *b) {
        static const char zeros[TAR_BLOCK];

        ASSERT_EQ(buffer_add(b, zeros, (TAR_BLOCK - b->size % TAR_BLOCK) % TAR_BLOCK), 0);
}

/* A field of octal digits and a NUL. */
static inline void test_tar_octal(char *field, size_t size, unsigned long long n) {
        char text[32];

        ASSERT_EQ(snprintf(text, sizeof(text), "%0*llo", (int) size - 1, n), size - 1);
        memcpy(field, text, size);
}

/* Makes the checksum of a block right again. */
static inline void test_tar_sum(char *block) {
        unsigned sum = 0;

        memset(block + 148, ' ', 8);
        for (size_t i = 0; i < TAR_BLOCK; i++)
                sum += (uint8_t) block[i];
        (void) snprintf(block + 148, 8, "%06o", sum); /* 512 * 255 has six digits */
}

/* Adds a POSIX header, and the content behind it. */
static inline void test_tar_add(Buffer *b, const TestEntry *e) {
        size_t size = e->content ? e->size ?: strlen(e->content) : 0;
        char block[TAR_BLOCK] = {}, type = e->type ?: '0';

        strncpy(block, e->path, 100);
        test_tar_octal(block + 100, 8, e->mode ?: type == '5' ? 0755 : 0644);
        test_tar_octal(block + 108, 8, e->uid);
        test_tar_octal(block + 116, 8, e->gid);
        test_tar_octal(block + 124, 12, size);
        if (e->size_text)
                strncpy(block + 124, e->size_text, 12);
        test_tar_octal(block + 136, 12, (unsigned long long) e->mtime);
        block[156] = type;
        strncpy(block + 157, strempty(e->link), 100);
        memcpy(block + 257,
               "ustar\0"
               "00",
               8);
        test_tar_octal(block + 329, 8, e->major);
        test_tar_octal(block + 337, 8, e->minor);
        test_tar_sum(block);
        ASSERT_EQ(buffer_add(b, block, sizeof(block)), 0);
        if (size > 0)
                ASSERT_EQ(buffer_add(b, e->content, size), 0);
        test_tar_pad(b);
}

/* A header about the next entry: 'x' and 'g' PAX records, 'L' and 'K' GNU's long names. */
static inline void test_tar_extend(Buffer *b, char type, const char *text, size_t size) {
        test_tar_add(b, &(TestEntry){ .path = "extension", .type = type, .content = text, .size = size });
}

/* One PAX record in a header of its own. */
static inline void test_tar_pax(Buffer *b, const char *key, const char *value, size_t size) {
        _cleanup_buffer_ Buffer record = BUFFER_INIT(TEST_TAR_MAX);
        size_t n = strlen(key) + size + 3, digits = 1, all;

        for (all = n + digits; (size_t) snprintf(NULL, 0, "%zu", all) != digits; all = n + digits)
                digits++;
        ASSERT_EQ(buffer_addf(&record, "%zu %s=", all, key), 0);
        ASSERT_EQ(buffer_add(&record, value, size), 0);
        ASSERT_EQ(buffer_addc(&record, '\n'), 0);
        test_tar_extend(b, 'x', record.data, record.size);
}

/* The two blocks of zeros. */
static inline void test_tar_end(Buffer *b) {
        static const char zeros[2 * TAR_BLOCK];

        ASSERT_EQ(buffer_add(b, zeros, sizeof(zeros)), 0);
}

/* Reads from a text, a few bytes at a time so that every boundary is met. */
typedef struct TestStream {
        const char *data;
        size_t size, chunk;
        int r; /* returned at its end, in place of 0 */
} TestStream;

/* A TarRead; @userdata begins with a TestStream. */
static inline ssize_t test_stream_read(void *userdata, void *data, size_t size) {
        TestStream *s = userdata;
        size_t n = MIN(MIN(size, s->size), s->chunk ?: size);

        if (n == 0)
                return s->r;
        memcpy(data, s->data, n);
        s->data += n;
        s->size -= n;
        return (ssize_t) n;
}
