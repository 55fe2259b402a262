/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls that change containers or run something in them.
 */

#include "basic/str.h"
#include "core/container.h"
#include "core/exec.h"
#include "core/manager.h"
#include "core/pod.h"
#include "cri/convert.h"
#include "cri/handlers.h"
#include "cri/request.h"
#include "proto/cri.pb-c.h"

static void answer_create(GrpcCall *call, const Id *id) {
        Runtime__V1__CreateContainerResponse reply = RUNTIME__V1__CREATE_CONTAINER_RESPONSE__INIT;

        reply.container_id = (char *) id->text;
        request_reply(call, &reply.base);
}

HANDLER(handle_create_container) {
        ContainerConfig config = CONTAINER_CONFIG_INIT;
        _cleanup_error_ Error error = ERROR_INIT;
        RequestWait *w;
        Pod *p;
        int r;

        REQUEST(request,
                Runtime__V1__CreateContainerRequest,
                runtime__v1__create_container_request__descriptor);
        w = request_wait_new(call, answer_create);
        if (!w)
                return;
        r = manager_find_pod(userdata, request->pod_sandbox_id, &p, &error);
        if (r >= 0)
                r = convert_container_config(request->config, &config, &error);
        if (r >= 0)
                r = container_create(p, &config, &w->waiter, &w->id, &error);
        json_field_done(container_config_fields, &config);
        request_wait_settle(w, r, &error);
}

