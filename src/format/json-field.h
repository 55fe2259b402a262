/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JsonField: a struct and its JSON form, described by one table.
 *
 * The same rows load, save and free. Errors name the place ("/layers/2/size: expected an integer"). Unknown
 * fields are skipped, unset ones are not written, absent ones keep the value that is there.
 */

#include <jansson.h>

#include "basic/error.h"

typedef enum JsonType {
        JSON_FIELD_STRING,  /* char * */
        JSON_FIELD_STRINGS, /* char **, NULL-terminated */
        JSON_FIELD_PAIRS,   /* char **, key and value in turn; an object of strings */
        JSON_FIELD_BOOL,    /* bool */
        JSON_FIELD_INT,     /* int (and enums) */
        JSON_FIELD_INT64,   /* int64_t */
        JSON_FIELD_UINT64,  /* uint64_t, at most INT64_MAX */
        JSON_FIELD_INT64S,  /* int64_t * and its count */
        JSON_FIELD_STRUCT,  /* a struct inside this one, by @fields */
        JSON_FIELD_ARRAY,   /* array of structs of @size, by @fields, and its count */
} JsonType;

typedef struct JsonField JsonField;

struct JsonField {
        const char *name;
        JsonType type;
        size_t offset;
        const JsonField *fields;
        size_t size;
        size_t n_offset; /* where the size_t count is */
        bool required;
};

#define JSON_ITEMS_MAX 65536

/* @data: a struct that is zeroed or has values. On failure it may be filled in part; json_field_done() frees
 * it. */
int json_field_load(const JsonField *fields, json_t *json, void *data, Error *error);

/* A new reference to an object, or NULL without memory. */
json_t *json_field_save(const JsonField *fields, const void *data);

/* Whether two structs would be saved alike; false without memory. */
bool json_field_equal(const JsonField *fields, const void *a, const void *b);

/* Frees what the rows own and zeroes it. */
void json_field_done(const JsonField *fields, void *data);

/* Parses text; names the place of a syntax error. 0, -EINVAL with a text, -ENOMEM. */
int json_parse(const char *what, const char *text, size_t size, json_t **ret, Error *error);

/* The same for what came from outside: an object, and what is wrong with it is not our failure. 0, -EBADMSG
 * with a text of status UNKNOWN, -ENOMEM. */
int json_parse_foreign(const char *what, const char *text, size_t size, json_t **ret, Error *error);

/* The same for json_field_load(). */
int json_field_load_foreign(const JsonField *fields, json_t *json, void *data, Error *error);

/* Value of a key in a list of pairs, or NULL. */
const char *pairs_get(char *const *pairs, const char *key);

/* Adds or replaces. 0 or -ENOMEM. */
int pairs_set(char ***pairs, const char *key, const char *value);

#define PAIRS_FOREACH(p, pairs) for (char *const *p = (char *const *) (pairs); p && *p; p += 2)

static inline void json_unrefp(json_t **j) {
        json_decref(*j);
}
#define _cleanup_json_ _cleanup_(json_unrefp)
