/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/test.h"
#include "format/http-head.h"

static void test_find_end(void) {
        static const struct {
                const char *in;
                size_t end;
        } cases[] = {
                { "", 0 },
                { "GET / HTTP/1.1\r\n", 0 },
                { "GET / HTTP/1.1\n\n", 0 },
                { "GET / HTTP/1.1\r\n\r\n", 18 },
                { "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 18 },
        };

        FOREACH_ELEMENT(c, cases)
                ASSERT_EQ(http_head_find_end(c->in, strlen(c->in)), c->end);
}

static void test_accepted(void) {
        static const struct {
                const char *in;
                HttpMethod method;
                bool keep_alive;
                unsigned body_bytes;
                const char *path;
        } cases[] = {
                { "GET /info HTTP/1.1\r\nHost: crio\r\n\r\n", HTTP_GET, true, 0, "/info" },
                { "HEAD /info HTTP/1.0\r\n\r\n", HTTP_HEAD, false, 0, "/info" },
                { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_GET, true, 0, "/" },
                { "GET / HTTP/1.1\r\nCONNECTION:foo, close\r\n\r\n", HTTP_GET, false, 0, "/" },
                { "POST /x HTTP/1.1\r\nContent-Length: 5 \r\n\r\n", HTTP_OTHER, true, 5, "/x" },
                { "GET /a%20b%2fc?q=%00 HTTP/1.1\r\n\r\n", HTTP_GET, true, 0, "/a b/c" },
                { "GET / HTTP/1.1\r\nempty:\r\n\r\n", HTTP_GET, true, 0, "/" },
        };

        FOREACH_ELEMENT(c, cases) {
                HttpHead h;

                ASSERT_OK(http_head_parse(c->in, strlen(c->in), &h));
                ASSERT_EQ(h.method, c->method);
                ASSERT_EQ(h.keep_alive, c->keep_alive);
                ASSERT_EQ(h.body_bytes, c->body_bytes);
                ASSERT_STREQ(h.path, c->path);
                http_head_done(&h);
        }
}

static void test_refused(void) {
        static const struct {
                const char *in;
                int r;
        } cases[] = {
                { "\r\n\r\n", -EINVAL },
                { "GET\r\n\r\n", -EINVAL },
                { "GET /\r\n\r\n", -EINVAL },
                { " GET / HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET  / HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1 \r\n\r\n", -EOPNOTSUPP },
                { "GET / HTTP/2\r\n\r\n", -EOPNOTSUPP },
                { "GET / SPDY\r\n\r\n", -EINVAL },
                { "GET info HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET http://host/info HTTP/1.1\r\n\r\n", -EINVAL },
                { "G(T / HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET /%zz HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET /% HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET /%4 HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET /%00 HTTP/1.1\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\nX: y\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\nno colon\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\n: x\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\nname : x\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", -EINVAL },
                { "GET / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", -EFBIG },
                { "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -EOPNOTSUPP },
        };

        FOREACH_ELEMENT(c, cases) {
                HttpHead h;

                ASSERT_EQ(http_head_parse(c->in, strlen(c->in), &h), c->r);
        }
        ASSERT_EQ(http_head_parse("GET /\0 HTTP/1.1\r\n\r\n", 19, &(HttpHead){}), -EINVAL);
}

TEST_MAIN(TEST(test_find_end), TEST_ALLOC(test_accepted), TEST(test_refused));
