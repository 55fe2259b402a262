/* SPDX-License-Identifier: Apache-2.0 */
#include "format/toml.h"

#include "basic/str.h"
#include "format/toml-internal.h"

/* How a table came to be decides who may still add to it. */
#define TABLE_IMPLICIT (1U << 0) /* by a longer header: may be defined once */
#define TABLE_DEFINED (1U << 1)  /* by its own header */
#define TABLE_DOTTED (1U << 2)   /* by a dotted key: only more dotted keys of the same table */
#define VALUE_CLOSED (1U << 3)   /* inline table or plain array: complete as written */
#define ARRAY_OF_TABLES (1U << 4)

#define KEY_PARTS_MAX 64
#define WORD_MAX 1024

typedef struct Key {
        struct {
                char *text;
                size_t size;
                unsigned line, column;
        } parts[KEY_PARTS_MAX];
        size_t n;
} Key;

static int parse_value(TomlParser *p, TomlValue **ret);

static const char *const type_table[_TOML_TYPE_MAX] = {
        [TOML_STRING] = "string",         [TOML_INTEGER] = "integer",
        [TOML_FLOAT] = "float",           [TOML_BOOLEAN] = "boolean",
        [TOML_DATETIME] = "date-time",    [TOML_LOCAL_DATETIME] = "local date-time",
        [TOML_LOCAL_DATE] = "local date", [TOML_LOCAL_TIME] = "local time",
        [TOML_ARRAY] = "array",           [TOML_TABLE] = "table",
};

const char *toml_type_to_string(TomlType type) {
        assert(type >= 0 && type < _TOML_TYPE_MAX);
        return type_table[type];
}

static TomlValue *value_new(const TomlParser *p, TomlType type) {
        TomlValue *v = new0(TomlValue, 1);

        if (v)
                *v = (TomlValue){ .type = type, .line = p->line, .column = toml_column(p) };
        return v;
}

TomlValue *toml_free(TomlValue *v) {
        if (!v)
                return NULL;
        if (v->type == TOML_ARRAY || v->type == TOML_TABLE) {
                for (size_t i = 0; i < v->n_items; i++)
                        toml_free(v->items[i]);
                free(v->items);
        } else if (v->type == TOML_STRING || (v->type >= TOML_DATETIME && v->type <= TOML_LOCAL_TIME))
                free(v->text);
        free(v->key);
        free(v);
        return NULL;
}

/* Takes @item over, also on failure. */
static int value_append(TomlValue *list, TomlValue *item) {
        TomlValue **items = list->items;

        if ((list->n_items & (list->n_items - 1)) == 0) { /* full at every power of two */
                items = reallocarray(list->items, MAX(list->n_items * 2, (size_t) 1), sizeof(*items));
                if (!items) {
                        toml_free(item);
                        return -ENOMEM;
                }
                list->items = items;
        }
        list->items[list->n_items++] = item;
        return 0;
}

static TomlValue *find_key(const TomlValue *table, const char *key, size_t size) {
        for (size_t i = 0; i < table->n_items; i++) {
                TomlValue *v = table->items[i];

                if (v->key_size == size && memcmp(v->key, key, size) == 0)
                        return v;
        }
        return NULL;
}

const TomlValue *toml_find(const TomlValue *table, const char *key) {
        return table && table->type == TOML_TABLE ? find_key(table, key, strlen(key)) : NULL;
}

static void key_done(Key *k) {
        for (size_t i = 0; i < k->n; i++)
                free(k->parts[i].text);
        k->n = 0;
}

