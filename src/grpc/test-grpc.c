/* SPDX-License-Identifier: Apache-2.0 */

#include "grpc/test-grpc.h"

#include <fcntl.h>

#include "basic/number.h"
#include "grpc/call-internal.h"

/* What the handlers below did and hold. */
typedef struct State {
        GrpcCall *held[GRPC_STREAMS_MAX];
        size_t n_held, n_cancelled, n_observed;
        Status observed;
        bool cancelled;
        size_t n_sent; /* messages that a stream took before it was full */
        int stream_r;
} State;

static void handle_echo(GrpcCall *call, const void *data, size_t size, void *userdata) {
        grpc_call_reply(call, data, size);
}

static void handle_fail(GrpcCall *call, const void *data, size_t size, void *userdata) {
        _cleanup_error_ Error error = ERROR_INIT;

        (void) error_set(
                        &error,
                        -ENOENT,
                        STATUS_NOT_FOUND,
                        "no \"%.*s\": 100%% \xc3\xa9\n",
                        (int) size,
                        (const char *) data);
        grpc_call_fail(call, -ENOENT, &error);
}

static void on_cancel(GrpcCall *call, void *userdata) {
        State *state = userdata;

        state->n_cancelled++;
        state->cancelled = true;
}

static void handle_hold(GrpcCall *call, const void *data, size_t size, void *userdata) {
        State *state = userdata;

        grpc_call_on_cancel(call, on_cancel, state);
        state->held[state->n_held++] = call;
}

static void handle_large(GrpcCall *call, const void *data, size_t size, void *userdata) {
        _cleanup_free_ char *large = calloc(1, GRPC_MESSAGE_MAX + 1);

        ASSERT_TRUE(large);
        grpc_call_reply(call, large, GRPC_MESSAGE_MAX + 1);
}

static void handle_stream(GrpcCall *call, const void *data, size_t size, void *userdata) {
        static const char *const messages[] = { "one", "", "three" };

        FOREACH_ELEMENT(m, messages)
                ASSERT_EQ(grpc_call_send(call, *m, strlen(*m)), 0);
        grpc_call_finish(call, 0);
}

/* Sends as long as it can. */
static void handle_flood(GrpcCall *call, const void *data, size_t size, void *userdata) {
        _cleanup_free_ char *message = calloc(1, 1 * MIB);
        State *state = userdata;

        ASSERT_TRUE(message);
        while (state->n_sent < 1000) {
                state->stream_r = grpc_call_send(call, message, 1 * MIB);
                if (state->stream_r < 0)
                        break;
                state->n_sent++;
        }
        grpc_call_finish(call, state->stream_r);
}

static void on_observe(const char *path, Status status, uint64_t usec, void *userdata) {
        State *state = userdata;

        state->n_observed++;
        state->observed = status;
}

static void on_http1(const char *path, Http1Reply *reply, void *userdata) {
        if (!streq(path, "/info"))
                return;
        reply->status = 200;
        reply->content_type = "application/json";
        reply->body = strdup("{\"a\":1}");
}

static const GrpcMethod methods[] = {
        { "/t.T/Echo", handle_echo, false },
        { "/t.T/Fail", handle_fail, false },
        { "/t.T/Hold", handle_hold, false },
        { "/t.T/Large", handle_large, false },
        { "/t.T/Stream", handle_stream, true },
        { "/t.T/Flood", handle_flood, true },
        {},
};

typedef struct Frame {
        TestServer server;
        TestClient client;
        State state;
} Frame;

static void frame_init(Frame *f) {
        const GrpcServerOptions options = { .methods = methods,
                                            .userdata = &f->state,
                                            .observer = on_observe,
                                            .http1 = on_http1 };

        *f = (Frame){};
        test_server_init(&f->server, &options);
        test_client_init(&f->client, &f->server);
}

/* Handlers that still hold a call answer it to nobody. */
static void frame_done(Frame *f) {
        test_client_done(&f->client);
        test_pump(&f->server, NULL, NULL);
        for (size_t i = 0; i < f->state.n_held; i++)
                grpc_call_reply(f->state.held[i], "late", 4);
        test_server_done(&f->server);
}

