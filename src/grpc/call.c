/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/call.h"

#include <inttypes.h>
#include <stdio.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/log.h"
#include "basic/number.h"
#include "basic/str.h"
#include "grpc/call-internal.h"

#define TIMEOUT_DIGITS_MAX 8

#define HEADER(n, v)                                                                                        \
        { (uint8_t *) (n), (uint8_t *) (v), sizeof(n) - 1, strlen(v), NGHTTP2_NV_FLAG_NO_COPY_NAME }

int grpc_call_new(GrpcConnection *c, int32_t stream_id, GrpcCall **ret) {
        const GrpcServerOptions *options = grpc_server_get_options(grpc_connection_get_server(c));
        GrpcCall *call = new0(GrpcCall, 1);

        if (!call)
                return -ENOMEM;
        *call = (GrpcCall){
                .connection = c,
                .stream_id = stream_id,
                .start_usec = now_usec(),
                .timeout_usec = USEC_INFINITY,
                .in = BUFFER_INIT(options->message_max + GRPC_PREFIX_SIZE),
                .out = BUFFER_INIT(GRPC_SEND_QUEUE_MAX),
        };
        *ret = call;
        return 0;
}

static void call_free(GrpcCall *call) {
        sd_event_source_disable_unref(call->deadline_source);
        buffer_done(&call->in);
        buffer_done(&call->out);
        free(call->path);
        free(call->message);
        free(call);
}

static void call_cancelled(GrpcCall *call) {
        GrpcCancelled on_cancel = call->on_cancel;

        call->on_cancel = NULL;
        if (on_cancel)
                on_cancel(call, call->cancel_userdata);
}

void grpc_call_stream_closed(GrpcCall *call) {
        call->deadline_source = sd_event_source_disable_unref(call->deadline_source);
        call->connection = NULL;
        if (call->ended || !call->dispatched)
                call_free(call);
        else
                call_cancelled(call); /* lives until its handler answers */
}

const char *grpc_call_get_path(const GrpcCall *call) {
        return call->path;
}

void grpc_call_on_cancel(GrpcCall *call, GrpcCancelled on_cancel, void *userdata) {
        call->on_cancel = on_cancel;
        call->cancel_userdata = userdata;
}

char *grpc_percent_encode(const char *text) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(GRPC_STATUS_MESSAGE_MAX);
        char *encoded;
        int r = 0;

        for (; *text && r >= 0; text++) {
                uint8_t byte = (uint8_t) *text;

                r = byte >= 0x20 && byte <= 0x7e && byte != '%' ? buffer_addc(&b, *text) :
                                                                  buffer_addf(&b, "%%%02X", byte);
        }
        if (r == -E2BIG)
                b.error = 0; /* a long text is cut */
        return buffer_take(&b, &encoded) < 0 ? NULL : encoded;
}

int grpc_timeout_parse(const char *value, uint64_t *ret_usec) {
        static const struct {
                char unit;
                uint64_t multiply, divide;
        } units[] = {
                { 'H', 3600 * USEC_PER_SEC, 1 },
                { 'M', USEC_PER_MINUTE, 1 },
                { 'S', USEC_PER_SEC, 1 },
                { 'm', USEC_PER_MSEC, 1 },
                { 'u', 1, 1 },
                { 'n', 1, NSEC_PER_USEC },
        };
        char digits[TIMEOUT_DIGITS_MAX + 1] = {};
        size_t n = strspn(value, STR_DIGITS);
        uint64_t number;

        if (n == 0 || n > TIMEOUT_DIGITS_MAX || strlen(value) != n + 1)
                return -EINVAL;
        memcpy(digits, value, n);
        if (parse_u64(digits, UINT32_MAX, &number) < 0)
                return -EINVAL;

        FOREACH_ELEMENT(u, units)
                if (u->unit == value[n]) {
                        *ret_usec = number * u->multiply / u->divide;
                        return 0;
                }
        return -EINVAL;
}

/* Gives the session the next bytes of the answer; at its end the trailers. */
static ssize_t
call_on_read(nghttp2_session *session,
             int32_t stream_id,
             uint8_t *data,
             size_t length,
             uint32_t *data_flags,
             nghttp2_data_source *source,
             void *userdata) {
        GrpcCall *call = source->ptr;
        size_t n = MIN(length, call->out.size - call->n_sent);
        char status[DECIMAL_MAX];
        nghttp2_nv trailers[2];
        size_t n_trailers = 0;

        if (n > 0) {
                memcpy(data, call->out.data + call->n_sent, n);
                call->n_sent += n;
                grpc_connection_hold(call->connection, -(ssize_t) n);
        }
        if (call->n_sent < call->out.size)
                return (ssize_t) n;
        buffer_reset(&call->out);
        call->n_sent = 0;
        if (!call->ended) {
                call->deferred = n == 0;
                return n == 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t) n;
        }

        (void) snprintf(status, sizeof(status), "%d", call->status);
        trailers[n_trailers++] = (nghttp2_nv) HEADER("grpc-status", status);
        if (call->message)
                trailers[n_trailers++] = (nghttp2_nv) HEADER("grpc-message", call->message);
        *data_flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, stream_id, trailers, n_trailers) < 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        return (ssize_t) n;
}

