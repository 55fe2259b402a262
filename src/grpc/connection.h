/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * GrpcConnection: one HTTP/2 connection of a GrpcServer. For grpc/ only.
 */

#include "basic/error.h"

typedef struct GrpcConnection GrpcConnection;
typedef struct GrpcServer GrpcServer;

typedef void (*GrpcConnectionClosed)(GrpcConnection *c, GrpcServer *s);

/* @fd: owned from here on, also on failure; not blocking. @on_closed may free the connection. */
int grpc_connection_new(GrpcServer *s, int fd, GrpcConnectionClosed on_closed, GrpcConnection **ret);

GrpcConnection *grpc_connection_free(GrpcConnection *c);
DEFINE_CLEANUP(GrpcConnection *, grpc_connection_free);

/* GOAWAY; closes after the calls that run have been answered and read. */
void grpc_connection_drain(GrpcConnection *c);

/* Bytes that wait for the client or from it. */
size_t grpc_connection_get_held(const GrpcConnection *c);

/* Closes it, from the loop. */
void grpc_connection_abort(GrpcConnection *c);
