/* SPDX-License-Identifier: Apache-2.0 */
#include "image/decompress.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#define INPUT_SIZE (256 * KIB)
#define MAGIC_SIZE 4
/* A frame may ask for that much memory at most. */
#define ZSTD_WINDOW_LOG_MAX 27

struct Decompress {
        DecompressRead read;
        void *userdata;
        uint8_t *input;
        size_t start, end;
        bool sniffed, input_ended, ended, in_frame;
        Compression compression;
        struct inflate_state gzip;
        ZSTD_DStream *zstd;
};

int decompress_new(DecompressRead read, void *userdata, Decompress **ret) {
        _cleanup_(decompress_freep) Decompress *d = new0(Decompress, 1);

        if (!d)
                return -ENOMEM;
        d->read = read;
        d->userdata = userdata;
        d->input = malloc(INPUT_SIZE);
        if (!d->input)
                return -ENOMEM;
        *ret = TAKE_PTR(d);
        return 0;
}

Decompress *decompress_free(Decompress *d) {
        if (!d)
                return NULL;
        ZSTD_freeDStream(d->zstd);
        free(d->input);
        free(d);
        return NULL;
}

Compression decompress_get_compression(const Decompress *d) {
        return d->compression;
}

/* Makes sure that there is input, unless it has ended. */
static int fill(Decompress *d) {
        ssize_t n;

        if (d->start < d->end || d->input_ended)
                return 0;
        n = d->read(d->userdata, d->input, INPUT_SIZE);
        if (n < 0)
                return (int) n;
        d->start = 0;
        d->end = (size_t) n;
        d->input_ended = n == 0;
        return 0;
}

static int start_gzip(Decompress *d) {
        isal_inflate_init(&d->gzip);
        d->gzip.crc_flag = ISAL_GZIP; /* header and checksum are checked as well */
        d->in_frame = true;
        return 0;
}

static int start_zstd(Decompress *d) {
        d->zstd = ZSTD_createDStream();
        if (!d->zstd)
                return -ENOMEM;
        return ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)) ?
                        -EINVAL :
                        0;
}

static int sniff(Decompress *d) {
        static const uint8_t gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
        ssize_t n = 0;

        while (d->end < MAGIC_SIZE && (n = d->read(d->userdata, d->input + d->end, MAGIC_SIZE - d->end)) > 0)
                d->end += (size_t) n;
        if (n < 0)
                return (int) n;
        d->sniffed = true;
        if (d->end >= sizeof(gzip) && memcmp(d->input, gzip, sizeof(gzip)) == 0) {
                d->compression = COMPRESSION_GZIP;
                return start_gzip(d);
        }
        if (d->end >= sizeof(zstd) && memcmp(d->input, zstd, sizeof(zstd)) == 0) {
                d->compression = COMPRESSION_ZSTD;
                return start_zstd(d);
        }
        return 0;
}

static ssize_t read_plain(Decompress *d, void *data, size_t size) {
        size_t n;
        int r;

        r = fill(d);
        if (r < 0)
                return r;
        n = MIN(size, d->end - d->start);
        memcpy(data, d->input + d->start, n);
        d->start += n;
        return (ssize_t) n;
}

static ssize_t read_gzip(Decompress *d, void *data, size_t size) {
        for (;;) {
                int r;

                r = fill(d);
                if (r < 0)
                        return r;
                if (d->start == d->end) /* the input has ended */
                        return d->in_frame ? -EBADMSG : 0;
                if (!d->in_frame)
                        (void) start_gzip(d); /* one more member */

                d->gzip.next_in = d->input + d->start;
                d->gzip.avail_in = (uint32_t) (d->end - d->start);
                d->gzip.next_out = data;
                d->gzip.avail_out = (uint32_t) MIN(size, (size_t) UINT32_MAX);
                r = isal_inflate(&d->gzip);
                d->start = d->end - d->gzip.avail_in;
                if (r != ISAL_DECOMP_OK)
                        return -EBADMSG;
                if (d->gzip.block_state == ISAL_BLOCK_FINISH)
                        d->in_frame = false;
                if (d->gzip.next_out > (uint8_t *) data)
                        return d->gzip.next_out - (uint8_t *) data;
        }
}

static ssize_t read_zstd(Decompress *d, void *data, size_t size) {
        ZSTD_outBuffer out = { data, size, 0 };

        while (out.pos == 0) {
                ZSTD_inBuffer in;
                size_t left;
                int r;

                r = fill(d);
                if (r < 0)
                        return r;
                if (d->start == d->end)
                        return d->in_frame ? -EBADMSG : 0;
                in = (ZSTD_inBuffer){ d->input + d->start, d->end - d->start, 0 };
                left = ZSTD_decompressStream(d->zstd, &out, &in);
                if (ZSTD_isError(left))
                        return -EBADMSG;
                d->start += in.pos;
                d->in_frame = left > 0;
        }
        return (ssize_t) out.pos;
}

ssize_t decompress_read(Decompress *d, void *data, size_t size) {
        int r;

        if (!d->sniffed) {
                r = sniff(d);
                if (r < 0)
                        return r;
        }
        switch (d->compression) {
        case COMPRESSION_GZIP:
                return read_gzip(d, data, size);
        case COMPRESSION_ZSTD:
                return read_zstd(d, data, size);
        default:
                return read_plain(d, data, size);
        }
}
