/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the store share. For image/store*.c only.
 *
 * store-layer.c makes and discards directories of layers, store-stage.c places that are not visible yet or
 * not any more, store-pending.c notes about changes of more than one file; store-commit.c, store-remove.c
 * and store-container.c change the records, each so that a crash between any two steps leaves a store that
 * everybody can read, and store-repair.c takes away what such a crash left.
 */

#include "image/store-file.h"
#include "image/store.h"

#define STORE_RANDOM_SIZE 26
#define STORE_TEMPDIRS "overlay/tempdirs"
#define STORE_SPLIT_TEMPDIRS "overlay-layers/tmp"
#define STORE_PENDING "crio"

struct Store {
        char *root, *runroot;
        int root_fd;
        StoreFile layers_file, images_file, containers_file;
        StoreImage *images;
        size_t n_images;
        uint64_t images_generation, layers_generation;
};

/* A random name of the alphabet of short links. */
int store_random_name(char ret[static STORE_RANDOM_SIZE + 1]);

/* Path of a big data file of an image, relative to the root of the store. */
int store_big_data_path(const char *image_id, const char *key, char **ret);

/* "overlay-layers/<id>.tar-split.gz"; NULL without memory. */
char *store_split_path(const char *layer);

/* store-layer.c: */

/* Links, lower lists and directories of a new layer "overlay/<id>"; its "diff" is made unless @staged_fd
 * holds one to rename. */
int store_make_layer(Store *s, const char *id, const char *parent, int staged_fd, Error *error);

/* Moves "overlay/<id>", its links and what belongs to it out of the way. After its record is gone. */
int store_discard_layer(Store *s, const char *id);

/* store-stage.c: */

/* A file "<directory>/<prefix><random>" whose lock we hold, so that nobody takes it for left over. The
 * directory is made. @ret_random: the random part. Its descriptor, or negative errno. */
int store_make_lock(Store *s, const char *directory, const char *prefix, char *ret_random);

/* 1: nobody holds the lock of "<directory>/<name>", and now we do, by @ret_fd; 0: it is held, or gone. */
int store_take_stale_lock(int dir_fd, const char *name, int *ret_fd);

/* store-pending.c: */

/* A note that stands until it is dropped, or the next start works it off. */
typedef struct StorePending {
        char name[sizeof("pending-") + STORE_RANDOM_SIZE];
        int fd;
} StorePending;

/* Notes which layers (base first) may be left without an image if we die now. Before any record changes. */
int store_pending_new(Store *s, char *const *layers, StorePending *ret, Error *error);

/* Takes the note away. One whose fd is closed before stays for the next start. */
void store_pending_drop(Store *s, StorePending *p);

/* Ids of all notes whose writer is dead, each base first; the notes stay until they are cleared. */
int store_pending_read(Store *s, char ***ret_layers, char ***ret_names);
void store_pending_clear(Store *s, char *const *names);

/* store-remove.c: */

/* The three locks, in the order that everybody keeps to. -EAGAIN: not @wait, and somebody has one. */
int store_lock_all(Store *s, bool wait, Error *error);
void store_unlock_all(Store *s);

/* Whether another layer, an image or a container stands on it. */
bool store_layer_is_used(Store *s, const char *layer);

/* Ids of a layer and those below it, base first. */
int store_layer_chain(Store *s, const char *layer, char ***ret);

/* Takes those layers of a chain (base first) that nobody needs any more out of the records, in memory.
 * @ret: their ids. */
int store_forget_unused(Store *s, char *const *chain, char ***ret);

/* A place where a test can stop us: 0, or -EIO. */
int store_fault(const char *step);