/* Headers of the answer, once; without a message the status goes with them ("Trailers-Only"). */
static void call_respond(GrpcCall *call) {
        nghttp2_session *session = grpc_connection_get_session(call->connection);
        nghttp2_data_provider provider = { .source.ptr = call, .read_callback = call_on_read };
        char status[DECIMAL_MAX];
        nghttp2_nv headers[5];
        size_t n = 0;
        int r;

        if (call->responded) {
                if (call->deferred) {
                        call->deferred = false;
                        (void) nghttp2_session_resume_data(
                                        session,
                                        call->stream_id); /* fails for a closed stream only */
                }
                return;
        }

        headers[n++] = (nghttp2_nv) HEADER(":status", "200");
        headers[n++] = (nghttp2_nv) HEADER("content-type", "application/grpc");
        if (call->ended && call->out.size == 0) {
                (void) snprintf(status, sizeof(status), "%d", call->status);
                headers[n++] = (nghttp2_nv) HEADER("grpc-status", status);
                if (call->message)
                        headers[n++] = (nghttp2_nv) HEADER("grpc-message", call->message);
                if (call->status == STATUS_UNIMPLEMENTED && call->encoded)
                        headers[n++] = (nghttp2_nv) HEADER("grpc-accept-encoding", "identity");
                r = nghttp2_submit_response(session, call->stream_id, headers, n, NULL);
        } else
                r = nghttp2_submit_response(session, call->stream_id, headers, n, &provider);
        call->responded = true;
        if (r < 0)
                (void) nghttp2_submit_rst_stream(
                                session,
                                NGHTTP2_FLAG_NONE,
                                call->stream_id,
                                NGHTTP2_INTERNAL_ERROR); /* last resort */
}

/* What the client hears of the end; its stream closes when it has read everything. */
static void call_respond_end(GrpcCall *call, Status status, const char *text) {
        call->status = status;
        call->ended = true;
        call->deadline_source = sd_event_source_disable_unref(call->deadline_source);
        if (!isempty(text))
                call->message = grpc_percent_encode(text);
        call_respond(call);
        grpc_connection_schedule_send(call->connection);
}

/* The handler has answered. */
static void call_end(GrpcCall *call, Status status, const char *text) {
        GrpcServer *server;
        const GrpcServerOptions *options;
        uint64_t usec = now_usec() - call->start_usec;

        call->on_cancel = NULL;
        if (!call->connection) {
                call_free(call);
                return;
        }

        server = grpc_connection_get_server(call->connection);
        options = grpc_server_get_options(server);
        log_debug("%s: %s after %" PRIu64 " µs%s%s",
                  call->path,
                  status_to_string(status),
                  usec,
                  text ? ": " : "",
                  strempty(text));
        if (options->observer)
                options->observer(call->path, status, usec, options->userdata);
        call_respond_end(call, status, text);
}

static int call_add_message(GrpcCall *call, const void *data, size_t size) {
        uint8_t prefix[GRPC_PREFIX_SIZE] = { 0,
                                             (uint8_t) (size >> 24),
                                             (uint8_t) (size >> 16),
                                             (uint8_t) (size >> 8),
                                             (uint8_t) size };
        int r;

        if (size > GRPC_MESSAGE_MAX)
                return -E2BIG;
        buffer_consume(&call->out, call->n_sent);
        call->n_sent = 0;
        if (call->out.size + size + GRPC_PREFIX_SIZE > call->out.max ||
            !grpc_connection_has_room(call->connection, size + GRPC_PREFIX_SIZE))
                return -ENOBUFS;
        r = buffer_add(&call->out, prefix, sizeof(prefix));
        if (r >= 0)
                r = buffer_add(&call->out, data, size);
        if (r >= 0)
                grpc_connection_hold(call->connection, (ssize_t) (size + GRPC_PREFIX_SIZE));
        return r;
}

int grpc_call_send(GrpcCall *call, const void *data, size_t size) {
        int r;

        if (!call->connection)
                return -EPIPE;
        r = call_add_message(call, data, size);
        if (r < 0)
                return r;
        call_respond(call);
        grpc_connection_schedule_send(call->connection);
        return 0;
}

