/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Unpack: a layer's tar stream to a directory, and to a tar-split file beside it.
 *
 * Nothing escapes the directory: parents are resolved with it as root, entries are made relative to their
 * parent's descriptor and never through a symlink. Whiteouts become overlayfs whiteouts. A path that comes
 * twice, a hard link that leads nowhere and an archive that is cut short fail the layer. Source:
 * containers/storage layout, "Unpack rules".
 */

#include "basic/error.h"
#include "format/digest.h"
#include "format/tar.h"

#define UNPACK_ENTRIES_MAX (UINT64_C(4) << 20)

typedef struct UnpackResult {
        Digest diff_id;        /* of the uncompressed stream */
        uint64_t size;         /* of it */
        uint32_t *uids, *gids; /* sorted, distinct, owned */
        size_t n_uids, n_gids;
} UnpackResult;

void unpack_result_done(UnpackResult *r);

/**
 * unpack() - read a stream to its end
 * @read, @userdata:  uncompressed bytes
 * @dir_fd:           an empty directory
 * @split_fd:         written: gzip of tar-split's lines
 *
 * Blocks. Return: 0, or negative errno with a text that names the entry.
 */
int unpack(TarRead read, void *userdata, int dir_fd, int split_fd, UnpackResult *ret, Error *error);