#define FRAME(f)                                                                                            \
        _cleanup_(frame_done) Frame f;                                                                      \
        frame_init(&f)

static bool wait_closed(Frame *f, int32_t id) {
        return test_pump(&f->server, &f->client, &test_result(&f->client, id)->closed);
}

/* Sends one message and waits for the end of the call. */
static TestStreamResult *call_of(Frame *f, TestClient *c, const char *path, size_t size, char fill) {
        _cleanup_(test_request_done) TestRequest r;
        int32_t id;

        test_request_init(&r, size, fill);
        id = test_post(c, path, &r);
        ASSERT_TRUE(test_pump(&f->server, c, &test_result(c, id)->closed));
        return test_result(c, id);
}

static TestStreamResult *call(Frame *f, const char *path, size_t size, char fill) {
        return call_of(f, &f->client, path, size, fill);
}

static void check_message(const TestStreamResult *r, size_t offset, size_t size, char fill) {
        const uint8_t *p = (const uint8_t *) r->body.data + offset;

        ASSERT_TRUE(r->body.size >= offset + TEST_PREFIX + size);
        ASSERT_EQ(p[0], 0);
        ASSERT_EQ((size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4], size);
        for (size_t i = 0; i < size; i++)
                if (p[TEST_PREFIX + i] != (uint8_t) fill)
                        test_fail(__FILE__, __LINE__, "byte %zu of the message is wrong", i);
}

static void check_status(const TestStreamResult *r, Status status, const char *message) {
        uint64_t found;

        ASSERT_STREQ(r->http_status, "200");
        ASSERT_STREQ(r->content_type, "application/grpc");
        ASSERT_EQ(parse_u64(r->grpc_status, 16, &found), 0);
        ASSERT_EQ(found, status);
        if (message && !strstr(r->message, message))
                test_fail(__FILE__,
                          __LINE__,
                          "grpc-message is \"%s\", expected \"%s\"",
                          r->message,
                          message);
}

static void test_unary(void) {
        static const size_t sizes[] = { 0, 1, 100, 16384, 65535, 1 * MIB + 1 };
        FRAME(f);

        FOREACH_ELEMENT(size, sizes) {
                TestStreamResult *r = call(&f, "/t.T/Echo", *size, 'e');

                check_status(r, STATUS_OK, NULL);
                ASSERT_EQ(r->body.size, TEST_PREFIX + *size);
                check_message(r, 0, *size, 'e');
        }
        ASSERT_EQ(f.state.n_observed, ELEMENTSOF(sizes));
        ASSERT_EQ(f.state.observed, STATUS_OK);
}

/* The largest message, both ways; one byte more is refused and the connection goes on. */
static void test_largest(void) {
        TestStreamResult *r;
        FRAME(f);

        r = call(&f, "/t.T/Echo", GRPC_MESSAGE_MAX, 'x');
        check_status(r, STATUS_OK, NULL);
        check_message(r, 0, GRPC_MESSAGE_MAX, 'x');
        r = call(&f, "/t.T/Echo", GRPC_MESSAGE_MAX + 1, 'x');
        check_status(r, STATUS_RESOURCE_EXHAUSTED, "request is larger than");
        r = call(&f, "/t.T/Large", 0, 'x');
        check_status(r, STATUS_RESOURCE_EXHAUSTED, "answer of 16777217 bytes");
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
}

static void test_failure(void) {
        TestStreamResult *r;
        FRAME(f);

        r = call(&f, "/t.T/Fail", 2, 'q');
        check_status(r, STATUS_NOT_FOUND, NULL);
        ASSERT_STREQ(r->message, "no \"qq\": 100%25 %C3%A9?"); /* an Error holds no control characters */
        ASSERT_EQ(r->body.size, 0);
        r = call(&f, "/t.T/Nothing", 0, 'x');
        check_status(r, STATUS_UNIMPLEMENTED, "unknown method /t.T/Nothing");
}

static void test_streaming(void) {
        TestStreamResult *r;
        FRAME(f);

        r = call(&f, "/t.T/Stream", 0, 'x');
        check_status(r, STATUS_OK, NULL);
        ASSERT_EQ(r->body.size, 3 * TEST_PREFIX + 8);
        ASSERT_EQ(memcmp(r->body.data, "\0\0\0\0\3one\0\0\0\0\0\0\0\0\0\5three", r->body.size), 0);
}

