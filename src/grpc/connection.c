/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <nghttp2/nghttp2.h>
#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "grpc/call-internal.h"

#define READ_CHUNK (64 * KIB)
/* Bytes that wait for the socket; more are made when these are gone. */
#define SEND_CHUNK_MAX (256 * KIB)
#define STREAM_WINDOW (1 * MIB)
#define CONNECTION_WINDOW (16 * MIB)
/* Answers to SETTINGS and PING that may wait for a client that sends them and does not read. */
#define OUTBOUND_ACK_MAX 256
/* Reads of one connection before the loop looks at the others. */
#define READS_PER_WAKEUP 8
/* What a header costs beside its name and value, RFC 9113, 6.5.2. */
#define HEADER_OVERHEAD 32

struct GrpcConnection {
        GrpcServer *server;
        GrpcConnectionClosed on_closed;
        int fd;
        sd_event_source *io_source, *send_source;
        nghttp2_session *session;
        GrpcCall *calls;
        size_t buffered; /* of requests that are not complete */
        size_t held;     /* the same, and answers that the client has not read */
        Buffer out;
        bool failed;
};

GrpcServer *grpc_connection_get_server(const GrpcConnection *c) {
        return c->server;
}

nghttp2_session *grpc_connection_get_session(const GrpcConnection *c) {
        return c->session;
}

void grpc_connection_hold(GrpcConnection *c, ssize_t delta) {
        c->held += (size_t) delta;
        grpc_server_hold(c->server, delta);
}

bool grpc_connection_has_room(const GrpcConnection *c, size_t size) {
        return size <= GRPC_QUEUED_MAX && c->held - c->buffered <= GRPC_QUEUED_MAX - size;
}

size_t grpc_connection_get_held(const GrpcConnection *c) {
        return c->held;
}

void grpc_connection_abort(GrpcConnection *c) {
        c->failed = true;
        grpc_connection_schedule_send(c);
}

/* The request of a call is complete or not wanted any more. */
static void forget_request(GrpcConnection *c, size_t size) {
        c->buffered -= size;
        grpc_connection_hold(c, -(ssize_t) size);
}

void grpc_connection_unlink_call(GrpcConnection *c, GrpcCall *call) {
        if (call->previous)
                call->previous->next = call->next;
        else if (c->calls == call)
                c->calls = call->next;
        if (call->next)
                call->next->previous = call->previous;
        call->next = call->previous = NULL;
        if (!call->dispatched)
                forget_request(c, call->in.size);
        grpc_connection_hold(c, -(ssize_t) (call->out.size - call->n_sent));
}

GrpcConnection *grpc_connection_free(GrpcConnection *c) {
        GrpcCall *call;

        if (!c)
                return NULL;

        while ((call = c->calls)) {
                grpc_connection_unlink_call(c, call);
                grpc_call_stream_closed(call);
        }
        nghttp2_session_del(c->session);
        sd_event_source_disable_unref(c->io_source);
        sd_event_source_disable_unref(c->send_source);
        buffer_done(&c->out);
        close_fd(c->fd);
        free(c);
        return NULL;
}

/* Never from inside the session's callbacks. */
static void connection_close(GrpcConnection *c) {
        c->on_closed(c, c->server);
}

/* Makes bytes of the session's frames and writes them. 1: the socket is full; 0; negative errno: the
 * connection is over. */
