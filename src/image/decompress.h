/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decompress: gzip (also of several members), zstd (also of several frames) or plain, told by the first
 * bytes.
 *
 * Pulls its input from a callback, so it can stand between any two. Foreign input.
 */

#include "basic/error.h"

typedef struct Decompress Decompress;

typedef enum Compression {
        COMPRESSION_NONE = 0, /* the numbers of layers.json */
        COMPRESSION_GZIP = 2,
        COMPRESSION_ZSTD = 4,
} Compression;

/* Number of bytes (0 at the end), or negative errno. */
typedef ssize_t (*DecompressRead)(void *userdata, void *data, size_t size);

/* Reads nothing yet. 0 or -ENOMEM. */
int decompress_new(DecompressRead read, void *userdata, Decompress **ret);
Decompress *decompress_free(Decompress *d);
DEFINE_CLEANUP(Decompress *, decompress_free);

/* Number of bytes, 0 at the end, -EBADMSG for a damaged stream, -EOPNOTSUPP for one of bzip2 or xz, or what
 * the callback returned. Bytes behind the last member of gzip are left in the input. */
ssize_t decompress_read(Decompress *d, void *data, size_t size);

/* Known after the first read. */
Compression decompress_get_compression(const Decompress *d);
