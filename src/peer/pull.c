/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/pull.h"

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "peer/pull-protocol.h"

#define TIMER_ACCURACY_USEC (1 * USEC_PER_SEC)

struct PullClient {
        sd_bus *bus;
        sd_bus_slot *call_slot;
        sd_event_source *timer;
        PullDone on_done;
        PullProgressed on_progress;
        void *userdata;
        uint64_t done_bytes;
        char *phase; /* of the last progress */
};

/* May free the client. */
static void client_finish(PullClient *c, int r, const char *image_id, const Error *error) {
        PullDone on_done = c->on_done;

        c->on_done = NULL;
        c->timer = sd_event_source_disable_unref(c->timer);
        if (on_done)
                on_done(r, image_id, error, c->userdata);
}

static int client_fail(PullClient *c, int r, const char *text) {
        _cleanup_error_ Error error = ERROR_INIT;

        (void) error_set(
                        &error,
                        r,
                        r == -ETIMEDOUT ? STATUS_DEADLINE_EXCEEDED : STATUS_UNAVAILABLE,
                        "%s",
                        text);
        client_finish(c, r, NULL, &error);
        return 0;
}

static int client_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        const char *text = "", *id = "";
        PullClient *c = userdata;
        uint32_t status = 0;
        int32_t result = 0;
        int r;

        if (sd_bus_message_is_method_error(m, NULL))
                return client_fail(c, -ECONNRESET, "crio-pull ended without an answer, its unit tells why");
        r = sd_bus_message_read(m, PULL_RESULT, &result, &status, &text, &id);
        if (r < 0)
                return client_fail(c, -EBADMSG, "crio-pull sent an answer that makes no sense");
        if (result < 0)
                (void) error_set(
                                &error,
                                result,
                                (Status) MIN(status, (uint32_t) _STATUS_MAX - 1),
                                "%s",
                                text);
        client_finish(c, MIN(result, 0), result < 0 ? NULL : id, &error);
        return 0;
}

static int client_on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        PullClient *c = userdata;

        return c->on_done ? client_fail(c,
                                        -ECONNRESET,
                                        "crio-pull ended without an answer, its unit tells why") :
                            0;
}

static int client_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        return client_fail(userdata, -ETIMEDOUT, "the pull made no progress for ten minutes");
}

/* It says once a second that it lives; only what moves is progress. */
static int client_on_progress(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        PullProgress progress;
        PullClient *c = userdata;

        if (!c->timer ||
            sd_bus_message_read(
                            m,
                            PULL_SIGNAL_SIGNATURE,
                            &progress.phase,
                            &progress.done_bytes,
                            &progress.total_bytes) < 0)
                return 0;
        if (!streq_null(c->phase, progress.phase) || c->done_bytes != progress.done_bytes) {
                c->done_bytes = progress.done_bytes;
                (void) str_replace(&c->phase, progress.phase); /* without memory the next one counts */
                (void) sd_event_source_set_time(
                                c->timer,
                                usec_from_now(PULL_PROGRESS_TIMEOUT_USEC)); /* armed as it was */
        }
        if (c->on_progress)
                c->on_progress(&progress, c->userdata);
        return 0;
}

/* The one fd of the pair becomes a bus. */
static int client_connect(PullClient *c, sd_event *event, int fd) {
        int r;

        r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = sd_bus_set_fd(c->bus, fd, fd); /* owned by the bus from here on */
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        r = sd_bus_start(c->bus);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal(
                                c->bus,
                                NULL,
                                NULL,
                                PULL_PATH,
                                PULL_INTERFACE,
                                PULL_SIGNAL,
                                client_on_progress,
                                c);
        if (r >= 0)
                r = sd_bus_match_signal(
                                c->bus,
                                NULL,
                                "org.freedesktop.DBus.Local",
                                NULL,
                                "org.freedesktop.DBus.Local",
                                "Disconnected",
                                client_on_disconnected,
                                c);
        return r;
}

static int append_request(sd_bus_message *m, const PullRequest *request) {
        const struct {
                const char *key, *value;
        } credentials[] = {
                { "username", request->username },
                { "password", request->password },
                { "identity_token", request->identity_token },
                { "registry_token", request->registry_token },
        };
        int r;

        r = sd_bus_message_append(m, "sss", request->image, request->root, request->runroot);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (size_t i = 0; i < ELEMENTSOF(credentials) && r >= 0; i++)
                if (!isempty(credentials[i].value))
                        r = sd_bus_message_append(m, "{ss}", credentials[i].key, credentials[i].value);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(
                                m,
                                "ss",
                                strempty(request->auth_file),
                                strempty(request->signature_policy));
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) request->insecure_registries);
        return r;
}

static int client_send(PullClient *c, const PullRequest *request) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, NULL, PULL_PATH, PULL_INTERFACE, PULL_METHOD);
        if (r >= 0)
                r = sd_bus_message_sensitive(m);
        if (r >= 0)
                r = append_request(m, request);
        if (r >= 0)
                r = sd_bus_call_async(c->bus, &c->call_slot, m, client_on_reply, c, UINT64_MAX);
        sd_bus_message_unref(m);
        return r;
}

int pull_client_new(
                sd_event *event,
                int fd,
                const PullRequest *request,
                PullDone on_done,
                PullProgressed on_progress,
                void *userdata,
                PullClient **ret,
                Error *error) {
        _cleanup_(pull_client_freep) PullClient *c = new0(PullClient, 1);
        int r;

        if (!c) {
                close_fd(fd);
                return -ENOMEM;
        }
        *c = (PullClient){ .on_done = on_done, .on_progress = on_progress, .userdata = userdata };
        r = client_connect(c, event, fd);
        if (r >= 0)
                r = client_send(c, request);
        if (r >= 0)
                r = sd_event_add_time(
                                event,
                                &c->timer,
                                CLOCK_MONOTONIC,
                                usec_from_now(PULL_PROGRESS_TIMEOUT_USEC),
                                TIMER_ACCURACY_USEC,
                                client_on_timer,
                                c);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "speak to crio-pull: %s", STRERROR(r));
        *ret = TAKE_PTR(c);
        return 0;
}

PullClient *pull_client_free(PullClient *c) {
        if (!c)
                return NULL;
        c->timer = sd_event_source_disable_unref(c->timer);
        c->call_slot = sd_bus_slot_unref(c->call_slot);
        if (c->bus) {
                (void) sd_bus_detach_event(c->bus); /* fails only when it is not attached */
                c->bus = sd_bus_close_unref(c->bus);
        }
        free(c->phase);
        free(c);
        return NULL;
}