static int connection_send(GrpcConnection *c) {
        for (;;) {
                const uint8_t *data;
                ssize_t n = 1;

                while (c->out.size < SEND_CHUNK_MAX && n > 0) {
                        n = nghttp2_session_mem_send(c->session, &data);
                        if (n < 0 || (n > 0 && buffer_add(&c->out, data, (size_t) n) < 0))
                                return -ECONNABORTED;
                }
                if (c->out.size == 0)
                        return 0;

                n = send(c->fd, c->out.data, c->out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return 1;
                if (n < 0)
                        return -errno;
                buffer_consume(&c->out, (size_t) n);
        }
}

static int connection_on_send(sd_event_source *source, void *userdata) {
        GrpcConnection *c = userdata;
        bool over;
        int r;

        r = connection_send(c);
        over = c->failed ||
                        (r == 0 && !nghttp2_session_want_read(c->session) &&
                         !nghttp2_session_want_write(c->session));
        if (r >= 0)
                r = sd_event_source_set_io_events(c->io_source, r > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
        if (r < 0 || over)
                connection_close(c);
        return 0;
}

void grpc_connection_schedule_send(GrpcConnection *c) {
        int r;

        r = sd_event_source_set_enabled(c->send_source, SD_EVENT_ONESHOT);
        assert(r >= 0); /* the source is ours and of this process */
}

static int connection_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        static uint8_t data[READ_CHUNK]; /* one loop, one reader at a time */
        GrpcConnection *c = userdata;
        ssize_t n = 1; /* nothing to read is no end */

        for (unsigned i = 0; i < READS_PER_WAKEUP && revents & (EPOLLIN | EPOLLHUP | EPOLLERR); i++) {
                n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
                if (n <= 0)
                        break;
                if (nghttp2_session_mem_recv(c->session, data, (size_t) n) != n)
                        c->failed = true; /* what the session wants to say about it is still sent */
                if (c->failed || (size_t) n < sizeof(data))
                        break;
        }
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                connection_close(c);
                return 0;
        }
        grpc_connection_schedule_send(c);
        return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
        GrpcConnection *c = userdata;
        GrpcCall *call;

        if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        if (grpc_call_new(c, frame->hd.stream_id, &call) < 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;

        call->next = c->calls;
        if (call->next)
                call->next->previous = call;
        c->calls = call;
        return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
}

static const GrpcMethod *find_method(const GrpcMethod *methods, const char *path) {
        for (; methods->path; methods++)
                if (streq(methods->path, path))
                        return methods;
        return NULL;
}

static int
on_header(nghttp2_session *session,
          const nghttp2_frame *frame,
          const uint8_t *name,
          size_t name_size,
          const uint8_t *value,
          size_t value_size,
          uint8_t flags,
          void *userdata) {
        GrpcConnection *c = userdata;
        GrpcCall *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        const char *n = (const char *) name, *v = (const char *) value; /* NUL-terminated, nghttp2 says */

        if (!call || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        call->headers_size += name_size + value_size + HEADER_OVERHEAD;
        if (call->headers_size > GRPC_HEADERS_MAX)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* ends this call only */

        if (streq(n, ":path")) {
                if (str_replace(&call->path, v) < 0)
                        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
                call->method = find_method(grpc_server_get_options(c->server)->methods, v);
        } else if (streq(n, ":method"))
                call->post = streq(v, "POST");
        else if (streq(n, "content-type")) {
                const char *rest = startswith(v, "application/grpc");

                call->content_type = rest && (*rest == '\0' || *rest == '+' || *rest == ';');
        } else if (streq(n, "grpc-timeout") && grpc_timeout_parse(v, &call->timeout_usec) < 0)
                call->timeout_usec = USEC_INFINITY; /* as if it were not there */
        return 0;
}

/* Not gRPC at all: answered by HTTP. */
static int reject(nghttp2_session *session, int32_t stream_id, const char *status) {
        const nghttp2_nv headers[] = {
                { (uint8_t *) ":status", (uint8_t *) status, 7, strlen(status), NGHTTP2_NV_FLAG_NONE },
        };

        return nghttp2_submit_response(session, stream_id, headers, ELEMENTSOF(headers), NULL);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
        GrpcConnection *c = userdata;
        GrpcCall *call;

        if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
            !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
                return 0;
        call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (!call || call->dispatched)
                return 0;

        if (!call->post || !call->content_type)
                return reject(session, frame->hd.stream_id, call->post ? "415" : "405");
        forget_request(c, call->in.size);
        grpc_call_dispatch(call);
        return 0;
}

static int
on_data(nghttp2_session *session,
        uint8_t flags,
        int32_t stream_id,
        const uint8_t *data,
        size_t size,
        void *userdata) {
        GrpcCall *call = nghttp2_session_get_stream_user_data(session, stream_id);
        GrpcConnection *c = userdata;

        if (!call || call->dispatched || call->oversized)
                return 0;
        if (c->buffered + size > GRPC_BUFFERED_MAX || buffer_add(&call->in, data, size) < 0) {
                forget_request(c, call->in.size);
                buffer_done(&call->in);
                call->oversized = true;
                return 0;
        }
        c->buffered += size;
        grpc_connection_hold(c, (ssize_t) size);
        return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *userdata) {
        GrpcCall *call = nghttp2_session_get_stream_user_data(session, stream_id);
        GrpcConnection *c = userdata;

        if (!call)
                return 0;
        grpc_connection_unlink_call(c, call);
        grpc_call_stream_closed(call);
        return 0;
}

static int session_new(GrpcConnection *c) {
        const nghttp2_settings_entry settings[] = {
                { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_STREAMS_MAX },
                { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
                { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_MAX },
        };
        nghttp2_session_callbacks *callbacks;
        nghttp2_option *option;
        int r;

        if (nghttp2_session_callbacks_new(&callbacks) < 0)
                return -ENOMEM;
        if (nghttp2_option_new(&option) < 0) {
                nghttp2_session_callbacks_del(callbacks);
                return -ENOMEM;
        }
        nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACK_MAX);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);

        r = nghttp2_session_server_new2(&c->session, callbacks, c, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(callbacks);
        if (r < 0)
                return -ENOMEM;
        r = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, ELEMENTSOF(settings));
        if (r >= 0)
                r = nghttp2_session_set_local_window_size(
                                c->session,
                                NGHTTP2_FLAG_NONE,
                                0,
                                CONNECTION_WINDOW);
        return r < 0 ? -ENOMEM : 0;
}

int grpc_connection_new(GrpcServer *s, int fd, GrpcConnectionClosed on_closed, GrpcConnection **ret) {
        _cleanup_(grpc_connection_freep) GrpcConnection *c = new0(GrpcConnection, 1);
        sd_event *event = grpc_server_get_event(s);
        int r;

        if (!c) {
                close_fd(fd);
                return -ENOMEM;
        }
        *c = (GrpcConnection){ .server = s,
                               .on_closed = on_closed,
                               .fd = fd,
                               .out = BUFFER_INIT(GRPC_SEND_QUEUE_MAX) };

        r = session_new(c);
        if (r >= 0)
                r = sd_event_add_io(event, &c->io_source, fd, EPOLLIN, connection_on_io, c);
        if (r >= 0)
                r = sd_event_add_defer(event, &c->send_source, connection_on_send, c);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

void grpc_connection_drain(GrpcConnection *c) {
        /* Without memory it is closed at exit. */
        (void) nghttp2_submit_goaway(
                        c->session,
                        NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(c->session),
                        NGHTTP2_NO_ERROR,
                        NULL,
                        0);
        grpc_connection_schedule_send(c);
}
