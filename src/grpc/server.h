/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * GrpcServer: gRPC over HTTP/2 on a listening socket, in an sd-event loop.
 *
 * Knows no protobuf: a method gets the bytes of one request message and answers with bytes, at any later
 * time. HTTP/1.1 on the same socket is told apart by its first bytes and goes to an Http1Handler. Damaged
 * frames and bytes close their own connection only. Everything a client can make grow has a maximum below.
 *
 * Sources: gRPC "PROTOCOL-HTTP2.md", RFC 9113.
 */

#include "basic/error.h"
#include "grpc/call.h"

typedef struct sd_event sd_event;
typedef struct GrpcServer GrpcServer;
typedef struct Http1Reply Http1Reply;

#define GRPC_MESSAGE_MAX (16 * MIB) /* one message, both ways */
#define GRPC_CONNECTIONS_MAX 256
#define GRPC_STREAMS_MAX 512           /* concurrent calls of one connection */
#define GRPC_BUFFERED_MAX (64 * MIB)   /* requests that are not complete yet, of one connection */
#define GRPC_SEND_QUEUE_MAX (32 * MIB) /* answers of one call that the client has not read yet */
#define GRPC_QUEUED_MAX (64 * MIB)     /* the same of all calls of one connection */
#define GRPC_HELD_MAX                                                                                       \
        (256 * MIB) /* all of this, of all connections; beyond it the greediest one is closed */
#define GRPC_HEADERS_MAX (16 * KIB)       /* of one call, counted as in RFC 9113, 6.5.2 */
#define GRPC_STATUS_MESSAGE_MAX (8 * KIB) /* percent-encoded */

typedef struct GrpcMethod {
        const char *path; /* "/package.Service/Method" */
        GrpcHandler handler;
        bool server_streaming;
} GrpcMethod;

/* How a call went, for logs and metrics. */
typedef void (*GrpcObserver)(const char *path, Status status, uint64_t usec, void *userdata);

struct Http1Reply {
        unsigned status;          /* e.g. 200 */
        const char *content_type; /* static */
        char *body;               /* owned by whoever holds the reply */
};

/* Fills @reply for a GET of @path. */
typedef void (*Http1Handler)(const char *path, Http1Reply *reply, void *userdata);

typedef struct GrpcServerOptions {
        const GrpcMethod *methods; /* ends with an empty row; static */
        void *userdata;            /* for all handlers */
        GrpcObserver observer;     /* may be NULL */
        Http1Handler http1;        /* NULL: HTTP/1.1 connections are closed */
        size_t message_max;        /* of a request; 0: GRPC_MESSAGE_MAX */
} GrpcServerOptions;

/**
 * grpc_server_new() - serve on a socket
 * @listen_fd:  owned by the server from here on (also on failure), listening
 *
 * Return: 0, or negative errno.
 */
int grpc_server_new(sd_event *event, int listen_fd, const GrpcServerOptions *options, GrpcServer **ret);

/* Closes everything at once. */
GrpcServer *grpc_server_free(GrpcServer *s);
DEFINE_CLEANUP(GrpcServer *, grpc_server_free);

/* Takes no new connections and says GOAWAY on the others; calls that run are still answered, and each
 * connection closes when its clients have read everything. The listening socket stays open, its queue is for
 * our successor. */
void grpc_server_drain(GrpcServer *s);

/* Whether, after a drain, nobody waits for anything any more. */
bool grpc_server_is_drained(const GrpcServer *s);
