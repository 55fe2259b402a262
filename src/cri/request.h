/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Request: from the bytes of a call to a message, and from a message to the bytes of its answer. For cri/
 * only.
 */

#include <protobuf-c/protobuf-c.h>

#include "basic/id.h"
#include "event/operation.h"
#include "grpc/call.h"

typedef struct Manager Manager;

/* The request of a call; NULL: the call was failed. Freed with request_free(). */
void *
request_unpack(GrpcCall *call, const ProtobufCMessageDescriptor *descriptor, const void *data, size_t size);
void request_freep(void *message);

/* Declares the request of a handler, and leaves the handler where it makes no sense. */
#define REQUEST(name, Type, descriptor_)                                                                    \
        _cleanup_(request_freep) Type *name = request_unpack(call, &(descriptor_), data, size);             \
        if (!name)                                                                                          \
        return

/* Packs and sends. */
void request_reply(GrpcCall *call, const ProtobufCMessage *message);
/* One message of a stream. 0 or negative errno. */
int request_send(GrpcCall *call, const ProtobufCMessage *message);

/* Writes the answer of a call whose work is done. @id: as given to request_wait(). */
typedef void (*RequestAnswer)(GrpcCall *call, const Id *id);

/**
 * RequestWait: a call that waits for an operation
 *
 * Made before the operation is started, then either handed to it by its waiter, or settled at once.
 */
typedef struct RequestWait RequestWait;
struct RequestWait {
        OperationWaiter waiter;
        GrpcCall *call;
        RequestAnswer answer;
        Id id;
};

/* NULL: the call was failed. */
RequestWait *request_wait_new(GrpcCall *call, RequestAnswer answer);

/* What starting the operation returned: 0 waits, 1 is done already, negative fails. */
void request_wait_settle(RequestWait *w, int r, const Error *error);
