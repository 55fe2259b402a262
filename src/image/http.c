/* SPDX-License-Identifier: Apache-2.0 */
#include "image/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include <curl/curl.h>

#include "basic/number.h"
#include "basic/str.h"

#define HEADER_MAX (256 * KIB)
#define REDIRECTS_MAX 10
#define CONNECT_TIMEOUT_SEC 30L
/* A document that is not there after this time never comes. */
#define DOCUMENT_TIMEOUT_SEC 120L
/* A transfer slower than this for so long has died. */
#define LOW_SPEED_BYTES 512L
#define LOW_SPEED_SEC 60L

struct Http {
        CURL *curl;
        HttpOptions options;
};

/* One exchange on the way through redirects. */
typedef struct Transfer {
        Http *http;
        const HttpRequest *request;
        HttpAnswer *answer;
        size_t header_bytes;
        uint64_t range_start; /* of the answer's Content-Range; UINT64_MAX: none */
        int result;           /* failure of a callback */
        bool cut;             /* the body of an error was long enough */
} Transfer;

void http_answer_done(HttpAnswer *a) {
        buffer_done(&a->body);
        challenge_done(&a->challenge);
        *a = (HttpAnswer){ 0 };
}

int http_new(const HttpOptions *options, Http **ret) {
        _cleanup_(http_freep) Http *h = new0(Http, 1);

        if (!h)
                return -ENOMEM;
        h->options = *options;
        h->curl = curl_easy_init();
        if (!h->curl)
                return -ENOMEM;
        *ret = TAKE_PTR(h);
        return 0;
}

Http *http_free(Http *h) {
        if (!h)
                return NULL;
        if (h->curl)
                curl_easy_cleanup(h->curl);
        free(h);
        return NULL;
}

/* Value of a header line with that name, without blanks around it; NULL: it is another one. */
static char *header_value(const char *data, size_t size, const char *name) {
        size_t n = strlen(name);

        if (size <= n || strncasecmp(data, name, n) != 0)
                return NULL;
        for (data += n, size -= n; size > 0 && strchr(" \t", data[0]); data++, size--)
                ;
        while (size > 0 && strchr(" \t\r\n", data[size - 1]))
                size--;
        return strndup(data, size);
}

static void parse_content_range(const char *value, uint64_t *ret) {
        const char *digits = startswith(value, "bytes ");
        _cleanup_free_ char *first = digits ? strndup(digits, strspn(digits, STR_DIGITS)) : NULL;

        if (!first || parse_u64(first, UINT64_MAX - 1, ret) < 0)
                *ret = UINT64_MAX;
}

static size_t on_header(char *data, size_t one, size_t size, void *userdata) {
        _cleanup_free_ char *challenge = NULL, *range = NULL;
        Transfer *t = userdata;

        t->header_bytes += size;
        if (t->header_bytes > HEADER_MAX) {
                t->result = -E2BIG;
                return 0;
        }
        challenge = header_value(data, size, "www-authenticate:");
        if (challenge)
                (void) challenge_parse(challenge, &t->answer->challenge); /* without sense it is none */
        range = header_value(data, size, "content-range:");
        if (range)
                parse_content_range(range, &t->range_start);
        return size;
}

/* Whether an answer is what was asked for, so that its body goes where it is wanted. */
static bool is_wanted_answer(const Transfer *t, long status) {
        if (t->request->start == 0)
                return status == HTTP_OK;
        return status == HTTP_PARTIAL && t->range_start == t->request->start;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata) {
        Transfer *t = userdata;
        long status = 0;

        (void) curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
        if (t->request->write && is_wanted_answer(t, status)) {
                t->result = t->request->write(data, size, t->request->userdata);
                return t->result < 0 ? 0 : size;
        }
        if (status == HTTP_OK && !t->request->write) {
                t->result = buffer_add(&t->answer->body, data, size);
                return t->result < 0 ? 0 : size;
        }
        /* What an error says is for people: its beginning will do. */
        t->cut = status != HTTP_OK && status != HTTP_PARTIAL && buffer_add(&t->answer->body, data, size) < 0;
        if (status == HTTP_OK || status == HTTP_PARTIAL)
                t->result = -EPROTO; /* everything again instead of the rest, or the other way round */
        return t->cut || t->result < 0 ? 0 : size;
}