/* A client that does not read: the server takes what has a bound, says so, and goes on serving others. */
static void test_flow_control(void) {
        _cleanup_(test_request_done) TestRequest r;
        TestClient other;
        int32_t id;
        FRAME(f);

        f.client.reading = false;
        test_request_init(&r, 0, 'x');
        id = test_post(&f.client, "/t.T/Flood", &r);
        test_pump(&f.server, &f.client, NULL);
        ASSERT_EQ(f.state.stream_r, -ENOBUFS);
        ASSERT_TRUE(f.state.n_sent >= 16 && f.state.n_sent * MIB <= GRPC_SEND_QUEUE_MAX);
        ASSERT_FALSE(test_result(&f.client, id)->closed);

        test_client_init(&other, &f.server);
        check_status(call_of(&f, &other, "/t.T/Echo", 1 * MIB, 'x'), STATUS_OK, NULL);
        test_client_done(&other);

        /* It reads again: nothing of what was taken is lost. */
        f.client.reading = true;
        ASSERT_EQ(nghttp2_session_consume(f.client.session, id, test_result(&f.client, id)->body.size), 0);
        ASSERT_TRUE(wait_closed(&f, id));
        check_status(test_result(&f.client, id), STATUS_RESOURCE_EXHAUSTED, "does not read");
        ASSERT_EQ(test_result(&f.client, id)->body.size, f.state.n_sent * (1 * MIB + TEST_PREFIX));
}

/* The deadline of the client ends the wait, not the work. */
static void test_deadline(void) {
        static const char *const timeout[] = { "grpc-timeout", "20m" },
                                 *const broken[] = { "grpc-timeout", "20x" };
        _cleanup_(test_request_done) TestRequest r;
        int32_t id;
        FRAME(f);

        test_request_init(&r, 0, 'x');
        id = test_call(&f.client, "POST", "/t.T/Hold", "application/grpc", timeout, &r);
        ASSERT_TRUE(wait_closed(&f, id));
        check_status(test_result(&f.client, id), STATUS_DEADLINE_EXCEEDED, "deadline of the client passed");
        ASSERT_EQ(f.state.n_held, 1);
        ASSERT_EQ(f.state.n_cancelled, 1);
        grpc_call_reply(f.state.held[--f.state.n_held], "late", 4); /* is dropped */
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);

        /* Time enough, or a value that makes no sense: as if it were not there. */
        r.sent = 0;
        id = test_call(&f.client, "POST", "/t.T/Echo", "application/grpc", broken, &r);
        ASSERT_TRUE(wait_closed(&f, id));
        check_status(test_result(&f.client, id), STATUS_OK, NULL);
}

static void test_cancel(void) {
        _cleanup_(test_request_done) TestRequest r;
        int32_t id;
        FRAME(f);

        test_request_init(&r, 0, 'x');
        id = test_post(&f.client, "/t.T/Hold", &r);
        test_pump(&f.server, &f.client, NULL);
        ASSERT_EQ(f.state.n_held, 1);
        ASSERT_EQ(nghttp2_submit_rst_stream(f.client.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL), 0);
        ASSERT_TRUE(test_pump(&f.server, &f.client, &f.state.cancelled));
        ASSERT_EQ(grpc_call_send(f.state.held[0], "x", 1), -EPIPE);
        grpc_call_finish(f.state.held[--f.state.n_held], 0);
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
}

/* A client that goes away takes nothing with it but its own calls. */
static void test_hang_up(void) {
        _cleanup_(test_request_done) TestRequest whole, half;
        FRAME(f);

        test_request_init(&whole, 0, 'x');
        test_request_init(&half, 1000, 'x');
        half.keep_open = true;
        (void) test_post(&f.client, "/t.T/Hold", &whole);
        (void) test_post(&f.client, "/t.T/Echo", &half);
        test_pump(&f.server, &f.client, NULL);
        ASSERT_EQ(f.state.n_held, 1);
        test_client_done(&f.client);
        ASSERT_TRUE(test_pump(&f.server, NULL, &f.state.cancelled));
        grpc_call_reply(f.state.held[--f.state.n_held], "x", 1);
        test_client_init(&f.client, &f.server);
        check_status(call(&f, "/t.T/Echo", 1, 'x'), STATUS_OK, NULL);
}

