/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * HttpHead: the head of a HTTP/1.1 request, of which we need its path only.
 *
 * Strict: what two programs could understand differently is refused.
 * Sources: RFC 9112 sections 2, 3, 6 and 9, RFC 9110 section 5.
 */

#include "basic/error.h"

#define HTTP_BODY_MAX (1 * MIB)

typedef enum HttpMethod {
        HTTP_GET,
        HTTP_HEAD,
        HTTP_OTHER,
        _HTTP_METHOD_MAX,
} HttpMethod;

typedef struct HttpHead {
        HttpMethod method;
        bool keep_alive;
        uint64_t body_bytes; /* follow the head; at most HTTP_BODY_MAX */
        char *path;          /* owned; without its query, and percent-decoded */
} HttpHead;

/* Size of the head at the start of @data, with the empty line that ends it; 0 when that did not come yet. */
size_t http_head_find_end(const char *data, size_t size);

/**
 * http_head_parse() - understand a whole head
 * @size:  from http_head_find_end()
 *
 * Return: 0; -EINVAL (malformed), -EFBIG (the body is too long), -EOPNOTSUPP (a version or a coding of the
 * body that is not known here), -ENOMEM.
 */
int http_head_parse(const char *data, size_t size, HttpHead *ret);
void http_head_done(HttpHead *h);
