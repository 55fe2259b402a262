/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls about the runtime itself. Answered from memory at all times.
 */

#include "basic/str.h"
#include "core/manager.h"
#include "cri/arena.h"
#include "cri/handlers.h"
#include "cri/request.h"
#include "format/json-field.h"
#include "network/network.h"
#include "proto/cri.pb-c.h"

/* What kubelets and tools expect to read. */
#define API_VERSION "0.1.0"
#define RUNTIME_NAME "cri-o"
#define RUNTIME_API_VERSION "v1"

HANDLER(handle_version) {
        Runtime__V1__VersionResponse reply = RUNTIME__V1__VERSION_RESPONSE__INIT;
        char version[] = API_VERSION, name[] = RUNTIME_NAME, runtime_version[] = CRIO_VERSION,
             api[] = RUNTIME_API_VERSION;

        REQUEST(request, Runtime__V1__VersionRequest, runtime__v1__version_request__descriptor);
        reply.version = version;
        reply.runtime_name = name;
        reply.runtime_version = runtime_version;
        reply.runtime_api_version = api;
        request_reply(call, &reply.base);
}

static Runtime__V1__RuntimeCondition *
condition_new(Arena *a, const char *type, bool status, const char *reason, const char *message) {
        Runtime__V1__RuntimeCondition *c = arena_message(a, &runtime__v1__runtime_condition__descriptor);

        c->type = arena_printf(a, "%s", type);
        c->status = status;
        c->reason = arena_printf(a, "%s", reason);
        c->message = arena_printf(a, "%s", message);
        return c;
}

static Runtime__V1__RuntimeStatus *status_new(Arena *a, const Manager *m) {
        Runtime__V1__RuntimeStatus *s = arena_message(a, &runtime__v1__runtime_status__descriptor);
        _cleanup_error_ Error error = ERROR_INIT;
        int r = network_check(m->network, &error);

        s->conditions = arena_alloc(a, 2, sizeof(void *));
        if (!s->conditions)
                return s;
        s->n_conditions = 2;
        s->conditions[0] = condition_new(a, "RuntimeReady", true, "", "");
        s->conditions[1] =
                        condition_new(a,
                                      "NetworkReady",
                                      r >= 0,
                                      r < 0 ? "NetworkPluginNotReady" : "",
                                      r < 0 ? error_get_text(&error, r) : "");
        return s;
}

static void add_handlers(Arena *a, const Manager *m, Runtime__V1__StatusResponse *reply) {
        const Config *config = m->config;
        size_t n = config->n_runtimes + 1;

        reply->runtime_handlers = (Runtime__V1__RuntimeHandler **)
                        arena_messages(a, &runtime__v1__runtime_handler__descriptor, n);
        if (!reply->runtime_handlers)
                return;
        reply->n_runtime_handlers = n;
        for (size_t i = 0; i < n; i++) { /* the one without a name is the default */
                Runtime__V1__RuntimeHandler *h = reply->runtime_handlers[i];

                h->name = arena_printf(a, "%s", i == 0 ? "" : config->runtimes[i - 1].name);
                h->features = arena_message(a, &runtime__v1__runtime_handler_features__descriptor);
                h->features->recursive_read_only_mounts = true;
        }
}

static void add_info(Arena *a, const Manager *m, Runtime__V1__StatusResponse *reply) {
        _cleanup_json_ json_t *json =
                        json_pack("{s:s, s:s, s:s}",
                                  "root",
                                  m->config->root,
                                  "runroot",
                                  m->config->runroot,
                                  "stateDir",
                                  RUN_DIR);
        char **pairs = arena_alloc(a, 3, sizeof(char *));

        if (!pairs)
                return;
        pairs[0] = arena_printf(a, "config");
        pairs[1] = arena_own(a, json ? json_dumps(json, JSON_COMPACT) : NULL);
        reply->info =
                        arena_map(a,
                                  &runtime__v1__status_response__info_entry__descriptor,
                                  pairs,
                                  &reply->n_info);
}

HANDLER(handle_status) {
        Runtime__V1__StatusResponse reply = RUNTIME__V1__STATUS_RESPONSE__INIT;
        _cleanup_arena_ arena = { 0 };
        const Manager *m = userdata;

        REQUEST(request, Runtime__V1__StatusRequest, runtime__v1__status_request__descriptor);
        reply.status = status_new(&arena, m);
        reply.features = arena_message(&arena, &runtime__v1__runtime_features__descriptor);
        reply.features->supplemental_groups_policy = true;
        add_handlers(&arena, m, &reply);
        if (request->verbose)
                add_info(&arena, m, &reply);
        if (arena_failed(&arena))
                grpc_call_fail(call, -ENOMEM, NULL);
        else
                request_reply(call, &reply.base);
}

HANDLER(handle_runtime_config) {
        Runtime__V1__RuntimeConfigResponse reply = RUNTIME__V1__RUNTIME_CONFIG_RESPONSE__INIT;
        Runtime__V1__LinuxRuntimeConfiguration l = RUNTIME__V1__LINUX_RUNTIME_CONFIGURATION__INIT;

        REQUEST(request, Runtime__V1__RuntimeConfigRequest, runtime__v1__runtime_config_request__descriptor);
        l.cgroup_driver = RUNTIME__V1__CGROUP_DRIVER__SYSTEMD;
        reply.linux = &l;
        request_reply(call, &reply.base);
}

/* Networks come from CNI files, which know the addresses of pods by themselves. */
HANDLER(handle_update_runtime_config) {
        Runtime__V1__UpdateRuntimeConfigResponse reply = RUNTIME__V1__UPDATE_RUNTIME_CONFIG_RESPONSE__INIT;

        REQUEST(request,
                Runtime__V1__UpdateRuntimeConfigRequest,
                runtime__v1__update_runtime_config_request__descriptor);
        request_reply(call, &reply.base);
}