static void answer_start(GrpcCall *call, const Id *id) {
        Runtime__V1__StartContainerResponse reply = RUNTIME__V1__START_CONTAINER_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

HANDLER(handle_start_container) {
        _cleanup_error_ Error error = ERROR_INIT;
        RequestWait *w;
        Container *c;
        int r;

        REQUEST(request,
                Runtime__V1__StartContainerRequest,
                runtime__v1__start_container_request__descriptor);
        w = request_wait_new(call, answer_start);
        if (!w)
                return;
        r = manager_find_container(userdata, request->container_id, &c, &error);
        if (r >= 0)
                r = container_start(c, &w->waiter, &error);
        request_wait_settle(w, r, &error);
}

/* An unknown one is as good as done; an id that stands for several is not. */
static int find_or_done(Manager *m, const char *id, Container **ret, Error *error) {
        int r = manager_find_container(m, id, ret, error);

        if (r != -ENOENT)
                return r;
        error_done(error);
        return 1;
}

static void answer_stop(GrpcCall *call, const Id *id) {
        Runtime__V1__StopContainerResponse reply = RUNTIME__V1__STOP_CONTAINER_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

/* Seconds of a request to µs. */
static uint64_t timeout_to_usec(int64_t seconds) {
        if (seconds <= 0)
                return 0;
        return (uint64_t) seconds > USEC_INFINITY / USEC_PER_SEC ? USEC_INFINITY :
                                                                   (uint64_t) seconds * USEC_PER_SEC;
}

HANDLER(handle_stop_container) {
        _cleanup_error_ Error error = ERROR_INIT;
        RequestWait *w;
        Container *c;
        int r;

        REQUEST(request, Runtime__V1__StopContainerRequest, runtime__v1__stop_container_request__descriptor);
        w = request_wait_new(call, answer_stop);
        if (!w)
                return;
        r = find_or_done(userdata, request->container_id, &c, &error);
        if (r == 0)
                r = container_stop(c, timeout_to_usec(request->timeout), &w->waiter, &error);
        request_wait_settle(w, r, &error);
}

static void answer_remove(GrpcCall *call, const Id *id) {
        Runtime__V1__RemoveContainerResponse reply = RUNTIME__V1__REMOVE_CONTAINER_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

HANDLER(handle_remove_container) {
        _cleanup_error_ Error error = ERROR_INIT;
        RequestWait *w;
        Container *c;
        int r;

        REQUEST(request,
                Runtime__V1__RemoveContainerRequest,
                runtime__v1__remove_container_request__descriptor);
        w = request_wait_new(call, answer_remove);
        if (!w)
                return;
        r = find_or_done(userdata, request->container_id, &c, &error);
        if (r == 0)
                r = container_remove(c, &w->waiter, &error);
        request_wait_settle(w, r, &error);
}

static void answer_update(GrpcCall *call, const Id *id) {
        Runtime__V1__UpdateContainerResourcesResponse reply =
                        RUNTIME__V1__UPDATE_CONTAINER_RESOURCES_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

HANDLER(handle_update_container_resources) {
        _cleanup_error_ Error error = ERROR_INIT;
        ContainerResources resources = { 0 };
        RequestWait *w;
        Container *c;
        int r;

        REQUEST(request,
                Runtime__V1__UpdateContainerResourcesRequest,
                runtime__v1__update_container_resources_request__descriptor);
        w = request_wait_new(call, answer_update);
        if (!w)
                return;
        r = manager_find_container(userdata, request->container_id, &c, &error);
        if (r >= 0)
                r = convert_resources(request->linux, &resources, &error);
        if (r >= 0)
                r = container_update(c, &resources, &w->waiter, &error);
        json_field_done(container_resources_fields, &resources);
        request_wait_settle(w, r, &error);
}

static void answer_reopen(GrpcCall *call, const Id *id) {
        Runtime__V1__ReopenContainerLogResponse reply = RUNTIME__V1__REOPEN_CONTAINER_LOG_RESPONSE__INIT;

        request_reply(call, &reply.base);
}

HANDLER(handle_reopen_container_log) {
        _cleanup_error_ Error error = ERROR_INIT;
        RequestWait *w;
        Container *c;
        int r;

        REQUEST(request,
                Runtime__V1__ReopenContainerLogRequest,
                runtime__v1__reopen_container_log_request__descriptor);
        w = request_wait_new(call, answer_reopen);
        if (!w)
                return;
        r = manager_find_container(userdata, request->container_id, &c, &error);
        if (r >= 0)
                r = container_reopen_log(c, &w->waiter, &error);
        request_wait_settle(w, r, &error);
}

typedef struct ExecWait {
        GrpcCall *call;
        Exec *exec;
} ExecWait;

/* Room for both streams in one answer: each may use what the other leaves, and at least half. */
static size_t share_of(size_t own, size_t other) {
        size_t half = EXEC_OUTPUT_MAX / 2;

        return MIN(own, MAX(half, EXEC_OUTPUT_MAX - MIN(other, half)));
}

static void exec_on_done(int r, const ExecResult *result, const Error *error, void *userdata) {
        Runtime__V1__ExecSyncResponse reply = RUNTIME__V1__EXEC_SYNC_RESPONSE__INIT;
        ExecWait *w = userdata;

        if (r < 0)
                grpc_call_fail(w->call, r, error);
        else {
                reply.stdout.data = (uint8_t *) result->out;
                reply.stdout.len = share_of(result->out_size, result->err_size);
                reply.stderr.data = (uint8_t *) result->err;
                reply.stderr.len = share_of(result->err_size, result->out_size);
                reply.exit_code = result->exit_code;
                request_reply(w->call, &reply.base);
        }
        free(w);
}

/* Nobody wants to know any more: the command ends. */
static void exec_on_cancel(GrpcCall *call, void *userdata) {
        ExecWait *w = userdata;

        (void) exec_cancel(w->exec);
        grpc_call_fail(call, -ECANCELED, NULL);
        free(w);
}

HANDLER(handle_exec_sync) {
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_free_ char **args = NULL;
        ExecWait *w = NULL;
        Container *c;
        int r;

        REQUEST(request, Runtime__V1__ExecSyncRequest, runtime__v1__exec_sync_request__descriptor);
        r = manager_find_container(userdata, request->container_id, &c, &error);
        if (r >= 0) {
                w = new0(ExecWait, 1);
                args = new0(char *, request->n_cmd + 1);
                r = w && args ? 0 : -ENOMEM;
        }
        if (r >= 0) {
                if (request->n_cmd > 0)
                        memcpy(args, request->cmd, request->n_cmd * sizeof(char *));
                w->call = call;
                r = exec_start(c,
                               args,
                               request->timeout > 0 ? timeout_to_usec(request->timeout) : USEC_INFINITY,
                               exec_on_done,
                               w,
                               &w->exec,
                               &error);
        }
        if (r < 0) {
                free(w);
                grpc_call_fail(call, r, &error);
        } else
                grpc_call_on_cancel(call, exec_on_cancel, w);
}