void grpc_call_reply(GrpcCall *call, const void *data, size_t size) {
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        r = call->connection ? call_add_message(call, data, size) : 0;
        if (r < 0) {
                (void) error_set(
                                &error,
                                r,
                                STATUS_RESOURCE_EXHAUSTED,
                                r == -ENOBUFS ? "answer of %zu bytes: the client does not read earlier ones" :
                                                "answer of %zu bytes is larger than a message may be",
                                size);
                grpc_call_fail(call, r, &error);
                return;
        }
        call_end(call, STATUS_OK, NULL);
}

void grpc_call_finish(GrpcCall *call, int r) {
        _cleanup_error_ Error error = ERROR_INIT;

        if (r >= 0) {
                call_end(call, STATUS_OK, NULL);
                return;
        }
        if (r == -ENOBUFS || r == -E2BIG)
                (void) error_set(
                                &error,
                                r,
                                STATUS_RESOURCE_EXHAUSTED,
                                "the client does not read what was sent, or an item is larger than a message");
        grpc_call_fail(call, r, &error);
}

void grpc_call_fail(GrpcCall *call, int r, const Error *error) {
        call_end(call, error_get_status(error, r), error_get_text(error, r));
}

static int call_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        GrpcCall *call = userdata;
        GrpcConnection *c = call->connection;
        nghttp2_session *session = grpc_connection_get_session(c);

        log_debug("%s: deadline of the client passed", call->path);
        nghttp2_session_set_stream_user_data(session, call->stream_id, NULL);
        if (call->responded)
                (void) nghttp2_submit_rst_stream(
                                session,
                                NGHTTP2_FLAG_NONE,
                                call->stream_id,
                                NGHTTP2_CANCEL);
        else {
                const nghttp2_nv headers[] = {
                        HEADER(":status", "200"),
                        HEADER("content-type", "application/grpc"),
                        HEADER("grpc-status", "4"),
                        HEADER("grpc-message", "deadline of the client passed, the work goes on"),
                };
                (void) nghttp2_submit_response(session, call->stream_id, headers, ELEMENTSOF(headers), NULL);
        }
        grpc_connection_schedule_send(c);
        grpc_connection_unlink_call(c, call);
        grpc_call_stream_closed(call); /* what the handler answers later is dropped */
        return 0;
}

/* Checks of the request that need no handler. 0, or negative errno with a text. */
static int call_check(GrpcCall *call, Error *error) {
        const uint8_t *p = (const uint8_t *) call->in.data;
        size_t size;

        if (!call->method)
                return error_set(
                                error,
                                -ENOSYS,
                                STATUS_UNIMPLEMENTED,
                                "unknown method %.200s",
                                strempty(call->path));
        if (call->oversized)
                return error_set(
                                error,
                                -E2BIG,
                                STATUS_RESOURCE_EXHAUSTED,
                                "request is larger than the %zu bytes that a message may have",
                                call->in.max - GRPC_PREFIX_SIZE);
        if (call->in.size < GRPC_PREFIX_SIZE)
                return error_set(error, -EBADMSG, STATUS_INTERNAL, "request has no message");
        if (p[0] != 0) {
                call->encoded = true;
                return error_set(
                                error,
                                -ENOSYS,
                                STATUS_UNIMPLEMENTED,
                                "compressed messages are not supported");
        }

        size = (size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4];
        if (size > call->in.size - GRPC_PREFIX_SIZE)
                return error_set(error, -EBADMSG, STATUS_INTERNAL, "request message is cut short");
        if (size < call->in.size - GRPC_PREFIX_SIZE)
                return error_set(error, -EBADMSG, STATUS_INTERNAL, "request has more than one message");
        return 0;
}

void grpc_call_dispatch(GrpcCall *call) {
        const GrpcServerOptions *options =
                        grpc_server_get_options(grpc_connection_get_server(call->connection));
        _cleanup_buffer_ Buffer in = call->in;
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        call->dispatched = true;
        r = call_check(call, &error);
        call->in = BUFFER_INIT(0); /* freed here, the handler may outlive us */
        if (r >= 0 && call->timeout_usec != USEC_INFINITY)
                r = sd_event_add_time_relative(
                                grpc_server_get_event(grpc_connection_get_server(call->connection)),
                                &call->deadline_source,
                                CLOCK_MONOTONIC,
                                call->timeout_usec,
                                1,
                                call_on_deadline,
                                call);
        if (r < 0) {
                grpc_call_fail(call, r, &error);
                return;
        }
        call->method->handler(
                        call,
                        in.data + GRPC_PREFIX_SIZE,
                        in.size - GRPC_PREFIX_SIZE,
                        options->userdata);
}