static int parse_key_part(TomlParser *p, Key *k) {
        static const char bare[] = STR_LOWER STR_UPPER STR_DIGITS "_-";
        size_t n = 0;
        int r = 0;

        if (k->n == KEY_PARTS_MAX)
                return toml_fail(p, "key has more than %d parts", KEY_PARTS_MAX);
        k->parts[k->n].line = p->line;
        k->parts[k->n].column = toml_column(p);
        if (toml_peek(p) == '"' || toml_peek(p) == '\'')
                r = toml_parse_string(p, false, &k->parts[k->n].text, &k->parts[k->n].size);
        else {
                while (p->p + n < p->end && p->p[n] && strchr(bare, p->p[n]))
                        n++;
                if (n == 0)
                        return toml_fail(p, "expected a key");
                k->parts[k->n].text = strndup(p->p, n);
                k->parts[k->n].size = n;
                p->p += n;
                r = k->parts[k->n].text ? 0 : -ENOMEM;
        }
        if (r >= 0)
                k->n++;
        return r;
}

static int parse_key(TomlParser *p, Key *k) {
        int r;

        do {
                toml_skip_blanks(p);
                r = parse_key_part(p, k);
                if (r < 0)
                        return r;
                toml_skip_blanks(p);
        } while (toml_accept(p, "."));
        return 0;
}

/* The place of the error is the key's: it stands on one line, and its value was not read yet. */
static int fail_key(TomlParser *p, const Key *k, size_t i, const char *what) {
        p->p = p->line_start + k->parts[i].column - 1;
        return toml_fail(p, "key \"%s\" is already defined%s", k->parts[i].text, what);
}

/* Puts a value under the i-th part of a key. Takes @v over, also on failure. */
static int table_put(TomlParser *p, TomlValue *table, Key *k, size_t i, TomlValue *v) {
        if (!v)
                return -ENOMEM;
        v->key = TAKE_PTR(k->parts[i].text);
        v->key_size = k->parts[i].size;
        v->line = k->parts[i].line;
        v->column = k->parts[i].column;
        return value_append(table, v);
}

/* The table below @table that the i-th part of a dotted key names; made when it is missing. */
static int descend_dotted(TomlParser *p, TomlValue **table, Key *k, size_t i) {
        TomlValue *next = find_key(*table, k->parts[i].text, k->parts[i].size);
        int r;

        if (!next) {
                next = value_new(p, TOML_TABLE);
                if (next)
                        next->flags = TABLE_DOTTED;
                r = table_put(p, *table, k, i, next);
                if (r < 0)
                        return r;
        } else if (next->type != TOML_TABLE || !(next->flags & (TABLE_DOTTED | TABLE_IMPLICIT)) ||
                   next->flags & VALUE_CLOSED)
                return fail_key(p, k, i, "");
        else
                next->flags = TABLE_DOTTED; /* which an implicit one becomes, once */
        *table = next;
        return 0;
}

static int parse_assignment(TomlParser *p, TomlValue *table) {
        _cleanup_(key_done) Key k = {};
        TomlValue *v;
        int r;

        r = parse_key(p, &k);
        if (r < 0)
                return r;
        if (!toml_accept(p, "="))
                return toml_fail(p, "expected \"=\" after the key");
        toml_skip_blanks(p);

        for (size_t i = 0; i + 1 < k.n; i++) {
                r = descend_dotted(p, &table, &k, i);
                if (r < 0)
                        return r;
        }
        if (find_key(table, k.parts[k.n - 1].text, k.parts[k.n - 1].size))
                return fail_key(p, &k, k.n - 1, "");

        r = parse_value(p, &v);
        if (r < 0)
                return r;
        return table_put(p, table, &k, k.n - 1, v);
}

static int parse_array(TomlParser *p, TomlValue *array) {
        TomlValue *item;
        int r;

        p->p++;
        for (;;) {
                r = toml_skip_blank_lines(p);
                if (r < 0)
                        return r;
                if (toml_accept(p, "]"))
                        return 0;
                r = parse_value(p, &item);
                if (r >= 0)
                        r = value_append(array, item);
                if (r >= 0)
                        r = toml_skip_blank_lines(p);
                if (r < 0)
                        return r;
                if (!toml_accept(p, ",") && toml_peek(p) != ']')
                        return toml_fail(p, "expected \",\" or \"]\" in an array");
        }
}

