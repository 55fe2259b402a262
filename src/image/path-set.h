/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * PathSet: which paths an archive has shown so far.
 *
 * Keeps a part of each path's SHA-256, so that an entry costs the same however long its name is. For image/
 * only.
 */

#include "basic/macros.h"

#define PATH_SET_KEY_SIZE 16

typedef struct PathSet {
        uint8_t (*keys)[PATH_SET_KEY_SIZE]; /* open addressing; all zero: empty */
        size_t n, allocated;
} PathSet;

void path_set_done(PathSet *s);

/* 0; -EEXIST: it is there; -ENOMEM. */
int path_set_add(PathSet *s, const char *path);
