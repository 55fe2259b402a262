/* SPDX-License-Identifier: Apache-2.0 */
#include "format/json-field.h"

#include <limits.h>

#include "basic/str.h"

static void *field_at(const void *data, size_t offset) {
        return (char *) data + offset;
}

static size_t *count_of(const JsonField *f, const void *data) {
        return field_at(data, f->n_offset);
}

const char *pairs_get(char *const *pairs, const char *key) {
        PAIRS_FOREACH(p, pairs)
                if (streq(p[0], key))
                        return p[1];
        return NULL;
}

int pairs_set(char ***pairs, const char *key, const char *value) {
        _cleanup_free_ char *k = NULL;
        int r;

        PAIRS_FOREACH(p, *pairs)
                if (streq(p[0], key))
                        return str_replace((char **) p + 1, value);

        k = strdup(key);
        if (!k)
                return -ENOMEM;
        r = strv_extend(pairs, value);
        if (r < 0)
                return r;
        /* The value stands last; the key takes its place and it moves on. */
        r = strv_extend(pairs, "");
        if (r < 0) {
                size_t n = strv_length(*pairs);

                free((*pairs)[n - 1]);
                (*pairs)[n - 1] = NULL;
                return r;
        }
        size_t n = strv_length(*pairs);
        free((*pairs)[n - 1]);
        (*pairs)[n - 1] = (*pairs)[n - 2];
        (*pairs)[n - 2] = TAKE_PTR(k);
        return 0;
}

static int expected(Error *error, const char *what) {
        return error_set(error, -EINVAL, STATUS_INTERNAL, "expected %s", what);
}

static int load_strings(json_t *json, char ***ret, Error *error) {
        _cleanup_strv_ char **l = new0(char *, 1);
        json_t *item;
        size_t i;
        int r;

        if (!l)
                return -ENOMEM;
        if (!json_is_array(json))
                return expected(error, "an array of strings");
        json_array_foreach(json, i, item) {
                if (!json_is_string(item))
                        return expected(error, "an array of strings");
                r = strv_extend(&l, json_string_value(item));
                if (r < 0)
                        return r;
        }
        strv_free(*ret);
        *ret = TAKE_PTR(l);
        return 0;
}

static int load_pairs(json_t *json, char ***ret, Error *error) {
        size_t n = 0;
        const char *key;
        json_t *value;

        if (!json_is_object(json))
                return expected(error, "an object of strings");

        _cleanup_strv_ char **l = new0(char *, 2 * json_object_size(json) + 1);
        if (!l)
                return -ENOMEM;
        json_object_foreach(json, key, value) {
                if (!json_is_string(value))
                        return expected(error, "an object of strings");
                l[n] = strdup(key);
                if (!l[n++])
                        return -ENOMEM;
                l[n] = strdup(json_string_value(value));
                if (!l[n++])
                        return -ENOMEM;
        }
        strv_free(*ret);
        *ret = TAKE_PTR(l);
        return 0;
}

static int load_array(const JsonField *f, json_t *json, void *data, Error *error) {
        void **items = field_at(data, f->offset);
        size_t *n_items = count_of(f, data), i;
        json_t *item;
        int r;

        if (!json_is_array(json) || json_array_size(json) > JSON_ITEMS_MAX)
                return expected(error, "an array");
        if (*n_items > 0)
                return error_set(error, -EINVAL, STATUS_INTERNAL, "given twice");
        *items = calloc(MAX(json_array_size(json), (size_t) 1), f->size);
        if (!*items)
                return -ENOMEM;
        json_array_foreach(json, i, item) {
                *n_items = i + 1; /* so that a half-loaded one is freed as well */
                r = json_field_load(f->fields, item, (char *) *items + i * f->size, error);
                if (r < 0)
                        return error_prefix(error, r, "/%zu", i);
        }
        return 0;
}

static int load_integers(const JsonField *f, json_t *json, void *data, Error *error) {
        int64_t **items = field_at(data, f->offset);
        json_t *item;
        size_t i;

        if (!json_is_array(json) || json_array_size(json) > JSON_ITEMS_MAX)
                return expected(error, "an array of integers");
        free(*items);
        *count_of(f, data) = 0;
        *items = new0(int64_t, json_array_size(json) + 1);
        if (!*items)
                return -ENOMEM;
        json_array_foreach(json, i, item) {
                if (!json_is_integer(item))
                        return expected(error, "an array of integers");
                (*items)[(*count_of(f, data))++] = json_integer_value(item);
        }
        return 0;
}

