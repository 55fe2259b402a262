/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the TOML parser share: toml-text.c reads characters, lines and strings, toml-word.c
 * makes values of words, toml.c makes the tree. For these three only.
 */

#include "format/toml.h"

typedef struct TomlParser {
        const char *name;
        const char *p, *end, *line_start;
        unsigned line, depth;
        TomlValue *root, *table; /* of the last header */
        Error *error;
} TomlParser;

/* Of the next byte, from 1, in bytes. */
unsigned toml_column(const TomlParser *p);

/* -EINVAL, with the text behind the present place. */
int toml_fail(TomlParser *p, const char *format, ...) _printf_(2, 3);

/* Whether all bytes are read. */
static inline bool toml_at_end(const TomlParser *p) {
        return p->p >= p->end;
}

/* The next byte, NUL at the end. */
static inline char toml_peek(const TomlParser *p) {
        return toml_at_end(p) ? '\0' : *p->p;
}

/* Passes over @s if it comes next; the same for the end of a line, LF or CR LF. */
bool toml_accept(TomlParser *p, const char *s);
bool toml_accept_newline(TomlParser *p);

/* Passes over spaces and tabs; over white space, comments and lines with nothing else. */
void toml_skip_blanks(TomlParser *p);
int toml_skip_blank_lines(TomlParser *p);

/* Passes over what may follow a complete line. */
int toml_end_of_line(TomlParser *p);

/* @multiline_allowed: whether three quotes open a string of several lines. */
int toml_parse_string(TomlParser *p, bool multiline_allowed, char **ret, size_t *ret_size);

/**
 * toml_word_parse() - a boolean, number, date or time
 * @word:  everything up to the next blank, comma, bracket or comment
 * @ret:   its type and value are set
 *
 * Return: 0, -EINVAL, -ERANGE (an integer beyond 64 bits), -ENOMEM.
 */
int toml_word_parse(const char *word, TomlValue *ret);