static int on_progress(void *userdata, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
        const Http *h = userdata;

        return !h->options.is_wanted(h->options.userdata);
}

static int add_header(struct curl_slist **list, const char *line) {
        struct curl_slist *longer = line ? curl_slist_append(*list, line) : *list;

        if (line && !longer)
                return -ENOMEM;
        *list = longer;
        return 0;
}

static void free_list(struct curl_slist **list) {
        curl_slist_free_all(*list);
}

static void free_url(CURLU **url) {
        curl_url_cleanup(*url);
}

/* "scheme" and "host:port" of a URL, both owned by the caller. */
static int url_parse(const char *url, char **ret_scheme, char **ret_host, Error *error) {
        _cleanup_(free_url) CURLU *u = curl_url();
        char *scheme = NULL, *host = NULL, *port = NULL;
        CURLUcode code;

        if (!u)
                return -ENOMEM;
        code = curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER);
        if (code == CURLUE_OK)
                code = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(u, CURLUPART_HOST, &host, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
        if (code == CURLUE_OK) {
                *ret_scheme = strdup(scheme);
                *ret_host = str_join(host, ":", port, NULL);
        }
        curl_free(scheme);
        curl_free(host);
        curl_free(port);
        if (code == CURLUE_OUT_OF_MEMORY || (code == CURLUE_OK && (!*ret_scheme || !*ret_host)))
                return -ENOMEM;
        if (code != CURLUE_OK)
                return error_set(
                                error,
                                -EPERM,
                                STATUS_UNKNOWN,
                                "an address that makes no sense: %s",
                                curl_url_strerror(code));
        return 0;
}

/* "host" of the options may come without the port of https. */
static bool is_insecure_host(const Http *h, const char *host) {
        const char *rest = h->options.insecure_host ? startswith(host, h->options.insecure_host) : NULL;

        return rest && (streq(rest, "") || streq(rest, ":443") || streq(rest, ":80"));
}

static void set_limits(Http *h, const HttpRequest *q) {
        CURL *c = h->curl;

        (void) curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
        (void) curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_SEC);
        (void) curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
        (void) curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SEC);
        (void) curl_easy_setopt(c, CURLOPT_TIMEOUT, q->write ? 0L : DOCUMENT_TIMEOUT_SEC);
        (void) curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long) CURL_MAX_READ_SIZE);
        (void) curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, h->options.plain ? "http,https" : "https");
        (void) curl_easy_setopt(c, CURLOPT_USERAGENT, "cri-o/" CRIO_VERSION);
}

static void set_options(Transfer *t, const char *url, bool verify, struct curl_slist *headers) {
        const HttpRequest *q = t->request;
        CURL *c = t->http->curl;

        curl_easy_reset(c); /* the connections stay */
        set_limits(t->http, q);
        (void) curl_easy_setopt(c, CURLOPT_URL, url);
        (void) curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        (void) curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
        (void) curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        (void) curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
        (void) curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
        (void) curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
        if (q->form)
                (void) curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->form);
        if (t->http->options.is_wanted) {
                (void) curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
                (void) curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
                (void) curl_easy_setopt(c, CURLOPT_XFERINFODATA, t->http);
        }
}

/* Without the query, which may be a secret of its own. */
static int fail(const Transfer *t, const char *url, int r, const char *prefix, const char *text, Error *e) {
        return error_set(e, r, STATUS_UNKNOWN, "%s%.*s: %s", prefix, (int) strcspn(url, "?"), url, text);
}

