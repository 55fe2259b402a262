/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * StoreFile: one of the JSON arrays of a containers/storage store, with its lock file.
 *
 * Other programs (podman, buildah, skopeo) use the same files: changes are made under the exclusive lock,
 * after reading what they wrote. Keys that we do not know stay as they are. Records of volatile objects
 * stand in a second file, if there is one. Source: containers/storage layout, sections "lock files" and
 * "last write". For image/ only.
 */

#include <jansson.h>

#include "basic/error.h"

#define STORE_STAMP_SIZE 64

typedef struct StoreFile {
        int root_fd;           /* borrowed */
        const char *lock_path; /* relative to the root of the store; static, like the others */
        const char *path, *volatile_path;
        json_t *records, *volatile_records; /* arrays */
        uint8_t stamp[STORE_STAMP_SIZE];
        bool loaded;
        int lock_fd;         /* negative: not locked */
        uint64_t generation; /* counts loads, and changes of records that are not volatile */
} StoreFile;

void store_file_done(StoreFile *f);

/**
 * store_file_lock() - take the lock and see what others wrote
 * @wait:  false: -EAGAIN when somebody else has it (for the loop, which must not block)
 */
int store_file_lock(StoreFile *f, bool exclusive, bool wait, Error *error);
void store_file_unlock(StoreFile *f);

/* Whether somebody wrote since the last load; a hint that needs no lock. */
bool store_file_is_stale(const StoreFile *f);

/* Writes what was changed; under the exclusive lock. @volatile_only: the records that must survive a power
 * cut are unchanged. */
int store_file_save(StoreFile *f, bool volatile_only, Error *error);

/* Record with that id in either array, borrowed, or NULL. */
json_t *store_file_find(const StoreFile *f, const char *id);

/* Takes the record with that id out. Whether it was there. */
bool store_file_remove(StoreFile *f, const char *id);

/* "2026-01-31T08:15:30.123456789Z" of now. */
void store_time_now(char ret[static 40]);
