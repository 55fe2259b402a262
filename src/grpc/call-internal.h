/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What connection.c and call.c share of a GrpcCall. For grpc/ only.
 */

#include <nghttp2/nghttp2.h>

#include "basic/buffer.h"
#include "grpc/call.h"
#include "grpc/server.h"

typedef struct sd_event_source sd_event_source;
typedef struct GrpcConnection GrpcConnection;

/* Every message on the wire stands behind a compression flag and a length ("Length-Prefixed-Message"). */
#define GRPC_PREFIX_SIZE 5

struct GrpcCall {
        GrpcConnection *connection; /* NULL: the client is gone */
        GrpcCall *next, *previous;  /* of the connection */
        int32_t stream_id;
        const GrpcMethod *method; /* NULL: unknown */
        char *path;
        sd_event_source *deadline_source;
        uint64_t start_usec, timeout_usec;
        bool post, content_type, encoded, oversized;

        size_t headers_size; /* received so far */
        Buffer in, out;
        size_t n_sent; /* bytes of out that the session has taken */
        Status status;
        char *message; /* percent-encoded, may be NULL */
        bool dispatched, responded, ended, deferred;

        GrpcCancelled on_cancel;
        void *cancel_userdata;
};

/* A call of a stream that has just begun; it goes into the list of @c. 0 or -ENOMEM. */
int grpc_call_new(GrpcConnection *c, int32_t stream_id, GrpcCall **ret);

/* The stream is closed: the client will not hear more. Frees the call when it was answered or never
 * dispatched. */
void grpc_call_stream_closed(GrpcCall *call);

/* Complete request: checks it and runs the handler. */
void grpc_call_dispatch(GrpcCall *call);

/* Text of grpc-message: bytes outside 0x20..0x7e and '%' as %XX. NULL without memory. */
char *grpc_percent_encode(const char *text);

/* Value of grpc-timeout ("10S", at most 8 digits and one of H M S m u n). 0 or -EINVAL. */
int grpc_timeout_parse(const char *value, uint64_t *ret_usec);

/* Borrowed. */
GrpcServer *grpc_connection_get_server(const GrpcConnection *c);
nghttp2_session *grpc_connection_get_session(const GrpcConnection *c);

/* Counts @delta bytes that wait for the client or from it. */
void grpc_connection_hold(GrpcConnection *c, ssize_t delta);

/* Whether @size more bytes of answers may wait for the client. */
bool grpc_connection_has_room(const GrpcConnection *c, size_t size);

/* Takes a call off the list of its connection, before its stream counts as closed. */
void grpc_connection_unlink_call(GrpcConnection *c, GrpcCall *call);

/* Sends what the session has to say, from the loop. */
void grpc_connection_schedule_send(GrpcConnection *c);

/* Borrowed; and how many calls are unanswered (@n: 1 or -1), which a drain waits for. */
const GrpcServerOptions *grpc_server_get_options(const GrpcServer *s);
sd_event *grpc_server_get_event(const GrpcServer *s);
/* Counts what all connections hold; closes the greediest one when that is too much. */
void grpc_server_hold(GrpcServer *s, ssize_t delta);
