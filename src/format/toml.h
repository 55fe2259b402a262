/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TOML 1.0: text to a tree of typed values, each with its place in the text.
 *
 * The tree owns everything in it. Dates and times are kept as their text. Source: toml.io, version 1.0.0.
 */

#include "basic/error.h"

typedef struct TomlValue TomlValue;

#define TOML_DEPTH_MAX 64
#define TOML_SIZE_MAX (4 * MIB)

typedef enum TomlType {
        TOML_STRING,
        TOML_INTEGER,
        TOML_FLOAT,
        TOML_BOOLEAN,
        TOML_DATETIME, /* offset date-time */
        TOML_LOCAL_DATETIME,
        TOML_LOCAL_DATE,
        TOML_LOCAL_TIME,
        TOML_ARRAY,
        TOML_TABLE,
        _TOML_TYPE_MAX,
} TomlType;

struct TomlValue {
        TomlType type;
        unsigned line, column;
        char *key; /* in its table; NULL in an array */
        size_t key_size;
        union {
                struct {
                        char *text; /* NUL-terminated; a string may hold NULs of its own */
                        size_t size;
                };
                int64_t integer;
                double number;
                bool boolean;
                struct {
                        TomlValue **items; /* of an array or table, in order */
                        size_t n_items;
                };
        };
        unsigned flags; /* private to the parser */
};

/**
 * toml_parse() - read a document
 * @name:  of the file, for the text of errors
 *
 * Return: 0; -EINVAL with a text "NAME:LINE:COLUMN: …" (columns are bytes, from 1); -E2BIG; -ENOMEM.
 */
int toml_parse(const char *name, const char *data, size_t size, TomlValue **ret, Error *error);

TomlValue *toml_free(TomlValue *v);
DEFINE_CLEANUP(TomlValue *, toml_free);

/* Value of a key in a table, or NULL. */
const TomlValue *toml_find(const TomlValue *table, const char *key);

/* "string", "integer", … */
const char *toml_type_to_string(TomlType type);
