/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A gRPC client on nghttp2 in the loop of the server under test. For test-*.c and fuzz-*.c of grpc/ only.
 *
 * Nothing here waits for time to pass: test_pump() turns client and server until what is asked for is there,
 * or nobody has anything left to do for a second.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>
#include <systemd/sd-event.h>

#include "basic/buffer.h"
#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/str.h"
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

/* @userdata of handlers and options comes from the test. */
static inline void test_server_init(TestServer *s, const GrpcServerOptions *options) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        *s = (TestServer){ .dir = "/tmp/test-grpc-XXXXXX" };
        ASSERT_TRUE(mkdtemp(s->dir));
        (void) snprintf(s->path, sizeof(s->path), "%s/socket", s->dir); /* both fit */
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        ASSERT_EQ(listen(fd, 512), 0);
        ASSERT_TRUE(sd_event_new(&s->event) >= 0);
        ASSERT_EQ(grpc_server_new(s->event, fd, options, &s->server), 0);
}

/* Also removes its socket. */
static inline void test_server_done(TestServer *s) {
        grpc_server_free(s->server);
        sd_event_unref(s->event);
        (void) rm_rf_at(AT_FDCWD, s->dir);
}

/* A plain connection, not blocking. */
static inline int test_connect(const TestServer *s) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path); /* fits */
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        ASSERT_EQ(fd_set_nonblock(fd, true), 0);
        return fd;
}

/* The result of a stream. */
static inline TestStreamResult *test_result(TestClient *c, int32_t id) {
        ASSERT_TRUE(id > 0 && id / 2 < TEST_STREAMS_MAX);
        return &c->streams[id / 2];
}

static inline int
test_on_header(nghttp2_session *session,
               const nghttp2_frame *frame,
               const uint8_t *name,
               size_t name_size,
               const uint8_t *value,
               size_t value_size,
               uint8_t flags,
               void *userdata) {
        TestStreamResult *r = test_result(userdata, frame->hd.stream_id);
        const struct {
                const char *name;
                char *to;
                size_t size;
        } known[] = {
                { ":status", r->http_status, sizeof(r->http_status) },
                { "content-type", r->content_type, sizeof(r->content_type) },
                { "grpc-status", r->grpc_status, sizeof(r->grpc_status) },
                { "grpc-message", r->message, sizeof(r->message) },
                { "grpc-accept-encoding", r->accept_encoding, sizeof(r->accept_encoding) },
        };

        r->headers = true;
        FOREACH_ELEMENT(k, known)
                if (streq(k->name, (const char *) name)) {
                        ASSERT_TRUE(value_size < k->size);
                        memcpy(k->to, value, value_size + 1);
                }
        return 0;
}

static inline int
test_on_data(nghttp2_session *session,
             uint8_t flags,
             int32_t id,
             const uint8_t *data,
             size_t size,
             void *userdata) {
        TestClient *c = userdata;

        ASSERT_EQ(buffer_add(&test_result(c, id)->body, data, size), 0);
        if (c->reading)
                (void) nghttp2_session_consume(session, id, size); /* fails for a closed stream only */
        return 0;
}

static inline int test_on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *userdata) {
        TestStreamResult *r = test_result(userdata, id);

        r->closed = true;
        r->error_code = error_code;
        return 0;
}

static inline int test_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
        TestClient *c = userdata;

        if (frame->hd.type == NGHTTP2_GOAWAY) {
                c->goaway = true;
                c->last_stream = frame->goaway.last_stream_id;
        }
        c->pong |= frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK;
        return 0;
}

/* A client whose preface is on its way. */
static inline void test_client_init(TestClient *c, const TestServer *s) {
        const nghttp2_settings_entry settings[] = { { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 * MIB } };
        nghttp2_session_callbacks *callbacks;
        nghttp2_option *option;

        *c = (TestClient){ .fd = test_connect(s), .out = BUFFER_INIT(TEST_BODY_MAX), .reading = true };
        c->streams = new0(TestStreamResult, TEST_STREAMS_MAX);
        ASSERT_TRUE(c->streams);
        for (size_t i = 0; i < TEST_STREAMS_MAX; i++)
                c->streams[i].body = BUFFER_INIT(TEST_BODY_MAX);
        ASSERT_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
        ASSERT_EQ(nghttp2_option_new(&option), 0);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, test_on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, test_on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, test_on_close);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, test_on_frame);
        ASSERT_EQ(nghttp2_session_client_new2(&c->session, callbacks, c, option), 0);
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_option_del(option);
        ASSERT_EQ(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, ELEMENTSOF(settings)), 0);
}

