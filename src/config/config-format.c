/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration as text. See config.h.
 */

#include <inttypes.h>

#include "basic/buffer.h"
#include "basic/str.h"
#include "config/config.h"
#include "config/schema.h"

#define CONFIG_TEXT_MAX (1 * MIB)
#define RUNTIMES_TABLE "crio.runtime.runtimes"

static int format_string(Buffer *b, const char *s) {
        int r = buffer_addc(b, '"');

        for (; *s && r >= 0; s++)
                if (*s == '"' || *s == '\\')
                        r = buffer_addf(b, "\\%c", *s);
                else if ((uint8_t) *s < 0x20 || *s == 0x7f)
                        r = buffer_addf(b, "\\u%04X", (unsigned) (uint8_t) *s);
                else
                        r = buffer_addc(b, *s);
        return r < 0 ? r : buffer_addc(b, '"');
}

static int format_strings(Buffer *b, char *const *l) {
        int r = buffer_addc(b, '[');

        STRV_FOREACH(s, l) {
                if (s != l)
                        r = buffer_adds(b, ", ");
                if (r >= 0)
                        r = format_string(b, *s);
        }
        return r < 0 ? r : buffer_addc(b, ']');
}

static int format_key(Buffer *b, const ConfigKey *k, const void *field) {
        switch (k->type) {
        case CONFIG_STRING:
        case CONFIG_DURATION:
                return format_string(b, *(char *const *) field);
        case CONFIG_STRINGS:
                return format_strings(b, *(char *const *const *) field);
        case CONFIG_BOOLEAN:
                return buffer_adds(b, *(const bool *) field ? "true" : "false");
        case CONFIG_INTEGER:
                return buffer_addf(b, "%" PRIi64, *(const int64_t *) field);
        }
        return -EINVAL;
}

static int
format_row(Buffer *b, const Config *c, const Config *initial, const ConfigKey *k, bool commented) {
        _cleanup_buffer_ Buffer value = BUFFER_INIT(CONFIG_TEXT_MAX), plain = BUFFER_INIT(CONFIG_TEXT_MAX);
        int r;

        (void) format_key(&plain, k, (const char *) initial + k->offset); /* failures stay in the buffers */
        (void) format_key(&value, k, (const char *) c + k->offset);
        if (plain.error < 0 || value.error < 0)
                return -ENOMEM;
        r = buffer_addf(b,
                        "# %s\n%s%s = %s\n\n",
                        k->help,
                        commented && streq(plain.data, value.data) ? "# " : "",
                        k->name,
                        value.data);
        return r;
}

/* The name is the client's; one that is no bare key is quoted. */
static int format_runtime(Buffer *b, const ConfigRuntime *runtime) {
        const struct {
                const char *key, *value;
        } rows[] = {
                { "runtime_path", runtime->runtime_path },
                { "runtime_type", runtime->runtime_type },
                { "runtime_root", runtime->runtime_root },
        };

        (void) buffer_adds(b, "[" RUNTIMES_TABLE "."); /* the first failure stays in the buffer */
        if (!isempty(runtime->name) && str_in_charset(runtime->name, STR_LOWER STR_UPPER STR_DIGITS "_-"))
                (void) buffer_adds(b, runtime->name);
        else
                (void) format_string(b, runtime->name);
        (void) buffer_adds(b, "]\n");
        FOREACH_ELEMENT(row, rows) {
                if (!row->value)
                        continue;
                (void) buffer_addf(b, "%s = ", row->key);
                (void) format_string(b, row->value);
                (void) buffer_addc(b, '\n');
        }
        if (runtime->allowed_annotations) {
                (void) buffer_adds(b, "allowed_annotations = ");
                (void) format_strings(b, runtime->allowed_annotations);
                (void) buffer_addc(b, '\n');
        }
        return buffer_addc(b, '\n');
}

int config_format(const Config *c, bool commented, char **ret) {
        _cleanup_(config_freep) Config *initial = NULL;
        _cleanup_buffer_ Buffer b = BUFFER_INIT(CONFIG_TEXT_MAX);
        const char *table = "";
        int r;

        r = config_new(&initial);
        if (r < 0)
                return r;

        r = buffer_adds(&b,
                        "# SPDX-License-Identifier: Apache-2.0\n"
                        "#\n"
                        "# Configuration of crio. What is commented out is the default. Files in crio.conf.d/ are read after this\n"
                        "# one, in the order of their names, and win. Keys of CRI-O that are not listed here are accepted and\n"
                        "# named once at start as without effect.\n\n");
        for (const ConfigKey *k = config_keys; k->name && r >= 0; k++) {
                if (k->offset == CONFIG_NO_FIELD)
                        continue;
                if (!streq(table, k->table))
                        r = buffer_addf(&b, "[%s]\n\n", k->table);
                table = k->table;
                if (r >= 0)
                        r = format_row(&b, c, initial, k, commented);
        }
        for (size_t i = 0; i < c->n_runtimes && r >= 0; i++)
                r = format_runtime(&b, &c->runtimes[i]);
        return r < 0 ? r : buffer_take(&b, ret);
}