/* The tables that dotted keys made inside an inline table are closed with it. */
static void close_values(TomlValue *v) {
        v->flags |= VALUE_CLOSED;
        if (v->type == TOML_TABLE)
                for (size_t i = 0; i < v->n_items; i++)
                        if (v->items[i]->type == TOML_TABLE)
                                close_values(v->items[i]);
}

static int parse_inline_table(TomlParser *p, TomlValue *table) {
        int r;

        p->p++;
        toml_skip_blanks(p);
        if (toml_accept(p, "}"))
                return 0;
        for (;;) {
                r = parse_assignment(p, table);
                if (r < 0)
                        return r;
                toml_skip_blanks(p);
                if (toml_accept(p, "}"))
                        return 0;
                if (!toml_accept(p, ","))
                        return toml_fail(p, "expected \",\" or \"}\" in an inline table");
                toml_skip_blanks(p);
        }
}

/* Everything that is not quoted and has no brackets. */
static int parse_word(TomlParser *p, TomlValue *v) {
        static const char stops[] = " \t\r\n,]}#"; /* and NUL */
        char word[WORD_MAX] = {};
        size_t n = 0;
        int r;

        while (p->p + n < p->end && !strchr(stops, p->p[n]))
                n++;
        /* A blank may stand between date and time. */
        if (n == strlen("2006-01-02") && p->p + n + 1 < p->end && p->p[4] == '-' && p->p[n] == ' ' &&
            p->p[n + 1] && strchr(STR_DIGITS, p->p[n + 1]))
                while (++n, p->p + n < p->end && !strchr(stops, p->p[n]))
                        ;
        if (n == 0)
                return toml_fail(p, "expected a value");
        if (n >= sizeof(word))
                return toml_fail(p, "a value of more than %zu characters without quotes", sizeof(word) - 1);
        memcpy(word, p->p, n);

        r = toml_word_parse(word, v);
        if (r == -ERANGE)
                return toml_fail(p, "does not fit into 64 bits: %s", word);
        if (r == -EINVAL)
                return toml_fail(p, "not a value: %s", word);
        if (r >= 0)
                p->p += n;
        return r;
}

static int parse_value_into(TomlParser *p, TomlValue *v) {
        int r;

        switch (toml_peek(p)) {
        case '"':
        case '\'':
                r = toml_parse_string(p, true, &v->text, &v->size);
                if (r >= 0)
                        v->type = TOML_STRING;
                return r;
        case '[':
                v->type = TOML_ARRAY;
                v->flags = VALUE_CLOSED;
                return parse_array(p, v);
        case '{':
                v->type = TOML_TABLE;
                r = parse_inline_table(p, v);
                close_values(v);
                return r;
        default:
                return parse_word(p, v);
        }
}