static int load_integer(const JsonField *f, json_t *json, void *field, Error *error) {
        json_int_t n = json_integer_value(json);

        if (!json_is_integer(json))
                return expected(error, "an integer");
        if (f->type == JSON_FIELD_INT) {
                if (n < INT_MIN || n > INT_MAX)
                        return expected(error, "an integer of 32 bits");
                *(int *) field = (int) n;
        } else if (f->type == JSON_FIELD_UINT64) {
                if (n < 0)
                        return expected(error, "an integer that is not negative");
                *(uint64_t *) field = (uint64_t) n;
        } else
                *(int64_t *) field = n;
        return 0;
}

static int load_field(const JsonField *f, json_t *json, void *data, Error *error) {
        void *field = field_at(data, f->offset);

        switch (f->type) {
        case JSON_FIELD_STRING:
                return json_is_string(json) ? str_replace(field, json_string_value(json)) :
                                              expected(error, "a string");
        case JSON_FIELD_STRINGS:
                return load_strings(json, field, error);
        case JSON_FIELD_PAIRS:
                return load_pairs(json, field, error);
        case JSON_FIELD_BOOL:
                if (!json_is_boolean(json))
                        return expected(error, "true or false");
                *(bool *) field = json_is_true(json);
                return 0;
        case JSON_FIELD_INT:
        case JSON_FIELD_INT64:
        case JSON_FIELD_UINT64:
                return load_integer(f, json, field, error);
        case JSON_FIELD_INT64S:
                return load_integers(f, json, data, error);
        case JSON_FIELD_STRUCT:
                return json_field_load(f->fields, json, field, error);
        case JSON_FIELD_ARRAY:
                return load_array(f, json, data, error);
        }
        return -EINVAL;
}

int json_field_load(const JsonField *fields, json_t *json, void *data, Error *error) {
        int r;

        if (!json_is_object(json))
                return expected(error, "an object");

        for (const JsonField *f = fields; f->name; f++) {
                json_t *value = json_object_get(json, f->name);

                if (!value || json_is_null(value)) {
                        if (f->required)
                                return error_set(error, -EINVAL, STATUS_INTERNAL, "/%s: missing", f->name);
                        continue;
                }
                r = load_field(f, value, data, error);
                if (r < 0)
                        return error_prefix(error, r, "/%s", f->name);
        }
        return 0;
}

