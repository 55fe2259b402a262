/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What requests for pods and for containers have in common; pure functions. For core/ only.
 *
 * Every text names the field and its value, and says what would have been right.
 */

#include "basic/error.h"

#define NAME_MAX_BYTES 253        /* of a Kubernetes object */
#define LABEL_MAX_BYTES 4096      /* key and value */
#define ANNOTATIONS_MAX (1 * MIB) /* keys and values of one object; Kubernetes allows 256 KiB */

/* INVALID_ARGUMENT "WHAT "VALUE": WHY", the value cut to a length that people read. Returns -EINVAL. */
int config_refuse(Error *error, const char *what, const char *value, const char *why);

/* Whether @s has a byte below the blank, or DEL: such text damages logs and lines of files. */
bool text_has_control(const char *s);

/* A name that ends up in descriptions, arguments of CNI plugins and paths: not empty, at most @max bytes, no
 * slash, semicolon or control character, not "." or "..". 0, or -EINVAL with a text. */
int config_check_name(const char *what, const char *name, size_t max, Error *error);

/* An absolute path without "..". 0, or -EINVAL with a text. */
int config_check_path(const char *what, const char *path, Error *error);

/* Whether a failure says that a path of the client can not be, rather than that this node is in trouble. */
bool errno_is_of_path(int r);

/* Labels and annotations: keys are not empty, sizes within the limits above. 0, or -EINVAL with a text. */
int config_check_labels(char *const *labels, Error *error);
int config_check_annotations(char *const *annotations, Error *error);
