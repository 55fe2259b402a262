/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls as clients make them.
 */

#include <sys/socket.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "grpc/test-client.h"

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

TEST_MAIN(TEST(test_unary),
          TEST(test_largest),
          TEST(test_failure),
          TEST(test_streaming),
          TEST(test_flow_control),
          TEST(test_deadline),
          TEST(test_cancel),
          TEST(test_hang_up),
          TEST(test_concurrent),
          TEST(test_ping),
          TEST(test_drain));
