/* SPDX-License-Identifier: Apache-2.0 */
#include "image/decompress.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#define INPUT_SIZE (256 * KIB)
#define OUTPUT_SIZE (256 * KIB)
#define MAGIC_SIZE 6
/* A frame may ask for that much memory at most. */
#define ZSTD_WINDOW_LOG_MAX 27

struct Decompress {
        DecompressRead read;
        void *userdata;
        uint8_t *input;
        size_t start, end;
        bool sniffed, input_ended;
        bool in_frame; /* a member of gzip, a frame of zstd has begun and not ended */
        bool full;     /* the last output had no room for all that is decompressed */
        bool ended;    /* what follows is not for us */
        Compression compression;
        struct inflate_state gzip;
        ZSTD_DStream *zstd;

        /* What was decompressed and not asked for yet: a tar is read in small pieces. */
        uint8_t *output;
        size_t output_start, output_end;
};

int decompress_new(DecompressRead read, void *userdata, Decompress **ret) {
        _cleanup_(decompress_freep) Decompress *d = new0(Decompress, 1);

        if (!d)
                return -ENOMEM;
        d->read = read;
        d->userdata = userdata;
        d->input = malloc(INPUT_SIZE);
        d->output = malloc(OUTPUT_SIZE);
        if (!d->input || !d->output)
                return -ENOMEM;
        *ret = TAKE_PTR(d);
        return 0;
}

Decompress *decompress_free(Decompress *d) {
        if (!d)
                return NULL;
        ZSTD_freeDStream(d->zstd);
        free(d->input);
        free(d->output);
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

static bool begins_with(const Decompress *d, const void *magic, size_t size) {
        return d->end >= size && memcmp(d->input, magic, size) == 0;
}

static int sniff(Decompress *d) {
        static const uint8_t gzip[] = { 0x1f, 0x8b, 0x08 }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd },
                             xz[] = { 0xfd, '7', 'z', 'X', 'Z', 0 }, bzip2[] = { 'B', 'Z', 'h' };
        ssize_t n = 0;

        while (d->end < MAGIC_SIZE && (n = d->read(d->userdata, d->input + d->end, MAGIC_SIZE - d->end)) > 0)
                d->end += (size_t) n;
        if (n < 0)
                return (int) n;
        d->sniffed = true;
        if (begins_with(d, xz, sizeof(xz)) || begins_with(d, bzip2, sizeof(bzip2)))
                return -EOPNOTSUPP;
        if (begins_with(d, gzip, sizeof(gzip))) {
                d->compression = COMPRESSION_GZIP;
                return start_gzip(d);
        }
        if (begins_with(d, zstd, sizeof(zstd))) {
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

/* Makes sure of input, unless there is still output to be had without any. 0: the input has ended. */
static int fill_frame(Decompress *d) {
        int r;

        if (d->full)
                return 1;
        r = fill(d);
        if (r < 0)
                return r;
        if (d->start < d->end)
                return 1;
        return d->in_frame ? -EBADMSG : 0;
}

static ssize_t read_gzip(Decompress *d, void *data, size_t size) {
        for (;;) {
                int r;

                r = fill_frame(d);
                if (r <= 0)
                        return r;
                if (!d->in_frame && d->input[d->start] != 0x1f)
                        d->ended = true; /* padding, or somebody's own: it belongs to the blob alone */
                if (d->ended)
                        return 0;
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
                d->full = d->in_frame && d->gzip.avail_out == 0;
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

                r = fill_frame(d);
                if (r <= 0)
                        return r;
                in = (ZSTD_inBuffer){ d->input + d->start, d->end - d->start, 0 };
                left = ZSTD_decompressStream(d->zstd, &out, &in);
                if (ZSTD_isError(left))
                        return -EBADMSG;
                d->start += in.pos;
                if (in.pos > 0 || out.pos > 0)
                        d->in_frame = left > 0;
                d->full = d->in_frame && out.pos == out.size;
        }
        return (ssize_t) out.pos;
}

static ssize_t read_through(Decompress *d, void *data, size_t size) {
        switch (d->compression) {
        case COMPRESSION_GZIP:
                return read_gzip(d, data, size);
        case COMPRESSION_ZSTD:
                return read_zstd(d, data, size);
        default:
                return read_plain(d, data, size);
        }
}

ssize_t decompress_read(Decompress *d, void *data, size_t size) {
        size_t n;

        if (!d->sniffed) {
                int r = sniff(d);

                if (r < 0)
                        return r;
        }
        if (d->output_start == d->output_end) {
                ssize_t got;

                if (size >= OUTPUT_SIZE)
                        return read_through(d, data, size);
                got = read_through(d, d->output, OUTPUT_SIZE);
                if (got <= 0)
                        return got;
                d->output_start = 0;
                d->output_end = (size_t) got;
        }
        n = MIN(size, d->output_end - d->output_start);
        memcpy(data, d->output + d->output_start, n);
        d->output_start += n;
        return (ssize_t) n;
}
