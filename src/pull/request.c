/* SPDX-License-Identifier: Apache-2.0 */
#include "pull/request.h"

#include <inttypes.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "basic/str.h"
#include "peer/pull-protocol.h"

#define WAIT_USEC (30 * USEC_PER_SEC)

static int take_credentials(sd_bus_message *m, Request *r) {
        const struct {
                const char *key;
                char **to;
        } rows[] = {
                { "username", &r->username },
                { "password", &r->password },
                { "identity_token", &r->identity_token },
                { "registry_token", &r->registry_token },
        };
        const char *key, *value;
        int e;

        e = sd_bus_message_enter_container(m, 'a', "{ss}");
        while (e >= 0 && (e = sd_bus_message_read(m, "{ss}", &key, &value)) > 0)
                for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                        if (streq(rows[i].key, key) && str_replace(rows[i].to, value) < 0)
                                return -ENOMEM;
        return e < 0 ? e : sd_bus_message_exit_container(m);
}

static int on_pull(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *image, *root, *runroot, *auth_file, *policy;
        Request *r = userdata;
        int e;

        if (r->call)
                return -EBUSY;
        e = sd_bus_message_read(m, "sss", &image, &root, &runroot);
        if (e >= 0)
                e = take_credentials(m, r);
        if (e >= 0)
                e = sd_bus_message_read(m, "ss", &auth_file, &policy);
        if (e >= 0)
                e = sd_bus_message_read_strv(m, &r->insecure_registries);
        if (e < 0)
                return e;
        if (str_replace(&r->image, image) < 0 || str_replace(&r->root, root) < 0 ||
            str_replace(&r->runroot, runroot) < 0 || str_replace(&r->auth_file, auth_file) < 0 ||
            str_replace(&r->signature_policy, policy) < 0)
                return -ENOMEM;
        r->call = sd_bus_message_ref(m); /* answered when the work is done */
        return 1;
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD(PULL_METHOD, PULL_SIGNATURE, PULL_RESULT, on_pull, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL(PULL_SIGNAL, PULL_SIGNAL_SIGNATURE, 0),
        SD_BUS_VTABLE_END,
};

int request_receive(int fd, Request *r) {
        sd_id128_t id;
        int e;

        *r = (Request){ 0 };
        e = sd_id128_randomize(&id);
        if (e >= 0)
                e = sd_bus_new(&r->bus);
        if (e >= 0)
                e = sd_bus_set_fd(r->bus, fd, fd);
        if (e >= 0)
                e = sd_bus_set_server(r->bus, true, id);
        if (e >= 0)
                e = sd_bus_start(r->bus);
        if (e >= 0)
                e = sd_bus_add_object_vtable(r->bus, NULL, PULL_PATH, PULL_INTERFACE, vtable, r);
        while (e >= 0 && !r->call) {
                e = sd_bus_process(r->bus, NULL);
                if (e == 0) {
                        e = sd_bus_wait(r->bus, WAIT_USEC);
                        if (e == 0)
                                e = -ETIMEDOUT;
                }
        }
        return MIN(e, 0);
}

void request_done(Request *r) {
        sd_bus_message_unref(r->call);
        sd_bus_flush_close_unref(r->bus);
        free(r->image);
        free(r->root);
        free(r->runroot);
        free(r->auth_file);
        free(r->signature_policy);
        free(r->username);
        free(r->password);
        free(r->identity_token);
        free(r->registry_token);
        strv_free(r->insecure_registries);
}

int request_report(Request *r, const char *phase, uint64_t done_bytes, uint64_t total_bytes) {
        int e;

        /* For systemctl status; nobody else depends on it. */
        (void) sd_notifyf(
                        false,
                        "STATUS=%s, %" PRIu64 " of %" PRIu64 " KiB of layers",
                        phase,
                        done_bytes / KIB,
                        total_bytes / KIB);
        e = sd_bus_emit_signal(
                        r->bus,
                        PULL_PATH,
                        PULL_INTERFACE,
                        PULL_SIGNAL,
                        PULL_SIGNAL_SIGNATURE,
                        phase,
                        done_bytes,
                        total_bytes);
        while (e >= 0 && (e = sd_bus_process(r->bus, NULL)) > 0)
                ;
        return e < 0 || sd_bus_is_open(r->bus) <= 0 ? -ECONNRESET : 0;
}

bool request_is_wanted(Request *r) {
        int e;

        while ((e = sd_bus_process(r->bus, NULL)) > 0)
                ;
        return e >= 0 && sd_bus_is_open(r->bus) > 0;
}

int request_answer(Request *r, int result, const char *image_id, const Error *error) {
        int e;

        e = sd_bus_reply_method_return(
                        r->call,
                        PULL_RESULT,
                        (int32_t) result,
                        (uint32_t) (result < 0 ? error_get_status(error, result) : STATUS_OK),
                        result < 0 ? error_get_text(error, result) : "",
                        strempty(image_id));
        return e < 0 ? e : sd_bus_flush(r->bus);
}