/* Many calls at a time, answered in another order than they came. */
static void test_concurrent(void) {
        _cleanup_free_ TestRequest *requests = new0(TestRequest, GRPC_STREAMS_MAX);
        _cleanup_free_ int32_t *ids = new0(int32_t, GRPC_STREAMS_MAX);
        FRAME(f);

        ASSERT_TRUE(requests && ids);
        for (size_t i = 0; i < GRPC_STREAMS_MAX; i++) {
                test_request_init(&requests[i], i, 'x');
                ids[i] = test_post(&f.client, "/t.T/Hold", &requests[i]);
        }
        for (unsigned i = 0; i < 50 && f.state.n_held < GRPC_STREAMS_MAX; i++)
                test_pump(&f.server, &f.client, NULL);
        ASSERT_EQ(f.state.n_held, GRPC_STREAMS_MAX);
        while (f.state.n_held > 0)
                grpc_call_reply(f.state.held[--f.state.n_held], "yes", 3);
        for (size_t i = 0; i < GRPC_STREAMS_MAX; i++) {
                ASSERT_TRUE(wait_closed(&f, ids[i]));
                check_status(test_result(&f.client, ids[i]), STATUS_OK, NULL);
                ASSERT_EQ(test_result(&f.client, ids[i])->body.size, TEST_PREFIX + 3);
                test_request_done(&requests[i]);
        }
        ASSERT_EQ(f.state.n_cancelled, 0);
}

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

static void test_ping(void) {
        FRAME(f);

        ASSERT_EQ(nghttp2_submit_ping(f.client.session, NGHTTP2_FLAG_NONE, NULL), 0);
        ASSERT_TRUE(test_pump(&f.server, &f.client, &f.client.pong));
}

/* GOAWAY; calls that run are answered, then the connection closes; new connections are not taken. */
static void test_drain(void) {
        _cleanup_(test_request_done) TestRequest r;
        int32_t id;
        FRAME(f);

        test_request_init(&r, 0, 'x');
        id = test_post(&f.client, "/t.T/Hold", &r);
        test_pump(&f.server, &f.client, NULL);
        ASSERT_EQ(f.state.n_held, 1);
        grpc_server_drain(f.server.server);
        ASSERT_TRUE(test_pump(&f.server, &f.client, &f.client.goaway));
        ASSERT_EQ(f.client.last_stream, id);
        ASSERT_FALSE(f.client.gone);
        ASSERT_FALSE(grpc_server_is_drained(f.server.server));
        ASSERT_EQ(f.state.n_cancelled, 0);

        grpc_call_reply(f.state.held[--f.state.n_held], "done", 4);
        ASSERT_TRUE(wait_closed(&f, id));
        check_status(test_result(&f.client, id), STATUS_OK, NULL);
        ASSERT_TRUE(test_pump(&f.server, &f.client, &f.client.gone));
        ASSERT_TRUE(grpc_server_is_drained(f.server.server));

        int fd = test_connect(&f.server); /* waits in the queue for our successor */
        ASSERT_EQ(send(fd, "PRI * HTTP/2.0\r\n", 16, MSG_NOSIGNAL), 16);
        test_pump(&f.server, NULL, NULL);
        ASSERT_TRUE(recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
        close_fd(fd);
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

TEST_MAIN(TEST(test_percent),
          TEST(test_timeout),
          TEST(test_unary),
          TEST(test_largest),
          TEST(test_failure),
          TEST(test_streaming),
          TEST(test_flow_control),
          TEST(test_deadline),
          TEST(test_cancel),
          TEST(test_hang_up),
          TEST(test_concurrent),
          TEST(test_framing),
          TEST(test_not_grpc),
          TEST(test_headers_limit),
          TEST(test_ping),
          TEST(test_drain),
          TEST(test_damage),
          TEST(test_http1),
          TEST(test_many_connections));
