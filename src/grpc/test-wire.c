/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What arrives on the socket, right and wrong.
 */

#include <sys/socket.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "grpc/call-internal.h"
#include "grpc/test-client.h"

/* Messages that are none. */
static void test_framing(void) {
        static const struct {
                const char *body;
                size_t size;
                Status status;
                const char *message;
        } bodies[] = {
                { "", 0, STATUS_INTERNAL, "no message" },
                { "\0\0\0", 3, STATUS_INTERNAL, "no message" },
                { "\0\0\0\0\2x", 6, STATUS_INTERNAL, "cut short" },
                { "\0\xff\xff\xff\xffx", 6, STATUS_INTERNAL, "cut short" },
                { "\0\0\0\0\1xy", 7, STATUS_INTERNAL, "more than one message" },
                { "\0\0\0\0\0\0\0\0\0\0", 10, STATUS_INTERNAL, "more than one message" },
                { "\1\0\0\0\1x", 6, STATUS_UNIMPLEMENTED, "compressed" },
        };
        FRAME(f);

        FOREACH_ELEMENT(c, bodies) {
                TestRequest r = { .body = { .data = (char *) c->body, .size = c->size } };
                int32_t id = test_post(&f.client, "/t.T/Echo", &r);

                ASSERT_TRUE(wait_closed(&f, id));
                check_status(test_result(&f.client, id), c->status, c->message);
                if (c->status == STATUS_UNIMPLEMENTED)
                        ASSERT_STREQ(test_result(&f.client, id)->accept_encoding, "identity");
        }
}

/* HTTP/2, but not gRPC. */
static void test_not_grpc(void) {
        _cleanup_(test_request_done) TestRequest r;
        int32_t id;
        FRAME(f);

        id = test_call(&f.client, "GET", "/t.T/Echo", "application/grpc", NULL, NULL);
        ASSERT_TRUE(wait_closed(&f, id));
        ASSERT_STREQ(test_result(&f.client, id)->http_status, "405");
        test_request_init(&r, 0, 'x');
        id = test_call(&f.client, "POST", "/t.T/Echo", "application/grpcx", NULL, &r);
        ASSERT_TRUE(wait_closed(&f, id));
        ASSERT_STREQ(test_result(&f.client, id)->http_status, "415");
        r.sent = 0;
        id = test_call(&f.client, "POST", "/t.T/Echo", "application/grpc+proto", NULL, &r);
        ASSERT_TRUE(wait_closed(&f, id));
        check_status(test_result(&f.client, id), STATUS_OK, NULL);
}

static void test_headers_limit(void) {
        _cleanup_free_ char *value = calloc(1, GRPC_HEADERS_MAX + 1);
        const char *const large[] = { "x-large", value };
        _cleanup_(test_request_done) TestRequest r;
        int32_t id;
        FRAME(f);

        ASSERT_TRUE(value);
        memset(value, 'v', GRPC_HEADERS_MAX);
        test_request_init(&r, 0, 'x');
        id = test_call(&f.client, "POST", "/t.T/Echo", "application/grpc", large, &r);
        ASSERT_TRUE(wait_closed(&f, id));
        ASSERT_TRUE(!streq(test_result(&f.client, id)->grpc_status, "0"));
        ASSERT_TRUE(test_result(&f.client, id)->error_code != NGHTTP2_NO_ERROR);
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL); /* the connection goes on */
}

