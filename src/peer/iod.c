/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/iod.h"

#include <fcntl.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "peer/iod-protocol.h"

#define CALL_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define N_STDIO 3
/* A call after which crio-iod is gone so many times is given up: it may be what ends it. */
#define TRIES_MAX 50

struct IodClient {
        sd_event *event;
        sd_bus *bus; /* NULL: not connected */
        IodCall *calls;
};

struct IodCall {
        IodClient *client;
        sd_bus_slot *slot;
        sd_bus_message *message; /* to be sent again */
        unsigned n_tries;
        IodDone on_done;
        void *userdata;
        bool returns_fds;
        IodCall *next, *previous;
};

static IodCall *call_free(IodCall *call) {
        if (!call)
                return NULL;
        if (call->previous)
                call->previous->next = call->next;
        else if (call->client->calls == call)
                call->client->calls = call->next;
        if (call->next)
                call->next->previous = call->previous;
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->message);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(IodCall *, call_free);

IodCall *iod_call_cancel(IodCall *call) {
        return call_free(call);
}

static void call_finish(IodCall *call, int r, const int *fds, const Error *error) {
        _cleanup_(call_freep) IodCall *owned = call;

        if (call->on_done)
                call->on_done(r, fds, error, call->userdata);
        else if (fds)
                for (size_t i = 0; i < N_STDIO; i++)
                        close_fd(fds[i]);
}

static void client_disconnect(IodClient *c) {
        if (!c->bus)
                return;
        (void) sd_bus_detach_event(c->bus); /* fails only when it is not attached */
        c->bus = sd_bus_close_unref(c->bus);
}

static void call_fail(IodCall *call, int r) {
        _cleanup_error_ Error error = ERROR_INIT;

        (void) error_set(&error, r, STATUS_UNAVAILABLE, "crio-iod: connection lost: %s", STRERROR(r));
        call_finish(call, r, NULL, &error);
}

static int client_connect(IodClient *c, Error *error);
static int call_send_again(IodCall *call);

/* Those that could not be sent are answered from here, which may begin new calls. */
static int client_on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        IodClient *c = userdata;
        IodCall *call, *next;
        int r;

        client_disconnect(c);
        for (call = c->calls; call; call = call->next)
                call->slot = sd_bus_slot_unref(call->slot);
        r = c->calls ? client_connect(c, NULL) : 0;
        for (call = c->calls; call && r >= 0; call = next) {
                next = call->next;
                if (++call->n_tries < TRIES_MAX && call_send_again(call) >= 0)
                        continue;
                call_fail(call, -ECONNRESET);
                next = c->calls; /* whatever is there now; those that were sent have a slot */
                while (next && next->slot)
                        next = next->next;
        }
        while (r < 0 && (call = c->calls))
                call_fail(call, r);
        return 0;
}

static int client_connect(IodClient *c, Error *error) {
        int r;

        if (c->bus)
                return 0;
        r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = sd_bus_set_address(c->bus, "unix:path=" IOD_SOCKET);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c->bus, true);
        if (r >= 0)
                r = sd_bus_start(c->bus);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, c->event, SD_EVENT_PRIORITY_NORMAL);
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
        if (r < 0) {
                c->bus = sd_bus_close_unref(c->bus);
                return error_set(
                                error,
                                r,
                                STATUS_UNAVAILABLE,
                                "connect to crio-iod at " IOD_SOCKET ": %s",
                                STRERROR(r));
        }
        return 0;
}

int iod_client_new(sd_event *event, IodClient **ret) {
        IodClient *c = new0(IodClient, 1);

        if (!c)
                return -ENOMEM;
        c->event = event;
        *ret = c;
        return 0;
}

IodClient *iod_client_free(IodClient *c) {
        if (!c)
                return NULL;
        while (c->calls)
                call_free(c->calls);
        client_disconnect(c);
        free(c);
        return NULL;
}

static int read_fds(sd_bus_message *m, int *fds) {
        int borrowed[N_STDIO] = { -EBADF }, r;

        r = sd_bus_message_read(m, "hh", &borrowed[1], &borrowed[2]);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "h");
        if (r > 0)
                r = sd_bus_message_read(m, "h", &borrowed[0]);
        if (r < 0)
                return r;
        r = fds[0] = borrowed[0] < 0 ? open_at(AT_FDCWD, "/dev/null", O_RDONLY, 0) : fd_dup(borrowed[0]);
        for (size_t i = 1; i < N_STDIO && r >= 0; i++)
                r = fds[i] = fd_dup(borrowed[i]);
        return MIN(r, 0);
}

static int read_error(const sd_bus_error *e, int number, Error *error) {
        bool full = streq(e->name, IOD_ERROR_FULL);
        int r = streq(e->name, IOD_ERROR_UNKNOWN) ? -ENOENT : full ? -ENOSPC : -number;

        return error_set(
                        error,
                        r,
                        full ? STATUS_RESOURCE_EXHAUSTED : STATUS_INTERNAL,
                        "crio-iod: %s",
                        e->message ?: e->name);
}

