/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * GrpcCall: one call of a client.
 *
 * Belongs to its handler until it is answered, which has to happen exactly once with grpc_call_reply(),
 * grpc_call_finish() or grpc_call_fail(), from the handler or at any later time. An answer to a client that
 * is gone is dropped.
 */

#include "basic/error.h"

typedef struct GrpcCall GrpcCall;

/* @data: the request message, valid during the call. */
typedef void (*GrpcHandler)(GrpcCall *call, const void *data, size_t size, void *userdata);

/* The client hung up or its deadline passed: nobody waits any more, but the call has still to be answered.
 */
typedef void (*GrpcCancelled)(GrpcCall *call, void *userdata);

/* "/package.Service/Method", borrowed. */
const char *grpc_call_get_path(const GrpcCall *call);

/* NULL to unset. Called at most once, from the loop. */
void grpc_call_on_cancel(GrpcCall *call, GrpcCancelled on_cancel, void *userdata);

/* The one message of a unary call, and status OK. @data is copied. The call is gone afterwards. */
void grpc_call_reply(GrpcCall *call, const void *data, size_t size);

/* One message of a streaming call. 0, -ENOBUFS (the client does not read), -EPIPE (it is gone), -ENOMEM,
 * -E2BIG. */
int grpc_call_send(GrpcCall *call, const void *data, size_t size);

/* Ends a streaming call, with status OK or for a failure of grpc_call_send(). The call is gone afterwards.
 */
void grpc_call_finish(GrpcCall *call, int r);

/* The one place that makes a status out of a failure (negative errno and Error). The call is gone
 * afterwards. */
void grpc_call_fail(GrpcCall *call, int r, const Error *error);