/* Whatever bytes come: that connection ends, the other one does not notice. */
static void test_damage(void) {
        static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        static const struct {
                bool preface;
                const char *bytes;
                size_t size;
        } damages[] = {
                { true, "\xff\xff\xff\x00\x00\x00\x00\x00\x00", 9 },      /* a frame of 16 MiB */
                { true, "\x00\x00\x04\x03\x00\x00\x00\x00\x01xxxx", 13 }, /* RST_STREAM of an idle stream */
                { true, "\x00\x00\x01\x08\x00\x00\x00\x00\x00x", 10 },    /* WINDOW_UPDATE of a wrong size */
                { true, "\x00\x00\x05\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff\xff", 14 }, /* broken HPACK */
                { true, "\x00\x00\x00\x00\x01\x00\x00\x00\x05", 9 }, /* DATA of an idle stream */
                { true, "\x00\x00\x00\x09\x04\x00\x00\x00\x01", 9 }, /* CONTINUATION of nothing */
                { true, "GET / HTTP/1.1\r\n\r\n", 18 },
                { false, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 24 },
                { false,
                  "PRI\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                  24 },
        };
        FRAME(f);

        FOREACH_ELEMENT(d, damages) {
                int fd = test_connect(&f.server);
                char answer[4096];
                ssize_t n;

                if (d->preface) {
                        static const char settings[] = "\0\0\0\4\0\0\0\0\0";

                        ASSERT_EQ(send(fd, preface, sizeof(preface) - 1, MSG_NOSIGNAL), sizeof(preface) - 1);
                        ASSERT_EQ(send(fd, settings, 9, MSG_NOSIGNAL), 9);
                }
                ASSERT_EQ(send(fd, d->bytes, d->size, MSG_NOSIGNAL), d->size);
                test_pump(&f.server, NULL, NULL);
                do
                        n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
                while (n > 0);
                if (n != 0 && errno != ECONNRESET)
                        test_fail(__FILE__,
                                  __LINE__,
                                  "damage %zu did not end its connection",
                                  (size_t) (d - damages));
                close_fd(fd);
                check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
        }
}

/* Two protocols on one socket, told apart by their first bytes however they are cut. */
static void test_http1(void) {
        static const struct {
                const char *request, *begins, *holds;
        } requests[] = {
                { "GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                  "HTTP/1.1 200 ",
                  "{\"a\":1}" },
                { "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 ", "" },
                { "POST /info HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                  "HTTP/1.1 405 ",
                  "" },
                { "PUT /info HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                  "HTTP/1.1 405 ",
                  "" },
        };
        FRAME(f);

        FOREACH_ELEMENT(c, requests) {
                int fd = test_connect(&f.server);
                char answer[4096] = {};
                size_t size = 0;
                ssize_t n;

                for (const char *p = c->request; *p; p++) {
                        if (send(fd, p, 1, MSG_NOSIGNAL) != 1)
                                break; /* it was refused before it ended */
                        if (p < c->request + 4)
                                test_pump(&f.server, NULL, NULL);
                }
                test_pump(&f.server, NULL, NULL);
                while ((n = recv(fd, answer + size, sizeof(answer) - 1 - size, MSG_DONTWAIT)) > 0)
                        size += (size_t) n;
                if (!startswith(answer, c->begins) || !strstr(answer, c->holds))
                        test_fail(__FILE__, __LINE__, "%s gives %s", c->request, answer);
                close_fd(fd);
        }
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
}

/* More connections than there may be: the new ones are closed, the old ones stay, room comes back. */
static void test_many_connections(void) {
        int fds[GRPC_CONNECTIONS_MAX];
        FRAME(f);
        int extra;

        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
        for (size_t i = 0; i < GRPC_CONNECTIONS_MAX - 1; i++)
                fds[i] = test_connect(&f.server);
        extra = test_connect(&f.server);
        for (unsigned i = 0; i < 50; i++)
                test_pump(&f.server, NULL, NULL);
        ASSERT_EQ(recv(extra, &(char){ 0 }, 1, MSG_DONTWAIT), 0);
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
        for (size_t i = 0; i < GRPC_CONNECTIONS_MAX - 1; i++)
                close_fd(fds[i]);
        close_fd(extra);
        test_pump(&f.server, &f.client, NULL);
        test_client_done(&f.client);
        test_client_init(&f.client, &f.server);
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
}

static void test_percent(void) {
        static const struct {
                const char *in, *out;
        } texts[] = {
                { "", "" },
                { "plain text ~", "plain text ~" },
                { "100%", "100%25" },
                { "\n\x01\x7f", "%0A%01%7F" },
                { "\xc3\xa9\xff", "%C3%A9%FF" },
        };
        _cleanup_free_ char *large = malloc(3 * GRPC_STATUS_MESSAGE_MAX), *out = NULL;

        FOREACH_ELEMENT(c, texts) {
                _cleanup_free_ char *encoded = grpc_percent_encode(c->in);

                ASSERT_STREQ(encoded, c->out);
        }
        ASSERT_TRUE(large);
        memset(large, '\n', 3 * GRPC_STATUS_MESSAGE_MAX);
        large[3 * GRPC_STATUS_MESSAGE_MAX - 1] = '\0';
        out = grpc_percent_encode(large);
        ASSERT_TRUE(out && strlen(out) <= GRPC_STATUS_MESSAGE_MAX &&
                    strlen(out) % 3 == 0); /* cut between two */
}

static void test_timeout(void) {
        static const struct {
                const char *in;
                uint64_t usec;
                int r;
        } timeouts[] = {
                { "1H", 3600 * USEC_PER_SEC, 0 },
                { "2M", 120 * USEC_PER_SEC, 0 },
                { "3S", 3 * USEC_PER_SEC, 0 },
                { "4m", 4000, 0 },
                { "5u", 5, 0 },
                { "6000n", 6, 0 },
                { "1n", 0, 0 },
                { "0S", 0, 0 },
                { "99999999H", UINT64_C(99999999) * 3600 * USEC_PER_SEC, 0 },
                { "00000001S", USEC_PER_SEC, 0 },
                { "100000000S", 0, -EINVAL },
                { "", 0, -EINVAL },
                { "S", 0, -EINVAL },
                { "5", 0, -EINVAL },
                { "5s", 0, -EINVAL },
                { "-5S", 0, -EINVAL },
                { " 5S", 0, -EINVAL },
                { "5S ", 0, -EINVAL },
                { "5 S", 0, -EINVAL },
                { "0x5S", 0, -EINVAL },
                { "5SS", 0, -EINVAL },
        };

        FOREACH_ELEMENT(c, timeouts) {
                uint64_t usec = 77;

                ASSERT_EQ(grpc_timeout_parse(c->in, &usec), c->r);
                ASSERT_EQ(usec, c->r < 0 ? 77 : c->usec);
        }
}

TEST_MAIN(TEST(test_framing),
          TEST(test_not_grpc),
          TEST(test_headers_limit),
          TEST(test_damage),
          TEST(test_http1),
          TEST(test_many_connections),
          TEST(test_percent),
          TEST(test_timeout));