static int call_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        int fds[N_STDIO] = { -EBADF, -EBADF, -EBADF }, r = 0;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        IodCall *call = userdata;

        /* The connection is going down: client_on_disconnected() follows, and sends it again. */
        if (e && sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) && !sd_bus_is_ready(call->client->bus)) {
                call->slot = sd_bus_slot_unref(call->slot);
                return 1;
        }
        if (e)
                r = read_error(e, sd_bus_message_get_errno(m), &error);
        else if (call->returns_fds) {
                r = read_fds(m, fds);
                if (r < 0) {
                        (void) error_set(
                                        &error,
                                        r,
                                        STATUS_INTERNAL,
                                        "crio-iod: descriptors: %s",
                                        STRERROR(r));
                        for (size_t i = 0; i < N_STDIO; i++)
                                close_fd(fds[i]);
                }
        }
        call_finish(call, r, r >= 0 && call->returns_fds ? fds : NULL, &error);
        return 1;
}

/* A copy for another connection: a message belongs to the one that numbered it. */
static int call_send_again(IodCall *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        call->client->bus,
                        &m,
                        NULL,
                        IOD_PATH,
                        IOD_INTERFACE,
                        sd_bus_message_get_member(call->message));
        if (r >= 0)
                r = sd_bus_message_rewind(call->message, true);
        if (r >= 0)
                r = sd_bus_message_copy(m, call->message, true);
        if (r >= 0)
                r = sd_bus_call_async(
                                call->client->bus,
                                &call->slot,
                                m,
                                call_on_reply,
                                call,
                                CALL_TIMEOUT_USEC);
        if (r < 0)
                return r;
        sd_bus_message_unref(call->message);
        call->message = TAKE_PTR(m);
        return 0;
}

static int
call_send(IodClient *c,
          sd_bus_message *m,
          bool returns_fds,
          IodDone on_done,
          void *userdata,
          IodCall **ret) {
        _cleanup_(call_freep) IodCall *call = new0(IodCall, 1);
        int r;

        if (!call)
                return -ENOMEM;
        *call = (IodCall){ .client = c,
                           .on_done = on_done,
                           .userdata = userdata,
                           .returns_fds = returns_fds,
                           .next = c->calls };
        if (call->next)
                call->next->previous = call;
        c->calls = call;

        r = sd_bus_call_async(c->bus, &call->slot, m, call_on_reply, call, CALL_TIMEOUT_USEC);
        if (r < 0)
                return r;
        call->message = sd_bus_message_ref(m);
        if (ret)
                *ret = call;
        TAKE_PTR(call);
        return 0;
}

static int message_new(IodClient *c, const char *member, sd_bus_message **ret, Error *error) {
        int r;

        r = client_connect(c, error);
        if (r < 0)
                return r;
        return sd_bus_message_new_method_call(c->bus, ret, NULL, IOD_PATH, IOD_INTERFACE, member);
}

static int append_log(sd_bus_message *m, const IodOpen *o) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "h");
        if (r >= 0 && o->log_fd >= 0)
                r = sd_bus_message_append(m, "h", o->log_fd);
        if (r >= 0 && o->log_fd >= 0 && o->log_size_max >= 0)
                r = sd_bus_message_append(m, "h", o->log_dir_fd);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int iod_open(IodClient *c, const IodOpen *o, IodDone on_done, void *userdata, IodCall **ret, Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_new(c, "Open", &m, error);
        if (r >= 0)
                r = sd_bus_message_append(
                                m,
                                "sbbxs",
                                o->id,
                                (int) o->stdin_open,
                                (int) o->journal,
                                o->log_size_max,
                                strempty(o->log_name));
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) o->fields);
        if (r >= 0)
                r = append_log(m, o);
        if (r >= 0)
                r = call_send(c, m, true, on_done, userdata, ret);
        return r < 0 ? error_prefix(error, r, "streams of container %s", o->id) : 0;
}

static int
call_id(IodClient *c,
        const char *member,
        const char *id,
        IodDone on_done,
        void *userdata,
        IodCall **ret,
        Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_new(c, member, &m, error);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = call_send(c, m, false, on_done, userdata, ret);
        return r < 0 ? error_prefix(error, r, "streams of container %s", id) : 0;
}

int iod_set_pid(IodClient *c,
                const char *id,
                pid_t pid,
                IodDone on_done,
                void *userdata,
                IodCall **ret,
                Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_new(c, "SetPid", &m, error);
        if (r >= 0)
                r = sd_bus_message_append(m, "su", id, (uint32_t) pid);
        if (r >= 0)
                r = call_send(c, m, false, on_done, userdata, ret);
        return r < 0 ? error_prefix(error, r, "streams of container %s", id) : 0;
}

int iod_drain(IodClient *c, const char *id, IodDone on_done, void *userdata, IodCall **ret, Error *error) {
        return call_id(c, "Drain", id, on_done, userdata, ret, error);
}

int iod_reopen(IodClient *c,
               const IodOpen *o,
               IodDone on_done,
               void *userdata,
               IodCall **ret,
               Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_new(c, "Reopen", &m, error);
        if (r >= 0)
                r = sd_bus_message_append(m, "sh", o->id, o->log_fd);
        if (r >= 0)
                r = call_send(c, m, false, on_done, userdata, ret);
        return r < 0 ? error_prefix(error, r, "streams of container %s", o->id) : 0;
}

int iod_close(IodClient *c, const char *id, IodDone on_done, void *userdata, IodCall **ret, Error *error) {
        return call_id(c, "Close", id, on_done, userdata, ret, error);
}
