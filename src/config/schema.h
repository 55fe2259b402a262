/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ConfigKey: one row of the schema of crio.conf. For config/ and cli/ only.
 */

#include "basic/error.h"

typedef enum ConfigType {
        CONFIG_STRING,
        CONFIG_STRINGS,
        CONFIG_BOOLEAN,
        CONFIG_INTEGER,
        CONFIG_DURATION, /* text such as "5s" */
} ConfigType;

/* Rows without an effect have no field in Config. */
#define CONFIG_NO_FIELD SIZE_MAX

typedef struct ConfigKey {
        const char *table; /* "crio.runtime" */
        const char *name;
        ConfigType type;
        const char *initial; /* strings of a list stand behind each other, separated by blanks */
        size_t offset;       /* in Config, or CONFIG_NO_FIELD */
        const char *help;
} ConfigKey;

/* All keys, grouped by table; ends with an empty row. */
extern const ConfigKey config_keys[];

/* NULL for an unknown one. */
const ConfigKey *config_find_key(const char *table, const char *name);
