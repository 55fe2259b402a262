/* SPDX-License-Identifier: Apache-2.0 */
#include "format/http-head.h"

#include <strings.h>

#include "basic/number.h"
#include "basic/str.h"

#define NEWLINE "\r\n"
#define END NEWLINE NEWLINE

/* RFC 9110 section 5.6.2. */
#define TOKEN STR_LOWER STR_UPPER STR_DIGITS "!#$%&'*+-.^_`|~"

size_t http_head_find_end(const char *data, size_t size) {
        const char *end = memmem(data, size, END, strlen(END));

        return end ? (size_t) (end - data) + strlen(END) : 0;
}

/* "/containers/a%20b?x=y" to "/containers/a b". */
static int parse_target(char *target, char **ret) {
        char *to = target;

        if (*target != '/')
                return -EINVAL;
        target[strcspn(target, "?")] = '\0';
        for (const char *from = target; *from; from++) {
                char c = *from;

                if (c == '%') {
                        char digits[] = { from[1], from[1] ? from[2] : '\0', '\0' };

                        if (hex_decode(digits, &c, 1) < 0 || c == '\0')
                                return -EINVAL;
                        from += 2;
                }
                *to++ = c;
        }
        *to = '\0';
        *ret = strdup(target);
        return *ret ? 0 : -ENOMEM;
}

/* "GET /info HTTP/1.1" */
static int parse_request_line(char *line, HttpHead *h) {
        char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;

        if (!version)
                return -EINVAL;
        *target++ = *version++ = '\0';
        if (isempty(line) || line[strspn(line, TOKEN)])
                return -EINVAL;
        h->method = streq(line, "GET") ? HTTP_GET : streq(line, "HEAD") ? HTTP_HEAD : HTTP_OTHER;
        if (streq(version, "HTTP/1.1"))
                h->keep_alive = true;
        else if (!streq(version, "HTTP/1.0"))
                return startswith(version, "HTTP/") ? -EOPNOTSUPP : -EINVAL;
        return parse_target(target, &h->path);
}

/* "keep-alive, Upgrade" */
static void parse_connection(char *value, HttpHead *h) {
        char *word;

        while ((word = strsep(&value, ", \t"))) {
                if (strcasecmp(word, "close") == 0)
                        h->keep_alive = false;
                else if (strcasecmp(word, "keep-alive") == 0)
                        h->keep_alive = true;
        }
}

static int parse_field(char *line, HttpHead *h, bool *has_length) {
        char *value = strchr(line, ':');
        int r;

        if (!value || value == line)
                return -EINVAL;
        *value++ = '\0';
        if (line[strspn(line, TOKEN)])
                return -EINVAL;
        value += strspn(value, " \t");
        for (size_t n = strlen(value); n > 0 && strchr(" \t", value[n - 1]); n--)
                value[n - 1] = '\0';

        if (strcasecmp(line, "Connection") == 0)
                parse_connection(value, h);
        else if (strcasecmp(line, "Transfer-Encoding") == 0)
                return -EOPNOTSUPP;
        else if (strcasecmp(line, "Content-Length") == 0) {
                r = *has_length ? -EINVAL : parse_u64(value, HTTP_BODY_MAX, &h->body_bytes);
                *has_length = true;
                return r == -ERANGE ? -EFBIG : r;
        }
        return 0;
}

static int parse_lines(char *text, HttpHead *h) {
        bool has_length = false, first = true;
        int r = 0;

        for (char *line = text, *next; *line && r >= 0; line = next, first = false) {
                next = strstr(line, NEWLINE);
                if (!next)
                        return -EINVAL;
                *next = '\0';
                next += strlen(NEWLINE);
                /* A lone one would end a line for others. */
                if (strpbrk(line, NEWLINE))
                        return -EINVAL;
                r = first ? parse_request_line(line, h) : parse_field(line, h, &has_length);
        }
        return first ? -EINVAL : r;
}

int http_head_parse(const char *data, size_t size, HttpHead *ret) {
        _cleanup_free_ char *text = NULL;
        HttpHead h = {};
        int r;

        if (size < strlen(END) || memchr(data, '\0', size))
                return -EINVAL;
        text = strndup(data, size - strlen(NEWLINE)); /* without the empty line */
        if (!text)
                return -ENOMEM;
        r = parse_lines(text, &h);
        if (r < 0) {
                http_head_done(&h);
                return r;
        }
        *ret = h;
        return 0;
}

void http_head_done(HttpHead *h) {
        free(h->path);
        *h = (HttpHead){};
}
