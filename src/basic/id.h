/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Id: 256 random bits as 64 hexadecimal digits, the name of pod sandboxes, containers and layers.
 */

#include "basic/macros.h"

#define ID_SIZE 64

typedef struct Id {
        char text[ID_SIZE + 1];
} Id;

/* 0, or negative errno of getrandom(2). */
int id_generate(Id *ret);

/* Whether @s is a whole id: 64 lower case hexadecimal digits. */
bool id_is_valid(const char *s);

/* Whether @s could be the beginning of an id: 1 to 64 lower case hexadecimal digits. */
bool id_is_prefix(const char *s);
