/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How the keys of crio.conf are called on the command line and in the environment. For cli/ only.
 *
 * Nearly all are called alike ("log_level", "--log-level", "CONTAINER_LOG_LEVEL"); one table has the others.
 * Source: crio(8).
 */

#include "config/schema.h"

#define FLAG_NAME_MAX 64

/* Key of an option without its dashes, or NULL. */
const ConfigKey *flag_find_key(const char *option, size_t size);

/* Option of a key, without its dashes. */
void flag_format(const ConfigKey *key, char ret[static FLAG_NAME_MAX]);

/* Environment variable of a key; "" when it has none. */
void flag_format_variable(const ConfigKey *key, char ret[static FLAG_NAME_MAX]);