static json_t *save_strings(char *const *l) {
        _cleanup_json_ json_t *array = json_array();

        STRV_FOREACH(s, l)
                if (!array || json_array_append_new(array, json_string(*s)) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

static json_t *save_pairs(char *const *pairs) {
        _cleanup_json_ json_t *object = json_object();

        PAIRS_FOREACH(p, pairs)
                if (!object || json_object_set_new(object, p[0], json_string(p[1])) < 0)
                        return NULL;
        return TAKE_PTR(object);
}

static json_t *save_array(const JsonField *f, const void *data) {
        _cleanup_json_ json_t *array = json_array();
        const char *items = *(char *const *) field_at(data, f->offset);

        for (size_t i = 0; i < *count_of(f, data); i++)
                if (!array ||
                    json_array_append_new(array, json_field_save(f->fields, items + i * f->size)) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

static json_t *save_integers(const JsonField *f, const void *data) {
        _cleanup_json_ json_t *array = json_array();
        const int64_t *items = *(int64_t *const *) field_at(data, f->offset);

        for (size_t i = 0; i < *count_of(f, data); i++)
                if (!array || json_array_append_new(array, json_integer(items[i])) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

/* Whether a field has its zero value and is not written. */
static bool is_unset(const JsonField *f, const void *data) {
        const void *field = field_at(data, f->offset);

        switch (f->type) {
        case JSON_FIELD_STRING:
        case JSON_FIELD_STRINGS:
        case JSON_FIELD_PAIRS:
                return !*(void *const *) field;
        case JSON_FIELD_BOOL:
                return !*(const bool *) field;
        case JSON_FIELD_INT:
                return *(const int *) field == 0;
        case JSON_FIELD_UINT64:
                return *(const uint64_t *) field == 0;
        case JSON_FIELD_INT64S:
        case JSON_FIELD_ARRAY:
                return *count_of(f, data) == 0;
        case JSON_FIELD_INT64: /* whose unset value need not be zero */
        case JSON_FIELD_STRUCT:
                return false;
        }
        return true;
}

static json_t *save_field(const JsonField *f, const void *data) {
        const void *field = field_at(data, f->offset);

        switch (f->type) {
        case JSON_FIELD_STRING:
                return json_string(*(char *const *) field);
        case JSON_FIELD_STRINGS:
                return save_strings(*(char *const *const *) field);
        case JSON_FIELD_PAIRS:
                return save_pairs(*(char *const *const *) field);
        case JSON_FIELD_BOOL:
                return json_boolean(*(const bool *) field);
        case JSON_FIELD_INT:
                return json_integer(*(const int *) field);
        case JSON_FIELD_INT64:
        case JSON_FIELD_UINT64:
                return json_integer(*(const int64_t *) field);
        case JSON_FIELD_INT64S:
                return save_integers(f, data);
        case JSON_FIELD_STRUCT:
                return json_field_save(f->fields, field);
        case JSON_FIELD_ARRAY:
                return save_array(f, data);
        }
        return NULL;
}

json_t *json_field_save(const JsonField *fields, const void *data) {
        _cleanup_json_ json_t *object = json_object();

        for (const JsonField *f = fields; f->name; f++)
                if (!is_unset(f, data) &&
                    (!object || json_object_set_new(object, f->name, save_field(f, data)) < 0))
                        return NULL;
        return TAKE_PTR(object);
}

bool json_field_equal(const JsonField *fields, const void *a, const void *b) {
        _cleanup_json_ json_t *first = json_field_save(fields, a), *second = json_field_save(fields, b);

        return first && second && json_equal(first, second);
}

static void done_array(const JsonField *f, void *data) {
        char **items = field_at(data, f->offset);

        for (size_t i = 0; i < *count_of(f, data); i++)
                json_field_done(f->fields, *items + i * f->size);
        free(TAKE_PTR(*items));
        *count_of(f, data) = 0;
}

void json_field_done(const JsonField *fields, void *data) {
        for (const JsonField *f = fields; f->name; f++) {
                void *field = field_at(data, f->offset);

                switch (f->type) {
                case JSON_FIELD_STRING:
                        free(TAKE_PTR(*(char **) field));
                        break;
                case JSON_FIELD_STRINGS:
                case JSON_FIELD_PAIRS:
                        strv_free(TAKE_PTR(*(char ***) field));
                        break;
                case JSON_FIELD_INT64S:
                        free(TAKE_PTR(*(int64_t **) field));
                        *count_of(f, data) = 0;
                        break;
                case JSON_FIELD_STRUCT:
                        json_field_done(f->fields, field);
                        break;
                case JSON_FIELD_ARRAY:
                        done_array(f, data);
                        break;
                case JSON_FIELD_BOOL:
                case JSON_FIELD_INT:
                case JSON_FIELD_INT64:
                case JSON_FIELD_UINT64:
                        break;
                }
        }
}

int json_parse(const char *what, const char *text, size_t size, json_t **ret, Error *error) {
        json_error_t e;
        json_t *json;

        json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
        if (!json && !e.text[0]) /* a syntax error has a text */
                return -ENOMEM;
        if (!json)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INTERNAL,
                                "%s:%d:%d: not valid JSON: %s",
                                what,
                                e.line,
                                e.column,
                                e.text);
        *ret = json;
        return 0;
}

/* Keeps the words of a failure and changes whose it is. */
static int fail_foreign(int r, const Error *from, Error *error) {
        if (r >= 0 || r == -ENOMEM)
                return r;
        return error_set(error, -EBADMSG, STATUS_UNKNOWN, "%s", error_get_text(from, r));
}

int json_parse_foreign(const char *what, const char *text, size_t size, json_t **ret, Error *error) {
        _cleanup_error_ Error e = ERROR_INIT;
        _cleanup_json_ json_t *json = NULL;
        int r;

        r = json_parse(what, text ?: "", size, &json, &e);
        if (r < 0)
                return fail_foreign(r, &e, error);
        if (!json_is_object(json))
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "%s: expected an object", what);
        *ret = TAKE_PTR(json);
        return 0;
}

int json_field_load_foreign(const JsonField *fields, json_t *json, void *data, Error *error) {
        _cleanup_error_ Error e = ERROR_INIT;

        return fail_foreign(json_field_load(fields, json, data, &e), &e, error);
}
