/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tar: a reader of tar streams that shows every raw byte.
 *
 * ustar, GNU long names and PAX records. Pulls its bytes from a callback. Everything that is not content of
 * a regular file (headers, padding, the end and what follows it) goes to on_raw, in order, as tar-split
 * wants it. Source: POSIX pax(1), GNU tar "Basic Tar Format". Foreign input: every size has a bound.
 */

#include "basic/buffer.h"
#include "basic/error.h"

#define TAR_BLOCK 512
#define TAR_PATH_MAX 4096
#define TAR_PAX_MAX (1 * MIB)
#define TAR_XATTRS_MAX 256

/* Number of bytes (0 at the end), or negative errno. */
typedef ssize_t (*TarRead)(void *userdata, void *data, size_t size);
typedef int (*TarRaw)(void *userdata, const void *data, size_t size);

typedef struct TarXattr {
        char *name;
        void *value;
        size_t size;
} TarXattr;

typedef enum TarType {
        TAR_REGULAR = '0',
        TAR_HARD_LINK = '1',
        TAR_SYMLINK = '2',
        TAR_CHARACTER = '3',
        TAR_BLOCK_DEVICE = '4',
        TAR_DIRECTORY = '5',
        TAR_FIFO = '6',
} TarType;

typedef struct TarEntry {
        char *path, *link; /* as they stand in the archive */
        TarType type;
        uint32_t mode, uid, gid, major, minor;
        uint64_t size; /* of the content that follows */
        int64_t mtime_nsec;
        TarXattr *xattrs;
        size_t n_xattrs;
} TarEntry;

typedef struct Tar {
        TarRead read;
        TarRaw on_raw;
        void *userdata;
        TarEntry entry;
        uint64_t left, padding; /* of the content of the entry */
        uint64_t offset, extension_bytes;
        bool ended;
} Tar;

/* @on_raw: may be NULL. Nothing is read yet. */
void tar_init(Tar *t, TarRead read, TarRaw on_raw, void *userdata);
void tar_done(Tar *t);

/* Content that was not read is skipped (and shown to nobody: read it). 1: t->entry is the next one; 0: the
 * end; negative errno with a text. */
int tar_next(Tar *t, Error *error);

/* Content of the entry: number of bytes, 0 at its end, negative errno. */
ssize_t tar_read(Tar *t, void *data, size_t size, Error *error);
