/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TarSplit: what is needed to make the original tar of a layer again from its files: everything but their
 * content.
 *
 * Lines of JSON, gzipped. Source: containers/storage layout, section "tar-split".
 */

#include "basic/error.h"

typedef struct TarSplit TarSplit;

/* @fd: borrowed. */
int tar_split_new(int fd, TarSplit **ret);
TarSplit *tar_split_free(TarSplit *s);
DEFINE_CLEANUP(TarSplit *, tar_split_free);

/* Bytes of the archive that are not content of a file. */
int tar_split_raw(TarSplit *s, const void *data, size_t size);

/* An entry, after its content was seen: @crc of it, for size > 0. */
int tar_split_file(TarSplit *s, const char *path, uint64_t size, uint64_t crc);

/* CRC-64 (ISO) of further bytes; starts with 0. */
uint64_t tar_split_crc(uint64_t crc, const void *data, size_t size);

/* Writes what is left. */
int tar_split_finish(TarSplit *s);
