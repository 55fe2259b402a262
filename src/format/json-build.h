/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JsonBuild: short forms for making JSON with jansson.
 *
 * jansson takes NULL for "no memory", so that one check at the end of a row of calls is enough.
 */

#include "format/json-field.h"

/* Array of strings, object of a list of pairs; a new reference, NULL without memory. */
json_t *json_new_strings(char *const *l);
json_t *json_new_pairs(char *const *pairs);

/* Each takes over @value (also on failure). 0 or -ENOMEM. */
int json_set(json_t *object, const char *key, json_t *value);
/* An empty object is left out. */
int json_set_object(json_t *parent, const char *key, json_t *object);

/* Zero is left out. 0 or -ENOMEM. */
int json_set_unless_zero(json_t *object, const char *key, int64_t value);

/* Compact text, owned by the caller. 0 or -ENOMEM. */
int json_dump(const json_t *json, char **ret);
