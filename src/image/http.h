/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Http: requests to a registry and to the hosts it sends us to.
 *
 * Follows redirects by itself, so that credentials go to no other origin and TLS is asked of every host but
 * those that were marked insecure. What comes in is bounded: headers, bodies, redirects, and time (a
 * document has a deadline, a blob a lowest speed). Blocks, for crio-pull only. Foreign input. Source: RFC
 * 9110.
 */

#include "basic/buffer.h"
#include "basic/error.h"
#include "image/challenge.h"

typedef struct Http Http;

enum {
        HTTP_OK = 200,
        HTTP_PARTIAL = 206,
        HTTP_UNAUTHORIZED = 401,
        HTTP_FORBIDDEN = 403,
        HTTP_NOT_FOUND = 404,
        HTTP_TOO_MANY = 429,
        HTTP_SERVER_ERROR = 500,
        HTTP_BAD_GATEWAY = 502,
        HTTP_GATEWAY_TIMEOUT = 504,
};

typedef struct HttpOptions {
        const char *insecure_host; /* "host:port" whose certificate is not checked; NULL: none */
        bool plain;                /* http: URLs are allowed */
        /* Asked about once a second while a request runs; false ends it with -ECANCELED. May be NULL. */
        bool (*is_wanted)(void *userdata);
        void *userdata;
} HttpOptions;

/* Takes bytes of a body; negative errno ends the transfer. */
typedef int (*HttpWrite)(const void *data, size_t size, void *userdata);

typedef struct HttpRequest {
        const char *url;
        const char *authorization; /* header line for the origin of @url, or NULL */
        const char *accept;        /* header line or NULL */
        const char *form;          /* body of a POST or NULL */
        uint64_t start;            /* > 0: only the bytes from there on */
        HttpWrite write;           /* gets the body of an answer that is as asked; NULL: the answer does */
        void *userdata;
        size_t body_max; /* of the answer's own body */
} HttpRequest;

typedef struct HttpAnswer {
        long status;
        Buffer body; /* cut when it is of an error and longer than the maximum */
        Challenge challenge;
        uint64_t retry_after_sec; /* 0: does not say */
} HttpAnswer;

void http_answer_done(HttpAnswer *a);

/* @options: borrowed, what it points to as well. */
int http_new(const HttpOptions *options, Http **ret);
Http *http_free(Http *h);
DEFINE_CLEANUP(Http *, http_free);

/**
 * http_run() - one request
 * @ret:  http_answer_done(), also on failure
 *
 * Return: 0 when an answer came, with whatever status; -EHOSTUNREACH: nobody answers; -ECONNRESET: it broke
 * off or took too long, another attempt may work; -EPROTO: TLS failed, or the answer makes no sense; -E2BIG:
 * the answer is longer than allowed; -EPERM: a redirect to where we do not go; -ECANCELED; what @write
 * returned (without a text).
 */
int http_run(Http *h, const HttpRequest *request, HttpAnswer *ret, Error *error);

/* "key=value" with escapes, behind "&" when something is there. Nothing for an empty value. */
int http_add_parameter(Http *h, Buffer *b, const char *key, const char *value);