static int parse_value(TomlParser *p, TomlValue **ret) {
        _cleanup_(toml_freep) TomlValue *v = value_new(p, TOML_BOOLEAN);
        int r;

        if (!v)
                return -ENOMEM;
        if (p->depth == TOML_DEPTH_MAX)
                return toml_fail(p, "values are nested deeper than %d", TOML_DEPTH_MAX);

        p->depth++;
        r = parse_value_into(p, v);
        p->depth--;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

/* The table of the i-th part of a header, which is not its last. */
static int descend_header(TomlParser *p, TomlValue **table, Key *k, size_t i) {
        TomlValue *next = find_key(*table, k->parts[i].text, k->parts[i].size);
        int r;

        if (!next) {
                next = value_new(p, TOML_TABLE);
                if (next)
                        next->flags = TABLE_IMPLICIT;
                r = table_put(p, *table, k, i, next);
                if (r < 0)
                        return r;
        } else if (next->type == TOML_ARRAY && next->flags & ARRAY_OF_TABLES)
                next = next->items[next->n_items - 1];
        else if (next->type != TOML_TABLE || next->flags & VALUE_CLOSED)
                return fail_key(p, k, i, " and not a table");
        *table = next;
        return 0;
}

static int open_table(TomlParser *p, TomlValue *parent, Key *k, size_t i) {
        TomlValue *v = find_key(parent, k->parts[i].text, k->parts[i].size);
        int r;

        if (v && (v->type != TOML_TABLE || v->flags != TABLE_IMPLICIT))
                return fail_key(p, k, i, "");
        if (!v) {
                v = value_new(p, TOML_TABLE);
                r = table_put(p, parent, k, i, v);
                if (r < 0)
                        return r;
        }
        v->flags = TABLE_DEFINED;
        p->table = v;
        return 0;
}

static int open_array_of_tables(TomlParser *p, TomlValue *parent, Key *k, size_t i) {
        TomlValue *array = find_key(parent, k->parts[i].text, k->parts[i].size), *v;
        int r;

        if (array && (array->type != TOML_ARRAY || !(array->flags & ARRAY_OF_TABLES)))
                return fail_key(p, k, i, " and not an array of tables");
        if (!array) {
                array = value_new(p, TOML_ARRAY);
                if (array)
                        array->flags = ARRAY_OF_TABLES;
                r = table_put(p, parent, k, i, array);
                if (r < 0)
                        return r;
        }
        v = value_new(p, TOML_TABLE);
        if (!v)
                return -ENOMEM;
        v->flags = TABLE_DEFINED;
        r = value_append(array, v);
        if (r < 0)
                return r;
        p->table = v;
        return 0;
}

static int parse_header(TomlParser *p) {
        _cleanup_(key_done) Key k = {};
        TomlValue *table = p->root;
        bool array;
        int r;

        p->p++;
        array = toml_accept(p, "[");
        r = parse_key(p, &k);
        if (r < 0)
                return r;
        if (!toml_accept(p, array ? "]]" : "]"))
                return toml_fail(p, "expected \"%s\" after the name of the table", array ? "]]" : "]");

        for (size_t i = 0; i + 1 < k.n; i++) {
                r = descend_header(p, &table, &k, i);
                if (r < 0)
                        return r;
        }
        return array ? open_array_of_tables(p, table, &k, k.n - 1) : open_table(p, table, &k, k.n - 1);
}

static int parse_document(TomlParser *p) {
        int r;

        for (;;) {
                r = toml_skip_blank_lines(p);
                if (r < 0 || toml_at_end(p))
                        return r;
                r = toml_peek(p) == '[' ? parse_header(p) : parse_assignment(p, p->table);
                if (r >= 0)
                        r = toml_end_of_line(p);
                if (r < 0)
                        return r;
        }
}

static int fail_utf8(TomlParser *p) {
        const char *bad = p->p + utf8_valid_size(p->p, (size_t) (p->end - p->p));

        for (; p->p < bad; p->p++)
                if (*p->p == '\n') {
                        p->line++;
                        p->line_start = p->p + 1;
                }
        return toml_fail(p, "not valid UTF-8");
}

int toml_parse(const char *name, const char *data, size_t size, TomlValue **ret, Error *error) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        TomlParser p = { .name = name,
                         .p = data,
                         .end = data + size,
                         .line_start = data,
                         .line = 1,
                         .error = error };
        int r;

        if (size > TOML_SIZE_MAX)
                return error_set(error, -E2BIG, STATUS_INVALID_ARGUMENT, "%s: larger than 4 MiB", name);
        if (toml_accept(&p, "\xef\xbb\xbf")) /* byte order mark */
                p.line_start = p.p;
        if (utf8_valid_size(p.p, (size_t) (p.end - p.p)) < (size_t) (p.end - p.p))
                return fail_utf8(&p);
        p.root = p.table = root = value_new(&p, TOML_TABLE);
        if (!root)
                return -ENOMEM;
        root->flags = TABLE_DEFINED;
        r = parse_document(&p);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(root);
        return 0;
}