/* Hangs up. */
static inline void test_client_done(TestClient *c) {
        nghttp2_session_del(c->session);
        for (size_t i = 0; i < TEST_STREAMS_MAX; i++)
                buffer_done(&c->streams[i].body);
        free(c->streams);
        buffer_done(&c->out);
        close_fd(c->fd);
        *c = (TestClient){ .fd = -EBADF };
}

/* Writes and reads what can be now. Whether there was anything. */
static inline bool test_client_turn(TestClient *c) {
        static uint8_t data[64 * KIB];
        bool busy = false;
        ssize_t n;

        if (c->gone)
                return false;
        while (c->out.size < 256 * KIB) {
                const uint8_t *bytes;

                n = nghttp2_session_mem_send(c->session, &bytes);
                if (n <= 0)
                        break;
                ASSERT_EQ(buffer_add(&c->out, bytes, (size_t) n), 0);
        }
        if (c->out.size > 0) {
                n = send(c->fd, c->out.data, c->out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n > 0) {
                        buffer_consume(&c->out, (size_t) n);
                        busy = true;
                }
        }
        n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
        if (n > 0) {
                (void) nghttp2_session_mem_recv(
                                c->session,
                                data,
                                (size_t) n); /* damage shows in the results */
                busy = true;
        } else if (n == 0 || (n < 0 && errno != EAGAIN))
                c->gone = true;
        return busy;
}

/* Turns until *@flag (NULL: until all are idle). Returns *@flag. */
static inline bool test_pump(TestServer *s, TestClient *c, const bool *flag) {
        uint64_t idle_since = now_usec();

        while (!flag || !*flag) {
                bool busy = c && test_client_turn(c);

                busy |= sd_event_run(s->event, busy ? 0 : 1000) > 0;
                if (busy)
                        idle_since = now_usec();
                else if (now_usec() - idle_since > (flag ? 5 * TEST_IDLE_USEC : 20 * USEC_PER_MSEC))
                        break;
        }
        return flag && *flag;
}

static inline ssize_t test_on_request_read(
                nghttp2_session *session,
                int32_t id,
                uint8_t *data,
                size_t size,
                uint32_t *flags,
                nghttp2_data_source *source,
                void *userdata) {
        TestRequest *r = source->ptr;
        size_t n = MIN(size, r->body.size - r->sent);

        if (n == 0 && r->keep_open)
                return NGHTTP2_ERR_DEFERRED;
        if (n > 0)
                memcpy(data, r->body.data + r->sent, n);
        r->sent += n;
        if (r->sent == r->body.size && !r->keep_open)
                *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t) n;
}

/* One message of @size bytes, all of them @fill. */
static inline void test_request_init(TestRequest *r, size_t size, char fill) {
        uint8_t prefix[TEST_PREFIX] = { 0,
                                        (uint8_t) (size >> 24),
                                        (uint8_t) (size >> 16),
                                        (uint8_t) (size >> 8),
                                        (uint8_t) size };
        void *p;

        *r = (TestRequest){ .body = BUFFER_INIT(TEST_BODY_MAX) };
        ASSERT_EQ(buffer_add(&r->body, prefix, sizeof(prefix)), 0);
        ASSERT_EQ(buffer_reserve(&r->body, size + 1, &p), 0);
        memset(p, fill, size);
        buffer_grow(&r->body, size);
}

static inline void test_request_done(TestRequest *r) {
        buffer_done(&r->body);
}

/* @extra: a further header, or NULL. The id of the stream. */
static inline int32_t
test_call(TestClient *c,
          const char *method,
          const char *path,
          const char *type,
          const char *const extra[2],
          TestRequest *r) {
        nghttp2_data_provider provider = { .source.ptr = r, .read_callback = test_on_request_read };
        const char *const pairs[][2] = {
                { ":method", method },         { ":scheme", "http" }, { ":path", path },
                { ":authority", "localhost" }, { "te", "trailers" },  { "content-type", type },
        };
        nghttp2_nv headers[ELEMENTSOF(pairs) + 1];
        size_t n = 0;
        int32_t id;

        for (size_t i = 0; i < ELEMENTSOF(pairs) + 1; i++) {
                const char *const *pair = i < ELEMENTSOF(pairs) ? pairs[i] : extra;

                if (pair && pair[1])
                        headers[n++] = (nghttp2_nv){ (uint8_t *) pair[0],
                                                     (uint8_t *) pair[1],
                                                     strlen(pair[0]),
                                                     strlen(pair[1]),
                                                     NGHTTP2_NV_FLAG_NONE };
        }
        id = nghttp2_submit_request(c->session, NULL, headers, n, r ? &provider : NULL, NULL);
        ASSERT_TRUE(id > 0);
        return id;
}

/* The usual kind of call. */
static inline int32_t test_post(TestClient *c, const char *path, TestRequest *r) {
        return test_call(c, "POST", path, "application/grpc", NULL, r);
}
