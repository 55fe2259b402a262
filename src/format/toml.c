/* SPDX-License-Identifier: Apache-2.0 */
#include "format/toml.h"

#include <math.h>
#include <stdio.h>

#include "basic/buffer.h"
#include "basic/number.h"
#include "basic/str.h"

/* How a table came to be decides who may still add to it. */
#define TABLE_IMPLICIT (1U << 0) /* by a longer header: may be defined once */
#define TABLE_DEFINED (1U << 1)  /* by its own header */
#define TABLE_DOTTED (1U << 2)   /* by a dotted key: only more dotted keys of the same table */
#define VALUE_CLOSED (1U << 3)   /* inline table or plain array: complete as written */
#define ARRAY_OF_TABLES (1U << 4)

#define KEY_PARTS_MAX 64
#define NUMBER_MAX 128

typedef struct Parser {
        const char *name;
        const char *p, *end, *line_start;
        unsigned line, depth;
        TomlValue *root, *table; /* of the last header */
        Error *error;
} Parser;

typedef struct Key {
        struct {
                char *text;
                size_t size;
                unsigned line, column;
        } parts[KEY_PARTS_MAX];
        size_t n;
} Key;

static int parse_value(Parser *p, TomlValue **ret);

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

static unsigned column(const Parser *p) {
        return (unsigned) (p->p - p->line_start) + 1;
}

static int fail(Parser *p, const char *format, ...) _printf_(2, 3);
static int fail(Parser *p, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) error_setv(p->error, -EINVAL, STATUS_INVALID_ARGUMENT, format, ap);
        va_end(ap);
        return error_prefix(p->error, -EINVAL, "%s:%u:%u", p->name, p->line, column(p));
}

static bool at_end(const Parser *p) {
        return p->p >= p->end;
}

static char peek(const Parser *p) {
        return at_end(p) ? '\0' : *p->p;
}

static bool looking_at(const Parser *p, const char *s) {
        size_t n = strlen(s);

        return (size_t) (p->end - p->p) >= n && memcmp(p->p, s, n) == 0;
}

static bool accept(Parser *p, const char *s) {
        if (!looking_at(p, s))
                return false;
        p->p += strlen(s);
        return true;
}

