/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/test-client.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/number.h"
#include "basic/str.h"

void test_server_init(TestServer *s, const GrpcServerOptions *options) {
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

void test_server_done(TestServer *s) {
        grpc_server_free(s->server);
        sd_event_unref(s->event);
        (void) rm_rf_at(AT_FDCWD, s->dir);
}

int test_connect(const TestServer *s) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path); /* fits */
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        ASSERT_EQ(fd_set_nonblock(fd, true), 0);
        return fd;
}

TestStreamResult *test_result(TestClient *c, int32_t id) {
        ASSERT_TRUE(id > 0 && id / 2 < TEST_STREAMS_MAX);
        return &c->streams[id / 2];
}

static int
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

static int
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

static int test_on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *userdata) {
        TestStreamResult *r = test_result(userdata, id);

        r->closed = true;
        r->error_code = error_code;
        return 0;
}

static int test_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
        TestClient *c = userdata;

        if (frame->hd.type == NGHTTP2_GOAWAY) {
                c->goaway = true;
                c->last_stream = frame->goaway.last_stream_id;
        }
        c->pong |= frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK;
        return 0;
}

void test_client_init(TestClient *c, const TestServer *s) {
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

void test_client_done(TestClient *c) {
        nghttp2_session_del(c->session);
        for (size_t i = 0; i < TEST_STREAMS_MAX; i++)
                buffer_done(&c->streams[i].body);
        free(c->streams);
        buffer_done(&c->out);
        close_fd(c->fd);
        *c = (TestClient){ .fd = -EBADF };
}

bool test_client_turn(TestClient *c) {
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

bool test_pump(TestServer *s, TestClient *c, const bool *flag) {
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

static ssize_t test_on_request_read(
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

void test_request_init(TestRequest *r, size_t size, char fill) {
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

void test_request_done(TestRequest *r) {
        buffer_done(&r->body);
}

int32_t
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

int32_t test_post(TestClient *c, const char *path, TestRequest *r) {
        return test_call(c, "POST", path, "application/grpc", NULL, r);
}

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

void frame_init(Frame *f) {
        const GrpcServerOptions options = { .methods = methods,
                                            .userdata = &f->state,
                                            .observer = on_observe,
                                            .http1 = on_http1 };

        *f = (Frame){};
        test_server_init(&f->server, &options);
        test_client_init(&f->client, &f->server);
}

void frame_done(Frame *f) {
        test_client_done(&f->client);
        test_pump(&f->server, NULL, NULL);
        for (size_t i = 0; i < f->state.n_held; i++)
                grpc_call_reply(f->state.held[i], "late", 4);
        test_server_done(&f->server);
}

bool wait_closed(Frame *f, int32_t id) {
        return test_pump(&f->server, &f->client, &test_result(&f->client, id)->closed);
}

TestStreamResult *call_of(Frame *f, TestClient *c, const char *path, size_t size, char fill) {
        _cleanup_(test_request_done) TestRequest r;
        int32_t id;

        test_request_init(&r, size, fill);
        id = test_post(c, path, &r);
        ASSERT_TRUE(test_pump(&f->server, c, &test_result(c, id)->closed));
        return test_result(c, id);
}

TestStreamResult *call(Frame *f, const char *path, size_t size, char fill) {
        return call_of(f, &f->client, path, size, fill);
}

void check_message(const TestStreamResult *r, size_t offset, size_t size, char fill) {
        const uint8_t *p = (const uint8_t *) r->body.data + offset;

        ASSERT_TRUE(r->body.size >= offset + TEST_PREFIX + size);
        ASSERT_EQ(p[0], 0);
        ASSERT_EQ((size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4], size);
        for (size_t i = 0; i < size; i++)
                if (p[TEST_PREFIX + i] != (uint8_t) fill)
                        test_fail(__FILE__, __LINE__, "byte %zu of the message is wrong", i);
}

void check_status(const TestStreamResult *r, Status status, const char *message) {
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
