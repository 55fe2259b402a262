/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tar-split.h"

#include <endian.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <zlib.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "format/json-field.h"

#define SEGMENT_MAX (1 * MIB)
#define LINE_MAX_SIZE (4 * MIB)
#define CRC_POLYNOMIAL UINT64_C(0xd800000000000000)
#define CRC_SLICES 8

struct TarSplit {
        gzFile out;
        Buffer raw;
        uint64_t position;
};

int tar_split_new(int fd, TarSplit **ret) {
        _cleanup_(tar_split_freep) TarSplit *s = new0(TarSplit, 1);
        int copy;

        if (!s)
                return -ENOMEM;
        s->raw = BUFFER_INIT(SEGMENT_MAX);
        copy = fd_dup(fd);
        if (copy < 0)
                return copy;
        s->out = gzdopen(copy, "wb1");
        if (!s->out) {
                close_fd(copy);
                return -ENOMEM;
        }
        (void) gzbuffer(s->out, 64 * KIB); /* a smaller one works, too */
        *ret = TAKE_PTR(s);
        return 0;
}

TarSplit *tar_split_free(TarSplit *s) {
        if (!s)
                return NULL;
        if (s->out)
                (void) gzclose(s->out); /* tar_split_finish() is the one that tells */
        buffer_done(&s->raw);
        free(s);
        return NULL;
}

static int base64(const void *data, size_t size, char **ret) {
        char *text = malloc((size + 2) / 3 * 4 + 1);

        if (!text)
                return -ENOMEM;
        (void) EVP_EncodeBlock((uint8_t *) text, data, (int) size);
        *ret = text;
        return 0;
}

static int put(TarSplit *s, const char *text) {
        return gzputs(s->out, text) < 0 ? -EIO : 0;
}

static int flush_raw(TarSplit *s) {
        _cleanup_free_ char *payload = NULL;
        int r;

        if (s->raw.size == 0)
                return 0;
        r = base64(s->raw.data, s->raw.size, &payload);
        if (r >= 0)
                r = put(s, "{\"type\":2,\"payload\":\"");
        if (r >= 0)
                r = put(s, payload);
        if (r >= 0)
                r = gzprintf(s->out, "\",\"position\":%" PRIu64 "}\n", s->position++) > 0 ? 0 : -EIO;
        buffer_reset(&s->raw);
        return r;
}

int tar_split_raw(TarSplit *s, const void *data, size_t size) {
        int r;

        while (size > 0) {
                size_t n = MIN(size, SEGMENT_MAX - s->raw.size);

                r = buffer_add(&s->raw, data, n);
                if (r >= 0 && s->raw.size == SEGMENT_MAX)
                        r = flush_raw(s);
                if (r < 0)
                        return r;
                data = (const char *) data + n;
                size -= n;
        }
        return 0;
}

int tar_split_file(TarSplit *s, const char *path, uint64_t size, uint64_t crc) {
        _cleanup_free_ char *name = NULL, *payload = NULL, *line = NULL;
        _cleanup_json_ json_t *o = NULL;
        uint64_t big = htobe64(crc);
        int r;

        r = flush_raw(s);
        if (r >= 0 && size > 0)
                r = base64(&big, sizeof(big), &payload);
        if (r >= 0 && !utf8_is_valid(path, strlen(path)))
                r = base64(path, strlen(path), &name);
        if (r < 0)
                return r;

        o = json_pack("{s:i, s:s, s:I, s:s?, s:I}",
                      "type",
                      1,
                      name ? "name_raw" : "name",
                      name ?: path,
                      "size",
                      (json_int_t) size,
                      "payload",
                      payload,
                      "position",
                      (json_int_t) s->position++);
        line = o ? json_dumps(o, JSON_COMPACT) : NULL;
        if (!line)
                return -ENOMEM;
        r = put(s, line);
        return r < 0 ? r : put(s, "\n");
}

static const uint64_t *crc_table(void) {
        static uint64_t table[CRC_SLICES * 256];

        if (table[1] != 0)
                return table;
        for (unsigned i = 0; i < 256; i++) {
                uint64_t crc = i;

                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc & 1 ? crc >> 1 ^ CRC_POLYNOMIAL : crc >> 1;
                table[i] = crc;
        }
        for (unsigned i = 0; i < 256; i++)
                for (unsigned slice = 1; slice < CRC_SLICES; slice++) {
                        uint64_t before = table[(slice - 1) * 256 + i];

                        table[slice * 256 + i] = table[before & 0xff] ^ before >> 8;
                }
        return table;
}

uint64_t tar_split_crc(uint64_t crc, const void *data, size_t size) {
        const uint64_t *table = crc_table();
        const uint8_t *p = data;

        crc = ~crc;
        for (; size >= CRC_SLICES; p += CRC_SLICES, size -= CRC_SLICES) {
                uint64_t word;

                memcpy(&word, p, sizeof(word));
                crc ^= le64toh(word);
                crc = table[7 * 256 + (crc & 0xff)] ^ table[6 * 256 + (crc >> 8 & 0xff)] ^
                                table[5 * 256 + (crc >> 16 & 0xff)] ^ table[4 * 256 + (crc >> 24 & 0xff)] ^
                                table[3 * 256 + (crc >> 32 & 0xff)] ^ table[2 * 256 + (crc >> 40 & 0xff)] ^
                                table[1 * 256 + (crc >> 48 & 0xff)] ^ table[crc >> 56];
        }
        for (; size > 0; p++, size--)
                crc = table[(crc ^ *p) & 0xff] ^ crc >> 8;
        return ~crc;
}

int tar_split_finish(TarSplit *s) {
        gzFile out;
        int r;

        r = flush_raw(s);
        out = TAKE_PTR(s->out);
        return gzclose(out) == Z_OK ? r : -EIO;
}