static TomlValue *value_new(const Parser *p, TomlType type) {
        TomlValue *v = new0(TomlValue, 1);

        if (v)
                *v = (TomlValue){ .type = type, .line = p->line, .column = column(p) };
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

static void skip_blanks(Parser *p) {
        while (peek(p) == ' ' || peek(p) == '\t')
                p->p++;
}

static bool is_control(char c) {
        uint8_t byte = (uint8_t) c;

        return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

static bool accept_newline(Parser *p) {
        if (!accept(p, "\n") && !accept(p, "\r\n"))
                return false;
        p->line++;
        p->line_start = p->p;
        return true;
}

static int skip_comment(Parser *p) {
        if (peek(p) != '#')
                return 0;
        while (!at_end(p) && !looking_at(p, "\n") && !looking_at(p, "\r\n")) {
                if (is_control(*p->p))
                        return fail(p, "control character in a comment");
                p->p++;
        }
        return 0;
}

static int skip_blank_lines(Parser *p) {
        int r;

        do {
                skip_blanks(p);
                r = skip_comment(p);
                if (r < 0)
                        return r;
        } while (accept_newline(p));
        return 0;
}

static int end_of_line(Parser *p) {
        int r;

        skip_blanks(p);
        r = skip_comment(p);
        if (r < 0)
                return r;
        if (at_end(p) || accept_newline(p))
                return 0;
        return fail(p, "expected the end of the line");
}

static int add_code_point(Buffer *b, uint32_t c) {
        char s[4];
        size_t n = 0;

        if (c < 0x80)
                s[n++] = (char) c;
        else if (c < 0x800) {
                s[n++] = (char) (0xc0 | c >> 6);
                s[n++] = (char) (0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
                s[n++] = (char) (0xe0 | c >> 12);
                s[n++] = (char) (0x80 | (c >> 6 & 0x3f));
                s[n++] = (char) (0x80 | (c & 0x3f));
        } else {
                s[n++] = (char) (0xf0 | c >> 18);
                s[n++] = (char) (0x80 | (c >> 12 & 0x3f));
                s[n++] = (char) (0x80 | (c >> 6 & 0x3f));
                s[n++] = (char) (0x80 | (c & 0x3f));
        }
        return buffer_add(b, s, n);
}

static int parse_unicode_escape(Parser *p, size_t n_digits, Buffer *b) {
        char digits[9] = {};
        uint64_t c;

        if ((size_t) (p->end - p->p) < n_digits)
                return fail(p, "escape is cut short");
        memcpy(digits, p->p, n_digits);
        if (parse_base(digits, 16, 0x10ffff, &c) < 0 || (c >= 0xd800 && c <= 0xdfff))
                return fail(p, "escape is not a Unicode character");
        p->p += n_digits;
        return add_code_point(b, (uint32_t) c);
}

static int parse_escape(Parser *p, Buffer *b) {
        static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
        const char *known;
        char c = peek(p);

        if (accept(p, "u"))
                return parse_unicode_escape(p, 4, b);
        if (accept(p, "U"))
                return parse_unicode_escape(p, 8, b);
        known = c ? strchr(from, c) : NULL;
        if (!known)
                return fail(p, "unknown escape");
        p->p++;
        return buffer_addc(b, to[known - from]);
}

/* "\" at the end of a line of a multi-line string drops the white space up to the next character. */
static bool skip_line_ending_backslash(Parser *p) {
        Parser ahead = *p;

        skip_blanks(&ahead);
        if (!accept_newline(&ahead))
                return false;
        do
                skip_blanks(&ahead);
        while (accept_newline(&ahead));
        p->p = ahead.p;
        p->line = ahead.line;
        p->line_start = ahead.line_start;
        return true;
}

/* Up to two quotes may stand right before the closing three. */
static int close_multiline(Parser *p, char quote, Buffer *b) {
        int r = 0;

        p->p += 3;
        for (unsigned i = 0; i < 2 && peek(p) == quote && r >= 0; i++, p->p++)
                r = buffer_addc(b, quote);
        return r;
}

static int parse_string_body(Parser *p, char quote, bool multiline, Buffer *b) {
        const char closing[] = { quote, quote, quote, '\0' };
        int r = 0;

        while (r >= 0) {
                const char *start = p->p;

                if (at_end(p))
                        return fail(p, "string is not closed");
                if (multiline && looking_at(p, closing))
                        return close_multiline(p, quote, b);
                if (!multiline && *p->p == quote) {
                        p->p++;
                        return 0;
                }
                if (accept_newline(p)) {
                        if (!multiline)
                                return fail(p, "string is not closed on its line");
                        r = buffer_add(b, start, (size_t) (p->p - start));
                } else if (quote == '"' && accept(p, "\\")) {
                        if (!multiline || !skip_line_ending_backslash(p))
                                r = parse_escape(p, b);
                } else if (is_control(*p->p))
                        return fail(p, "control character in a string");
                else
                        r = buffer_addc(b, *p->p++);
        }
        return r;
}

static int parse_string(Parser *p, bool multiline_allowed, char **ret, size_t *ret_size) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TOML_SIZE_MAX);
        char quote = *p->p;
        const char opening[] = { quote, quote, quote, '\0' };
        bool multiline;
        int r;

        multiline = multiline_allowed && accept(p, opening);
        if (multiline)
                (void) accept_newline(p); /* the first one does not count */
        else
                p->p++;

        r = parse_string_body(p, quote, multiline, &b);
        if (r < 0)
                return r;
        *ret_size = b.size;
        return buffer_take(&b, ret);
}

static void key_done(Key *k) {
        for (size_t i = 0; i < k->n; i++)
                free(k->parts[i].text);
        k->n = 0;
}

static int parse_key_part(Parser *p, Key *k) {
        static const char bare[] = STR_LOWER STR_UPPER STR_DIGITS "_-";
        size_t n = 0;
        int r = 0;

        if (k->n == KEY_PARTS_MAX)
                return fail(p, "key has more than %d parts", KEY_PARTS_MAX);
        k->parts[k->n].line = p->line;
        k->parts[k->n].column = column(p);
        if (peek(p) == '"' || peek(p) == '\'')
                r = parse_string(p, false, &k->parts[k->n].text, &k->parts[k->n].size);
        else {
                while (p->p + n < p->end && p->p[n] && strchr(bare, p->p[n]))
                        n++;
                if (n == 0)
                        return fail(p, "expected a key");
                k->parts[k->n].text = strndup(p->p, n);
                k->parts[k->n].size = n;
                p->p += n;
                r = k->parts[k->n].text ? 0 : -ENOMEM;
        }
        if (r >= 0)
                k->n++;
        return r;
}

static int parse_key(Parser *p, Key *k) {
        int r;

        do {
                skip_blanks(p);
                r = parse_key_part(p, k);
                if (r < 0)
                        return r;
                skip_blanks(p);
        } while (accept(p, "."));
        return 0;
}

/* Puts a value under the i-th part of a key. Takes @v over, also on failure. */
static int table_put(Parser *p, TomlValue *table, Key *k, size_t i, TomlValue *v) {
        if (!v)
                return -ENOMEM;
        v->key = TAKE_PTR(k->parts[i].text);
        v->key_size = k->parts[i].size;
        v->line = k->parts[i].line;
        v->column = k->parts[i].column;
        return value_append(table, v);
}

/* The table below @table that the i-th part of a dotted key names; made when it is missing. */
static int descend_dotted(Parser *p, TomlValue **table, Key *k, size_t i) {
        TomlValue *next = find_key(*table, k->parts[i].text, k->parts[i].size);
        int r;

        if (!next) {
                next = value_new(p, TOML_TABLE);
                if (next)
                        next->flags = TABLE_DOTTED;
                r = table_put(p, *table, k, i, next);
                if (r < 0)
                        return r;
        } else if (next->type != TOML_TABLE || !(next->flags & TABLE_DOTTED) || next->flags & VALUE_CLOSED)
                return fail(p, "key \"%s\" is already defined", k->parts[i].text);
        *table = next;
        return 0;
}

static int parse_assignment(Parser *p, TomlValue *table) {
        _cleanup_(key_done) Key k = {};
        TomlValue *v;
        int r;

        r = parse_key(p, &k);
        if (r < 0)
                return r;
        if (!accept(p, "="))
                return fail(p, "expected \"=\" after the key");
        skip_blanks(p);

        for (size_t i = 0; i + 1 < k.n; i++) {
                r = descend_dotted(p, &table, &k, i);
                if (r < 0)
                        return r;
        }
        if (find_key(table, k.parts[k.n - 1].text, k.parts[k.n - 1].size))
                return fail(p, "key \"%s\" is already defined", k.parts[k.n - 1].text);

        r = parse_value(p, &v);
        if (r < 0)
                return r;
        return table_put(p, table, &k, k.n - 1, v);
}

static int parse_array(Parser *p, TomlValue *array) {
        TomlValue *item;
        int r;

        p->p++;
        for (;;) {
                r = skip_blank_lines(p);
                if (r < 0)
                        return r;
                if (accept(p, "]"))
                        return 0;
                r = parse_value(p, &item);
                if (r >= 0)
                        r = value_append(array, item);
                if (r >= 0)
                        r = skip_blank_lines(p);
                if (r < 0)
                        return r;
                if (!accept(p, ",") && peek(p) != ']')
                        return fail(p, "expected \",\" or \"]\" in an array");
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

static int parse_inline_table(Parser *p, TomlValue *table) {
        int r;

        p->p++;
        skip_blanks(p);
        if (accept(p, "}"))
                return 0;
        for (;;) {
                r = parse_assignment(p, table);
                if (r < 0)
                        return r;
                skip_blanks(p);
                if (accept(p, "}"))
                        return 0;
                if (!accept(p, ","))
                        return fail(p, "expected \",\" or \"}\" in an inline table");
                skip_blanks(p);
        }
}

/* Whether @s has the digits of a pattern ("dddd-dd-dd"), and moves behind it. */
static bool match_digits(const char **s, const char *pattern) {
        const char *at = *s;

        for (; *pattern; pattern++, at++)
                if (*pattern == 'd' ? *at < '0' || *at > '9' : *at != *pattern)
                        return false;
        *s = at;
        return true;
}

static unsigned two_digits(const char *s) {
        return (unsigned) (s[0] - '0') * 10 + (unsigned) (s[1] - '0');
}

static bool date_is_valid(const char *s) {
        static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        unsigned year = two_digits(s) * 100 + two_digits(s + 2), month = two_digits(s + 5),
                 day = two_digits(s + 8);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

static bool match_time(const char **s) {
        const char *start = *s;

        if (!match_digits(s, "dd:dd:dd") || two_digits(start) > 23 || two_digits(start + 3) > 59 ||
            two_digits(start + 6) > 60)
                return false;
        if (**s != '.')
                return true;
        if ((*s)[1] < '0' || (*s)[1] > '9')
                return false;
        *s += 1 + strspn(*s + 1, STR_DIGITS);
        return true;
}

static bool match_offset(const char **s) {
        const char *start = *s;

        if (*start == 'Z' || *start == 'z') {
                (*s)++;
                return true;
        }
        return (match_digits(s, "+dd:dd") || match_digits(s, "-dd:dd")) && two_digits(start + 1) <= 23 &&
                        two_digits(start + 4) <= 59;
}

/* Date, time or both. -ENODATA when @s is neither. */
static int datetime_type(const char *s, TomlType *ret) {
        const char *at = s;

        if (match_time(&at) && !*at) {
                *ret = TOML_LOCAL_TIME;
                return 0;
        }
        at = s;
        if (!match_digits(&at, "dddd-dd-dd") || !date_is_valid(s))
                return -ENODATA;
        if (!*at) {
                *ret = TOML_LOCAL_DATE;
                return 0;
        }
        if (!strchr("Tt ", *at) || (at++, !match_time(&at)))
                return -ENODATA;
        *ret = *at ? TOML_DATETIME : TOML_LOCAL_DATETIME;
        return !*at || (match_offset(&at) && !*at) ? 0 : -ENODATA;
}

static bool isxdigit_ascii(char c) {
        return c && strchr(STR_HEX_DIGITS "ABCDEF", c);
}

/* Removes "_" that stand between digits; false for others. */
static bool drop_underscores(const char *from, char *to) {
        for (const char *s = from; *s; s++) {
                if (*s != '_') {
                        *to++ = *s;
                        continue;
                }
                if (s == from || !isxdigit_ascii(s[-1]) || !isxdigit_ascii(s[1]))
                        return false;
        }
        *to = '\0';
        return true;
}

static int integer_parse(const char *s, int64_t *ret) {
        static const struct {
                const char *prefix;
                unsigned base;
        } bases[] = { { "0x", 16 }, { "0o", 8 }, { "0b", 2 } };
        const char *digits;
        uint64_t n;
        int r;

        FOREACH_ELEMENT(b, bases) {
                digits = startswith(s, b->prefix);
                if (!digits)
                        continue;
                r = parse_base(digits, b->base, INT64_MAX, &n);
                *ret = r < 0 ? 0 : (int64_t) n;
                return r;
        }
        digits = s + (*s == '-' || *s == '+');
        if (digits[0] == '0' && digits[1])
                return -EINVAL;
        return parse_i64(*s == '+' ? digits : s, INT64_MIN, INT64_MAX, ret);
}

static bool float_is_valid(const char *s) {
        size_t n;

        s += *s == '-' || *s == '+';
        n = strspn(s, STR_DIGITS);
        if (n == 0 || (n > 1 && *s == '0'))
                return false;
        s += n;
        if (*s == '.') {
                n = strspn(s + 1, STR_DIGITS);
                if (n == 0)
                        return false;
                s += 1 + n;
        }
        if (*s == 'e' || *s == 'E') {
                s++;
                s += *s == '-' || *s == '+';
                n = strspn(s, STR_DIGITS);
                if (n == 0)
                        return false;
                s += n;
        }
        return !*s;
}

static int float_parse(const char *s, double *ret) {
        const char *word = s + (*s == '-' || *s == '+');

        if (streq(word, "inf"))
                *ret = *s == '-' ? -INFINITY : INFINITY;
        else if (streq(word, "nan"))
                *ret = NAN;
        else if (float_is_valid(s))
                *ret = strtod(s, NULL); /* the form was checked, so the locale "C" of the daemon reads it
                                           whole */
        else
                return -EINVAL;
        return 0;
}

/* Everything that is not quoted and has no brackets. */
static int parse_word(Parser *p, TomlValue *v) {
        char word[NUMBER_MAX] = {}, plain[NUMBER_MAX];
        size_t n = 0;

        while (p->p + n < p->end && !strchr(" \t\r\n,]}#", p->p[n]))
                n++;
        /* A blank may stand between date and time. */
        if (n == 10 && p->p + n + 2 < p->end && p->p[4] == '-' && p->p[n] == ' ' &&
            strchr(STR_DIGITS, p->p[n + 1]))
                while (++n, p->p + n < p->end && !strchr(" \t\r\n,]}#", p->p[n]))
                        ;
        if (n == 0 || n >= sizeof(word))
                return fail(p, "expected a value");
        memcpy(word, p->p, n);

        if (streq(word, "true") || streq(word, "false")) {
                v->type = TOML_BOOLEAN;
                v->boolean = word[0] == 't';
        } else if (datetime_type(word, &v->type) >= 0) {
                v->text = strdup(word);
                v->size = n;
                if (!v->text) {
                        v->type = TOML_BOOLEAN; /* nothing to free */
                        return -ENOMEM;
                }
        } else if (!drop_underscores(word, plain))
                return fail(p, "misplaced \"_\" in %s", word);
        else if (integer_parse(plain, &v->integer) >= 0)
                v->type = TOML_INTEGER;
        else if (float_parse(plain, &v->number) >= 0)
                v->type = TOML_FLOAT;
        else
                return fail(p, "not a value: %s", word);
        p->p += n;
        return 0;
}

static int parse_value_into(Parser *p, TomlValue *v) {
        int r;

        switch (peek(p)) {
        case '"':
        case '\'':
                r = parse_string(p, true, &v->text, &v->size);
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

static int parse_value(Parser *p, TomlValue **ret) {
        _cleanup_(toml_freep) TomlValue *v = value_new(p, TOML_BOOLEAN);
        int r;

        if (!v)
                return -ENOMEM;
        if (p->depth == TOML_DEPTH_MAX)
                return fail(p, "values are nested deeper than %d", TOML_DEPTH_MAX);

        p->depth++;
        r = parse_value_into(p, v);
        p->depth--;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

/* The table of the i-th part of a header, which is not its last. */
static int descend_header(Parser *p, TomlValue **table, Key *k, size_t i) {
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
                return fail(p, "key \"%s\" is already defined and not a table", k->parts[i].text);
        *table = next;
        return 0;
}

static int open_table(Parser *p, TomlValue *parent, Key *k, size_t i) {
        TomlValue *v = find_key(parent, k->parts[i].text, k->parts[i].size);
        int r;

        if (v && (v->type != TOML_TABLE || v->flags != TABLE_IMPLICIT))
                return fail(p, "table \"%s\" is already defined", k->parts[i].text);
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

static int open_array_of_tables(Parser *p, TomlValue *parent, Key *k, size_t i) {
        TomlValue *array = find_key(parent, k->parts[i].text, k->parts[i].size), *v;
        int r;

        if (array && (array->type != TOML_ARRAY || !(array->flags & ARRAY_OF_TABLES)))
                return fail(p, "key \"%s\" is already defined and not an array of tables", k->parts[i].text);
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

static int parse_header(Parser *p) {
        _cleanup_(key_done) Key k = {};
        TomlValue *table = p->root;
        bool array;
        int r;

        p->p++;
        array = accept(p, "[");
        r = parse_key(p, &k);
        if (r < 0)
                return r;
        if (!accept(p, array ? "]]" : "]"))
                return fail(p, "expected \"%s\" after the name of the table", array ? "]]" : "]");

        for (size_t i = 0; i + 1 < k.n; i++) {
                r = descend_header(p, &table, &k, i);
                if (r < 0)
                        return r;
        }
        return array ? open_array_of_tables(p, table, &k, k.n - 1) : open_table(p, table, &k, k.n - 1);
}

static int parse_document(Parser *p) {
        int r;

        for (;;) {
                r = skip_blank_lines(p);
                if (r < 0 || at_end(p))
                        return r;
                r = peek(p) == '[' ? parse_header(p) : parse_assignment(p, p->table);
                if (r >= 0)
                        r = end_of_line(p);
                if (r < 0)
                        return r;
        }
}

int toml_parse(const char *name, const char *data, size_t size, TomlValue **ret, Error *error) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        Parser p = { .name = name,
                     .p = data,
                     .end = data + size,
                     .line_start = data,
                     .line = 1,
                     .error = error };
        int r;

        if (size > TOML_SIZE_MAX)
                return error_set(error, -E2BIG, STATUS_INVALID_ARGUMENT, "%s: larger than 4 MiB", name);
        if (!utf8_is_valid(data, size))
                return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "%s: not valid UTF-8", name);

        (void) accept(&p, "\xef\xbb\xbf"); /* byte order mark */
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
