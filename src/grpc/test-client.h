/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A gRPC server with methods to try, and a client on nghttp2 in the same loop. For test-*.c of grpc/ only.
 *
 * Nothing here waits for time to pass: test_pump() turns client and server until what is asked for is there,
 * or nobody has anything left to do for a second.
 */

#include <nghttp2/nghttp2.h>
#include <systemd/sd-event.h>

#include "basic/buffer.h"
#include "basic/test.h"
#include "grpc/server.h"

#define TEST_STREAMS_MAX 1024
#define TEST_BODY_MAX (96 * MIB)
#define TEST_IDLE_USEC USEC_PER_SEC
#define TEST_PREFIX 5

/* What came back on one stream. */
typedef struct TestStreamResult {
        char http_status[8], content_type[32], grpc_status[8], message[12 * 1024], accept_encoding[32];
        Buffer body;
        bool headers, closed;
        uint32_t error_code;
} TestStreamResult;

typedef struct TestClient {
        int fd;
        nghttp2_session *session;
        TestStreamResult *streams; /* by (id - 1) / 2 */
        Buffer out;
        bool gone, goaway, pong;
        int32_t last_stream;
        bool reading; /* false: does not open the window */
} TestClient;

/* What a call sends. */
typedef struct TestRequest {
        Buffer body;
        size_t sent;
        bool keep_open; /* no END_STREAM behind the body */
} TestRequest;

typedef struct TestServer {
        char dir[32], path[64];
        sd_event *event;
        GrpcServer *server;
} TestServer;

/* What the handlers below did and hold. */
typedef struct State {
        GrpcCall *held[GRPC_STREAMS_MAX];
        size_t n_held, n_cancelled, n_observed;
        Status observed;
        bool cancelled;
        size_t n_sent; /* messages that a stream took before it was full */
        int stream_r;
} State;

/* Methods: Echo; Fail (NOT_FOUND); Hold (into State.held); Large (an answer beyond the limit); Stream (three
 * messages); Flood (as much as it can). */
typedef struct Frame {
        TestServer server;
        TestClient client;
        State state;
} Frame;

#define FRAME(f)                                                                                            \
        _cleanup_(frame_done) Frame f;                                                                      \
        frame_init(&f)

/* @userdata of handlers and options comes from the test. */
void test_server_init(TestServer *s, const GrpcServerOptions *options);

/* Also removes its socket. */
void test_server_done(TestServer *s);

/* A plain connection, not blocking. */
int test_connect(const TestServer *s);

/* The result of a stream. */
TestStreamResult *test_result(TestClient *c, int32_t id);

/* A client whose preface is on its way. */
void test_client_init(TestClient *c, const TestServer *s);

/* Hangs up. */
void test_client_done(TestClient *c);

/* Writes and reads what can be now. Whether there was anything. */
bool test_client_turn(TestClient *c);

/* Turns until *@flag (NULL: until all are idle). Returns *@flag. */
bool test_pump(TestServer *s, TestClient *c, const bool *flag);

/* One message of @size bytes, all of them @fill. */
void test_request_init(TestRequest *r, size_t size, char fill);

/* Frees the body. */
void test_request_done(TestRequest *r);

/* @extra: a further header, or NULL. The id of the stream. */
int32_t
test_call(TestClient *c,
          const char *method,
          const char *path,
          const char *type,
          const char *const extra[2],
          TestRequest *r);

/* The usual kind of call. */
int32_t test_post(TestClient *c, const char *path, TestRequest *r);

/* A server with the methods above, and a client of it. */
void frame_init(Frame *f);

/* Handlers that still hold a call answer it to nobody. */
void frame_done(Frame *f);

/* Turns until the stream is closed; whether it is. */
bool wait_closed(Frame *f, int32_t id);

/* Sends one message and waits for the end of the call. */
TestStreamResult *call_of(Frame *f, TestClient *c, const char *path, size_t size, char fill);

/* The same by the client of the frame. */
TestStreamResult *call(Frame *f, const char *path, size_t size, char fill);

/* The message at @offset of what came is @size bytes of @fill. */
void check_message(const TestStreamResult *r, size_t offset, size_t size, char fill);

/* A gRPC answer with that status; @message: part of its text, or NULL. */
void check_status(const TestStreamResult *r, Status status, const char *message);
