/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/request.h"

#include "cri/wire-check.h"
#include "grpc/server.h"

void *
request_unpack(GrpcCall *call, const ProtobufCMessageDescriptor *descriptor, const void *data, size_t size) {
        _cleanup_error_ Error error = ERROR_INIT;
        void *message = protobuf_c_message_unpack(descriptor, NULL, size, data);
        int r;

        r = message ? wire_check(descriptor, data, size, &error) :
                      error_set(&error,
                                -EBADMSG,
                                STATUS_INVALID_ARGUMENT,
                                "request is not a %s",
                                descriptor->name);
        if (r >= 0)
                return message;
        request_freep(&message);
        grpc_call_fail(call, r, &error);
        return NULL;
}

void request_freep(void *message) {
        ProtobufCMessage *m = *(ProtobufCMessage **) message;

        if (m)
                protobuf_c_message_free_unpacked(m, NULL);
}

static int pack(const ProtobufCMessage *message, uint8_t **ret, size_t *ret_size, Error *error) {
        size_t size = protobuf_c_message_get_packed_size(message);

        if (size > GRPC_MESSAGE_MAX)
                return error_set(
                                error,
                                -E2BIG,
                                STATUS_RESOURCE_EXHAUSTED,
                                "the answer has %zu bytes, more than a client takes",
                                size);
        *ret = malloc(size + 1);
        if (!*ret)
                return -ENOMEM;
        *ret_size = protobuf_c_message_pack(message, *ret);
        return 0;
}

void request_reply(GrpcCall *call, const ProtobufCMessage *message) {
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size = 0;
        int r;

        r = pack(message, &data, &size, &error);
        if (r < 0)
                grpc_call_fail(call, r, &error);
        else
                grpc_call_reply(call, data, size);
}

int request_send(GrpcCall *call, const ProtobufCMessage *message) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t size = 0;
        int r;

        r = pack(message, &data, &size, NULL);
        return r < 0 ? r : grpc_call_send(call, data, size);
}

static void wait_on_done(OperationWaiter *waiter, int r, const Error *error) {
        RequestWait *w = container_of(waiter, RequestWait, waiter);

        if (r < 0)
                grpc_call_fail(w->call, r, error);
        else
                w->answer(w->call, &w->id);
        free(w);
}

/* The client does not wait any more; the work goes on. */
static void wait_on_cancel(GrpcCall *call, void *userdata) {
        RequestWait *w = userdata;

        operation_leave(&w->waiter);
        grpc_call_fail(call, -ECANCELED, NULL);
        free(w);
}

RequestWait *request_wait_new(GrpcCall *call, RequestAnswer answer) {
        RequestWait *w = new0(RequestWait, 1);

        if (!w) {
                grpc_call_fail(call, -ENOMEM, NULL);
                return NULL;
        }
        *w = (RequestWait){ .waiter.on_done = wait_on_done, .call = call, .answer = answer };
        return w;
}

void request_wait_settle(RequestWait *w, int r, const Error *error) {
        if (r == 0)
                grpc_call_on_cancel(w->call, wait_on_cancel, w);
        else
                wait_on_done(&w->waiter, MIN(r, 0), error);
}
