/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/buffer.h"
#include "basic/number.h"
#include "basic/str.h"
#include "format/toml-internal.h"

unsigned toml_column(const TomlParser *p) {
        return (unsigned) (p->p - p->line_start) + 1;
}

int toml_fail(TomlParser *p, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) error_setv(p->error, -EINVAL, STATUS_INVALID_ARGUMENT, format, ap);
        va_end(ap);
        return error_prefix(p->error, -EINVAL, "%s:%u:%u", p->name, p->line, toml_column(p));
}

static bool looking_at(const TomlParser *p, const char *s) {
        size_t n = strlen(s);

        return (size_t) (p->end - p->p) >= n && memcmp(p->p, s, n) == 0;
}

bool toml_accept(TomlParser *p, const char *s) {
        if (!looking_at(p, s))
                return false;
        p->p += strlen(s);
        return true;
}

void toml_skip_blanks(TomlParser *p) {
        while (toml_peek(p) == ' ' || toml_peek(p) == '\t')
                p->p++;
}

static bool is_control(char c) {
        uint8_t byte = (uint8_t) c;

        return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

bool toml_accept_newline(TomlParser *p) {
        if (!toml_accept(p, "\n") && !toml_accept(p, "\r\n"))
                return false;
        p->line++;
        p->line_start = p->p;
        return true;
}

static int skip_comment(TomlParser *p) {
        if (toml_peek(p) != '#')
                return 0;
        while (!toml_at_end(p) && !looking_at(p, "\n") && !looking_at(p, "\r\n")) {
                if (is_control(*p->p))
                        return toml_fail(p, "control character in a comment");
                p->p++;
        }
        return 0;
}

int toml_skip_blank_lines(TomlParser *p) {
        int r;

        do {
                toml_skip_blanks(p);
                r = skip_comment(p);
                if (r < 0)
                        return r;
        } while (toml_accept_newline(p));
        return 0;
}

int toml_end_of_line(TomlParser *p) {
        int r;

        toml_skip_blanks(p);
        r = skip_comment(p);
        if (r < 0)
                return r;
        if (toml_at_end(p) || toml_accept_newline(p))
                return 0;
        return toml_fail(p, "expected the end of the line");
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

static int parse_unicode_escape(TomlParser *p, size_t n_digits, Buffer *b) {
        char digits[9] = {};
        uint64_t c;

        if ((size_t) (p->end - p->p) < n_digits)
                return toml_fail(p, "escape is cut short");
        memcpy(digits, p->p, n_digits);
        if (strlen(digits) < n_digits || parse_base(digits, 16, 0x10ffff, &c) < 0 ||
            (c >= 0xd800 && c <= 0xdfff))
                return toml_fail(p, "escape is not a Unicode character");
        p->p += n_digits;
        return add_code_point(b, (uint32_t) c);
}

static int parse_escape(TomlParser *p, Buffer *b) {
        static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
        const char *known;
        char c = toml_peek(p);

        if (toml_accept(p, "u"))
                return parse_unicode_escape(p, 4, b);
        if (toml_accept(p, "U"))
                return parse_unicode_escape(p, 8, b);
        known = c ? strchr(from, c) : NULL;
        if (!known)
                return toml_fail(p, "unknown escape");
        p->p++;
        return buffer_addc(b, to[known - from]);
}

/* "\" at the end of a line of a multi-line string drops the white space up to the next character. */
static bool skip_line_ending_backslash(TomlParser *p) {
        TomlParser ahead = *p;

        toml_skip_blanks(&ahead);
        if (!toml_accept_newline(&ahead))
                return false;
        do
                toml_skip_blanks(&ahead);
        while (toml_accept_newline(&ahead));
        p->p = ahead.p;
        p->line = ahead.line;
        p->line_start = ahead.line_start;
        return true;
}

/* Up to two quotes may stand right before the closing three. */
static int close_multiline(TomlParser *p, char quote, Buffer *b) {
        int r = 0;

        p->p += 3;
        for (unsigned i = 0; i < 2 && toml_peek(p) == quote && r >= 0; i++, p->p++)
                r = buffer_addc(b, quote);
        return r;
}

static int parse_string_body(TomlParser *p, char quote, bool multiline, Buffer *b) {
        const char closing[] = { quote, quote, quote, '\0' };
        int r = 0;

        while (r >= 0) {
                const char *start = p->p;

                if (toml_at_end(p))
                        return toml_fail(p, "string is not closed");
                if (multiline && looking_at(p, closing))
                        return close_multiline(p, quote, b);
                if (!multiline && *p->p == quote) {
                        p->p++;
                        return 0;
                }
                if (!multiline && (looking_at(p, "\n") || looking_at(p, "\r\n")))
                        return toml_fail(p, "string is not closed on its line");
                if (toml_accept_newline(p))
                        r = buffer_add(b, start, (size_t) (p->p - start));
                else if (quote == '"' && toml_accept(p, "\\")) {
                        if (!multiline || !skip_line_ending_backslash(p))
                                r = parse_escape(p, b);
                } else if (is_control(*p->p))
                        return toml_fail(p, "control character in a string");
                else
                        r = buffer_addc(b, *p->p++);
        }
        return r;
}

int toml_parse_string(TomlParser *p, bool multiline_allowed, char **ret, size_t *ret_size) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TOML_SIZE_MAX);
        char quote = *p->p;
        const char opening[] = { quote, quote, quote, '\0' };
        bool multiline;
        int r;

        multiline = multiline_allowed && toml_accept(p, opening);
        if (multiline)
                (void) toml_accept_newline(p); /* the first one does not count */
        else
                p->p++;

        r = parse_string_body(p, quote, multiline, &b);
        if (r < 0)
                return r;
        *ret_size = b.size;
        return buffer_take(&b, ret);
}
