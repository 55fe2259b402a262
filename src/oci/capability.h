/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Capability: names of Linux capabilities, and sets of them as bit masks (bit = number).
 */

#include "basic/error.h"

/* "CHOWN", "cap_chown", "CAP_CHOWN". The number, or -EINVAL. */
int capability_from_string(const char *name);

/* "CAP_CHOWN"; NULL beyond the ones we know. */
const char *capability_to_string(unsigned number);

/* All that this kernel knows and this process may give. */
uint64_t capability_bounding_set(void);

/**
 * capability_apply() - the set of a container
 * @base:  what it has by default, without prefix or with it
 * @add:   may hold "ALL"
 * @drop:  may hold "ALL"; wins over @add but for ALL, which only empties what was there before
 *
 * Return: 0, or -EINVAL with a text that names the unknown capability.
 */
int capability_apply(char *const *base, char *const *add, char *const *drop, uint64_t *ret, Error *error);