static int explain(const Transfer *t, const char *url, CURLcode code, Error *error) {
        static const char unavailable[] = "RegistryUnavailable: ";

        if (t->result == -E2BIG)
                return fail(t, url, -E2BIG, "", "the answer is too long", error);
        if (t->result == -EPROTO)
                return fail(t, url, -EPROTO, "", "other bytes came than those that were asked for", error);
        if (t->result < 0)
                return t->result;
        switch (code) {
        case CURLE_ABORTED_BY_CALLBACK:
                return -ECANCELED;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_CONNECT:
                return fail(t, url, -EHOSTUNREACH, unavailable, curl_easy_strerror(code), error);
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_OPERATION_TIMEDOUT:
                return fail(t, url, -ECONNRESET, unavailable, curl_easy_strerror(code), error);
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        default:
                return fail(t, url, -EPROTO, "", curl_easy_strerror(code), error);
        }
}

/* One exchange with @url. */
static int exchange(Transfer *t, const char *url, const char *authorization, bool verify, Error *error) {
        _cleanup_(free_list) struct curl_slist *headers = NULL;
        char range[sizeof("Range: bytes=-") + DECIMAL_MAX];
        curl_off_t retry_after = 0;
        CURLcode code;
        int r;

        (void) snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", t->request->start); /* fits */
        r = add_header(&headers, "Docker-Distribution-API-Version: registry/2.0");
        if (r >= 0)
                r = add_header(&headers, authorization);
        if (r >= 0)
                r = add_header(&headers, t->request->accept);
        if (r >= 0 && t->request->start > 0)
                r = add_header(&headers, range);
        if (r < 0)
                return r;
        set_options(t, url, verify, headers);
        code = curl_easy_perform(t->http->curl);
        if (code != CURLE_OK && !t->cut)
                return explain(t, url, code, error);
        (void) curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &t->answer->status);
        if (curl_easy_getinfo(t->http->curl, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK &&
            retry_after > 0)
                t->answer->retry_after_sec = (uint64_t) retry_after;
        return 0;
}

/* Where the answer sends us; NULL: nowhere. */
static const char *redirect_of(const Transfer *t) {
        char *url = NULL;

        if (t->answer->status < 300 || t->answer->status > 308 || t->request->form)
                return NULL;
        (void) curl_easy_getinfo(t->http->curl, CURLINFO_REDIRECT_URL, &url);
        return url;
}

int http_run(Http *h, const HttpRequest *request, HttpAnswer *ret, Error *error) {
        _cleanup_free_ char *url = strdup(request->url), *origin = NULL;
        const char *authorization = request->authorization;

        *ret = (HttpAnswer){ 0 };
        if (!url)
                return -ENOMEM;
        for (unsigned hop = 0; hop <= REDIRECTS_MAX; hop++) {
                Transfer t = { .http = h, .request = request, .answer = ret, .range_start = UINT64_MAX };
                _cleanup_free_ char *scheme = NULL, *host = NULL, *here = NULL;
                const char *next;
                int r;

                http_answer_done(ret);
                ret->body = BUFFER_INIT(request->body_max);
                r = url_parse(url, &scheme, &host, error);
                if (r < 0)
                        return r;
                if (!streq(scheme, "https") && !(h->options.plain && streq(scheme, "http")))
                        return fail(&t, url, -EPERM, "", "not an address of HTTPS", error);
                here = str_join(scheme, "://", host, NULL);
                if (!here)
                        return -ENOMEM;
                if (origin && !streq(origin, here))
                        authorization = NULL; /* for good: the way back would be somebody else's choice */
                r = str_replace(&origin, here);
                if (r >= 0)
                        r = exchange(&t, url, authorization, !is_insecure_host(h, host), error);
                if (r < 0)
                        return r;
                next = redirect_of(&t);
                if (!next)
                        return 0;
                r = str_replace(&url, next);
                if (r < 0)
                        return r;
        }
        return error_set(
                        error,
                        -EPERM,
                        STATUS_UNKNOWN,
                        "%.*s: more than %d redirects",
                        (int) strcspn(request->url, "?"),
                        request->url,
                        REDIRECTS_MAX);
}

int http_add_parameter(Http *h, Buffer *b, const char *key, const char *value) {
        char *escaped;
        int r;

        if (isempty(value))
                return 0;
        escaped = curl_easy_escape(h->curl, value, 0);
        if (!escaped)
                return -ENOMEM;
        r = buffer_addf(b, "%s%s=%s", b->size > 0 ? "&" : "", key, escaped);
        curl_free(escaped);
        return r;
}
