/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The bundle of a container: config.json from what the client, the image and the node say. For core/ only.
 */

#include "basic/error.h"

typedef struct Container Container;
typedef struct StoreImage StoreImage;

/* Writes config.json into the directory of the container, and keeps user and groups in it. */
int container_write_spec(Container *c, const StoreImage *image, Error *error);

/* Text of config.json, owned by the caller. */
int container_read_spec(const Container *c, char **ret, size_t *ret_size, Error *error);
