/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the store share. For image/store*.c only.
 */

#include "image/store-file.h"
#include "image/store.h"

struct Store {
        char *root, *runroot;
        int root_fd;
        StoreFile layers_file, images_file, containers_file;
        StoreImage *images;
        size_t n_images;
        uint64_t images_generation, layers_generation;
};

/* Path of a big data file of an image, relative to the root of the store. */
int store_big_data_path(const char *image_id, const char *key, char **ret);

/* Links, lower lists and directories of a new layer "overlay/<id>"; its "diff" is made unless @staged_fd
 * holds one to rename. */
int store_make_layer(Store *s, const char *id, const char *parent, int staged_fd, Error *error);

/* Moves "overlay/<id>" and its links out of the way, into the trash. */
int store_discard_layer(Store *s, const char *id);

/* Takes the image's layers from the top while nobody else needs them. Under the exclusive locks. */
int store_remove_unused_layers(Store *s, const char *layer);
