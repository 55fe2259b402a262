/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/systemd.h"

#include <stdio.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fault.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/number.h"
#include "basic/str.h"
#include "unit/systemd-message.h"
#include "unit/unit-spec.h"

#define PRIVATE_ADDRESS "unix:path=/run/systemd/private"
#define DESTINATION "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define UNIT_PREFIX "/org/freedesktop/systemd1/unit"

/* A call that PID 1 did not answer by then has failed. */
#define CALL_TIMEOUT_USEC (25 * USEC_PER_SEC)
#define RECONNECT_MIN_USEC (50 * USEC_PER_MSEC)
#define RECONNECT_MAX_USEC (2 * USEC_PER_SEC)

struct Systemd {
        sd_event *event;
        sd_bus *bus; /* NULL while there is no connection */
        sd_event_source *reconnect_source;
        uint64_t reconnect_usec;
        bool private;
        unsigned version;
        uint64_t n_calls;
        Hashmap *watches;   /* k: object path, v: UnitWatch, not owned */
        Hashmap *jobs;      /* k: job path, v: SystemdCall, not owned */
        SystemdCall *calls; /* owned list */
};

struct SystemdCall {
        Systemd *systemd;
        sd_bus_slot *slot;
        char *name;                /* of the unit, for texts */
        char *job;                 /* key in Systemd.jobs */
        const char *member, *mode; /* of calls that may be repeated on a new connection: static */
        bool absent_is_fine;
        SystemdDone on_done;
        SystemdUnitDone on_unit;
        SystemdListed on_listed;
        void *userdata;
        SystemdCall *next, *previous;
};

static int systemd_connect(Systemd *s, Error *error);
static void systemd_repeat_calls(Systemd *s);

static SystemdCall *call_free(SystemdCall *c) {
        if (!c)
                return NULL;

        if (c->previous)
                c->previous->next = c->next;
        else if (c->systemd->calls == c)
                c->systemd->calls = c->next;
        if (c->next)
                c->next->previous = c->previous;
        if (c->job)
                (void) hashmap_remove(c->systemd->jobs, c->job);
        sd_bus_slot_unref(c->slot);
        free(c->name);
        free(c->job);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(SystemdCall *, call_free);

SystemdCall *systemd_call_cancel(SystemdCall *c) {
        return call_free(c);
}

static int call_new(Systemd *s, const char *name, SystemdCall **ret, Error *error) {
        _cleanup_(call_freep) SystemdCall *c = NULL;

        if (strlen(name) > SYSTEMD_UNIT_NAME_MAX)
                return error_set(
                                error,
                                -ENAMETOOLONG,
                                STATUS_INVALID_ARGUMENT,
                                "unit name is longer than %d bytes: %s",
                                SYSTEMD_UNIT_NAME_MAX,
                                name);

        c = new0(SystemdCall, 1);
        if (!c)
                return -ENOMEM;
        c->systemd = s;
        c->name = strdup(name);
        if (!c->name)
                return -ENOMEM;

        c->next = s->calls;
        if (c->next)
                c->next->previous = c;
        s->calls = c;
        *ret = TAKE_PTR(c);
        return 0;
}

static int check_connected(const Systemd *s, Error *error) {
        return s->bus && sd_bus_is_open(s->bus) > 0 ? 0 :
                                                      error_set(error,
                                                                -ENOTCONN,
                                                                STATUS_UNAVAILABLE,
                                                                "systemd: not connected, connecting again");
}

/* The last touch of the call: whatever it waited for has been decided. */
static void call_finish(SystemdCall *c, int r, const Error *error) {
        _cleanup_(call_freep) SystemdCall *owned = c;

        if (c->on_done)
                c->on_done(r, error, c->userdata);
        else if (c->on_unit)
                c->on_unit(r, NULL, error, c->userdata);
        else if (c->on_listed)
                c->on_listed(r, NULL, NULL, NULL, c->userdata);
}

/* The connection ended under a call: it waits for the next one, or its outcome is unknown. */
static void call_lose(SystemdCall *c) {
        _cleanup_error_ Error error = ERROR_INIT;

        if (c->member) {
                c->slot = sd_bus_slot_unref(c->slot);
                if (c->job)
                        (void) hashmap_remove(c->systemd->jobs, c->job);
                free(c->job);
                c->job = NULL;
                return;
        }
        (void) error_set(
                        &error,
                        -ENOTCONN,
                        STATUS_UNAVAILABLE,
                        "systemd, unit %s: connection ended",
                        c->name);
        call_finish(c, -ENOTCONN, &error);
}

/* Ends the call when the answer is an error; true when it did. */
static bool call_failed(SystemdCall *c, sd_bus_message *m) {
        _cleanup_error_ Error error = ERROR_INIT;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int r;

        if (!e)
                return false;

        if (sd_bus_is_open(c->systemd->bus) <=
            0) { /* sd-bus ends all calls before it says that it is closed */
                call_lose(c);
                return true;
        }
        r = systemd_error_read(&error, c->name, e);
        if (r == -ENOENT && c->absent_is_fine)
                call_finish(c, 0, NULL);
        else
                call_finish(c, r, &error);
        return true;
}

static int on_empty_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        SystemdCall *c = userdata;

        if (!call_failed(c, m))
                call_finish(c, 0, NULL);
        return 1;
}

static int on_job_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        SystemdCall *c = userdata;
        const char *job;
        int r;

        if (call_failed(c, m))
                return 1;

        r = sd_bus_message_read(m, "o", &job);
        if (r >= 0)
                r = str_replace(&c->job, job);
        if (r >= 0)
                r = hashmap_put(c->systemd->jobs, c->job, c);
        if (r < 0) {
                (void) error_set(
                                &error,
                                r,
                                STATUS_INTERNAL,
                                "systemd, unit %s: job: %s",
                                c->name,
                                STRERROR(r));
                call_finish(c, r, &error);
        }
        return 1; /* systemd_on_job_removed() goes on */
}

static int systemd_on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        const char *job, *unit, *result;
        Systemd *s = userdata;
        SystemdCall *c;
        int r;

        if (hashmap_size(s->jobs) == 0)
                return 0;
        r = sd_bus_message_read(m, "uoss", NULL, &job, &unit, &result);
        if (r < 0)
                return 0;
        c = hashmap_remove(s->jobs, job);
        if (!c)
                return 0;

        c->job[0] = '\0';
        r = 0;
        if (!streq(result, "done") && !streq(result, "skipped"))
                r = error_set(&error,
                              -EIO,
                              STATUS_INTERNAL,
                              "systemd, unit %s: job ended with \"%s\"",
                              unit,
                              result);
        call_finish(c, r, &error);
        return 0;
}

static int systemd_on_properties_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Systemd *s = userdata;
        const char *path = sd_bus_message_get_path(m);
        UnitWatch *w;
        int r;

        w = path ? hashmap_get(s->watches, path) : NULL;
        if (!w)
                return 0;

        r = sd_bus_message_skip(m, "s");
        if (r >= 0)
                r = unit_state_read(m, &w->state);
        if (r < 0)
                log_warning("systemd: unreadable signal of %s, ignoring: %s", path, STRERROR(r));
        else
                w->on_change(w, &w->state);
        return 0;
}

static int on_version(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Systemd *s = userdata;
        const char *text;
        uint64_t version;
        char digits[8] = {};

        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "v", "s", &text) < 0)
                return 0;
        (void) strncpy(digits, text, MIN(strspn(text, STR_DIGITS), sizeof(digits) - 1));
        if (parse_u64(digits, 99999, &version) >= 0)
                s->version = (unsigned) version;
        log_debug("systemd: connected to version %s", text);
        return 0;
}

static SystemdCall *find_call_to_lose(Systemd *s) {
        for (SystemdCall *c = s->calls; c; c = c->next)
                if (!c->member || c->slot)
                        return c;
        return NULL;
}

static void systemd_lose_calls(Systemd *s) {
        SystemdCall *c;

        while ((c = find_call_to_lose(s)))
                call_lose(c);
}

static void systemd_disconnect(Systemd *s) {
        if (!s->bus)
                return;
        (void) sd_bus_detach_event(s->bus); /* fails only when it is not attached */
        s->bus = sd_bus_close_unref(s->bus);
}

static int systemd_on_reconnect_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void systemd_schedule_reconnect(Systemd *s) {
        int r;

        s->reconnect_source = sd_event_source_disable_unref(s->reconnect_source);
        r = sd_event_add_time_relative(
                        s->event,
                        &s->reconnect_source,
                        CLOCK_MONOTONIC,
                        s->reconnect_usec,
                        0,
                        systemd_on_reconnect_timer,
                        s);
        if (r < 0)
                log_error("systemd: no timer to connect again: %s", STRERROR(r));
        s->reconnect_usec = MIN(s->reconnect_usec * 2, RECONNECT_MAX_USEC);
}

static int systemd_on_reconnect_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        _cleanup_error_ Error error = ERROR_INIT;
        Systemd *s = userdata;
        UnitWatch *w, *list = NULL;
        int r;

        r = systemd_connect(s, &error);
        if (r < 0) {
                log_warning("systemd: %s, trying again", error_get_text(&error, r));
                systemd_schedule_reconnect(s);
                return 0;
        }

        log_info("systemd: connected again");
        systemd_repeat_calls(s);
        HASHMAP_FOREACH(w, s->watches) {
                w->next_reconnect = list;
                list = w;
        }
        while ((w = list)) {
                list = w->next_reconnect;
                if (w->systemd && w->on_reconnect)
                        w->on_reconnect(w);
        }
        return 0;
}

static int systemd_on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Systemd *s = userdata;

        log_warning("systemd: connection ended, connecting again");
        systemd_disconnect(s);
        systemd_lose_calls(s);
        s->reconnect_usec = RECONNECT_MIN_USEC;
        systemd_schedule_reconnect(s);
        return 0;
}

static int bus_open_private(sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, PRIVATE_ADDRESS);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* The private connection carries every signal; the bus has to be asked, by us and by PID 1. */
static int systemd_subscribe(Systemd *s) {
        int r;

        r = sd_bus_add_match(
                        s->bus,
                        NULL,
                        "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                        "path_namespace='" UNIT_PREFIX "'",
                        systemd_on_properties_changed,
                        s);
        if (r >= 0)
                r = sd_bus_match_signal_async(
                                s->bus,
                                NULL,
                                s->private ? NULL : DESTINATION,
                                MANAGER_PATH,
                                MANAGER_INTERFACE,
                                "JobRemoved",
                                systemd_on_job_removed,
                                NULL,
                                s);
        if (r >= 0)
                r = sd_bus_match_signal_async(
                                s->bus,
                                NULL,
                                "org.freedesktop.DBus.Local",
                                NULL,
                                "org.freedesktop.DBus.Local",
                                "Disconnected",
                                systemd_on_disconnected,
                                NULL,
                                s);
        if (r >= 0 && !s->private)
                r = sd_bus_call_method_async(
                                s->bus,
                                NULL,
                                DESTINATION,
                                MANAGER_PATH,
                                MANAGER_INTERFACE,
                                "Subscribe",
                                NULL,
                                NULL,
                                NULL);
        return r;
}

static int systemd_connect(Systemd *s, Error *error) {
        int r;

        r = bus_open_private(&s->bus);
        s->private = r >= 0;
        if (r < 0)
                r = sd_bus_open_system(&s->bus);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_UNAVAILABLE,
                                "connect to systemd (/run/systemd/private or the system bus): %s",
                                STRERROR(r));

        r = sd_bus_attach_event(s->bus, s->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = systemd_subscribe(s);
        if (r >= 0)
                r = sd_bus_call_method_async(
                                s->bus,
                                NULL,
                                DESTINATION,
                                MANAGER_PATH,
                                "org.freedesktop.DBus.Properties",
                                "Get",
                                on_version,
                                s,
                                "ss",
                                MANAGER_INTERFACE,
                                "Version");
        if (r < 0) {
                systemd_disconnect(s);
                return error_set(
                                error,
                                r,
                                STATUS_UNAVAILABLE,
                                "set up the connection to systemd: %s",
                                STRERROR(r));
        }
        return 0;
}

int systemd_new(sd_event *event, Systemd **ret, Error *error) {
        _cleanup_(systemd_freep) Systemd *s = new0(Systemd, 1);
        int r;

        if (!s)
                return -ENOMEM;
        if (access("/run/systemd/system", F_OK) < 0)
                return error_set(
                                error,
                                -EHOSTDOWN,
                                STATUS_FAILED_PRECONDITION,
                                "PID 1 is not systemd (/run/systemd/system is absent); crio needs a host that systemd has booted");

        s->event = event;
        s->reconnect_usec = RECONNECT_MIN_USEC;
        r = hashmap_new(&s->watches);
        if (r >= 0)
                r = hashmap_new(&s->jobs);
        if (r >= 0)
                r = systemd_connect(s, error);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Systemd *systemd_free(Systemd *s) {
        UnitWatch *w;

        if (!s)
                return NULL;

        while (s->calls)
                call_free(s->calls);
        while ((w = hashmap_first(s->watches)))
                systemd_unwatch_unit(w);
        systemd_disconnect(s);
        sd_event_source_disable_unref(s->reconnect_source);
        hashmap_free(s->watches);
        hashmap_free(s->jobs);
        free(s);
        return NULL;
}

unsigned systemd_get_version(const Systemd *s) {
        return s->version;
}

uint64_t systemd_get_n_calls(const Systemd *s) {
        return s->n_calls;
}

/* Tests count what PID 1 is asked. */
static void call_note(const SystemdCall *c, const char *member) {
        _cleanup_free_ char *line = str_join("systemd ", member, " ", c->name, NULL);

        if (line)
                fault_note(line);
}

static int call_send(SystemdCall *c, sd_bus_message *m, sd_bus_message_handler_t on_reply, Error *error) {
        int r;

        r = sd_bus_call_async(c->systemd->bus, &c->slot, m, on_reply, c, CALL_TIMEOUT_USEC);
        if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE) /* closed, and we were not told yet */
                return error_set(
                                error,
                                -ENOTCONN,
                                STATUS_UNAVAILABLE,
                                "systemd, unit %s: connection ended",
                                c->name);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "systemd, unit %s: send: %s",
                                c->name,
                                STRERROR(r));
        c->systemd->n_calls++;
        if (fault_get_directory())
                call_note(c, sd_bus_message_get_member(m));
        return 0;
}

static int message_new(Systemd *s, const char *member, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(
                        s->bus,
                        ret,
                        DESTINATION,
                        MANAGER_PATH,
                        MANAGER_INTERFACE,
                        member);
}

int systemd_start_unit(
                Systemd *s,
                const char *name,
                const UnitSpec *spec,
                SystemdDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(call_freep) SystemdCall *c = NULL;
        int r;

        r = check_connected(s, error);
        if (r >= 0)
                r = call_new(s, name, &c, error);
        if (r < 0)
                return r;
        c->on_done = on_done;
        c->userdata = userdata;

        r = message_new(s, "StartTransientUnit", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, "fail");
        if (r >= 0)
                r = unit_spec_append(spec, m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "unit %s: properties: %s", name, STRERROR(r));

        r = call_send(c, m, on_job_reply, error);
        if (r < 0)
                return r;
        if (ret)
                *ret = c;
        TAKE_PTR(c);
        return 0;
}

/* Sends a call that may be repeated. */
static int call_send_again(SystemdCall *c, Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_new(c->systemd, c->member, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", c->name);
        if (r >= 0 && c->mode)
                r = sd_bus_message_append(m, "s", c->mode);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "unit %s: %s: %s",
                                c->name,
                                c->member,
                                STRERROR(r));
        return call_send(c, m, c->mode ? on_job_reply : on_empty_reply, error);
}

static SystemdCall *find_unsent_call(Systemd *s) {
        for (SystemdCall *c = s->calls; c; c = c->next)
                if (c->member && !c->slot)
                        return c;
        return NULL;
}

static void systemd_repeat_calls(Systemd *s) {
        SystemdCall *c;

        while ((c = find_unsent_call(s))) {
                _cleanup_error_ Error error = ERROR_INIT;
                int r = call_send_again(c, &error);

                if (r == -ENOTCONN) /* closed once more: then on the next one */
                        return;
                if (r < 0)
                        call_finish(c, r, &error);
        }
}

/* Calls of the form (name, …) that may find the unit gone. They wait for a connection where there is none.
 */
static int systemd_call_unit(
                Systemd *s,
                const char *name,
                const char *member,
                const char *mode,
                const SystemdCall *like,
                SystemdCall **ret,
                Error *error) {
        _cleanup_(call_freep) SystemdCall *c = NULL;
        int r;

        r = call_new(s, name, &c, error);
        if (r < 0)
                return r;
        c->on_done = like->on_done;
        c->userdata = like->userdata;
        c->absent_is_fine = true;
        c->member = member;
        c->mode = mode;
        r = check_connected(s, error);
        if (r >= 0)
                r = call_send_again(c, error);
        if (r == -ENOTCONN)
                error_done(error);
        else if (r < 0)
                return r;
        if (ret)
                *ret = c;
        TAKE_PTR(c);
        return 0;
}

int systemd_stop_unit(
                Systemd *s,
                const char *name,
                SystemdDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error) {
        const SystemdCall like = { .on_done = on_done, .userdata = userdata };

        return systemd_call_unit(s, name, "StopUnit", "replace", &like, ret, error);
}

int systemd_reset_failed_unit(
                Systemd *s,
                const char *name,
                SystemdDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error) {
        const SystemdCall like = { .on_done = on_done, .userdata = userdata };

        return systemd_call_unit(s, name, "ResetFailedUnit", NULL, &like, ret, error);
}

int systemd_set_properties(Systemd *s, const SystemdChange *change, SystemdCall **ret, Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(call_freep) SystemdCall *c = NULL;
        int r;

        r = check_connected(s, error);
        if (r >= 0)
                r = call_new(s, change->name, &c, error);
        if (r < 0)
                return r;
        c->on_done = change->on_done;
        c->userdata = change->userdata;

        r = message_new(s, "SetUnitProperties", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", change->name, /* runtime= */ true);
        if (r >= 0)
                r = unit_extra_append(change->properties, change->n_properties, m);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "unit %s: properties: %s",
                                change->name,
                                STRERROR(r));

        r = call_send(c, m, on_empty_reply, error);
        if (r < 0)
                return r;
        if (ret)
                *ret = c;
        TAKE_PTR(c);
        return 0;
}

static int on_unit_properties(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        SystemdCall *c = userdata;
        SystemdUnitDone on_unit = c->on_unit;
        UnitState state = {};
        void *data = c->userdata;
        int r;

        if (call_failed(c, m))
                return 1;

        r = unit_state_read(m, &state);
        if (r >= 0 && streq(state.active_state, "inactive") && state.exec_main_start_usec == 0)
                r = error_set(&error, -ENOENT, STATUS_NOT_FOUND, "systemd, unit %s: not loaded", c->name);
        if (r < 0) {
                call_finish(c, r, &error);
                return 1;
        }
        call_free(c);
        on_unit(0, &state, NULL, data);
        return 1;
}

int systemd_get_unit(
                Systemd *s,
                const char *name,
                SystemdUnitDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(call_freep) SystemdCall *c = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = check_connected(s, error);
        if (r >= 0)
                r = call_new(s, name, &c, error);
        if (r < 0)
                return r;
        c->on_unit = on_done;
        c->userdata = userdata;

        r = sd_bus_path_encode(UNIT_PREFIX, name, &path);
        if (r >= 0)
                r = sd_bus_message_new_method_call(
                                s->bus,
                                &m,
                                DESTINATION,
                                path,
                                "org.freedesktop.DBus.Properties",
                                "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", ""); /* all interfaces */
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "unit %s: GetAll: %s", name, STRERROR(r));

        r = call_send(c, m, on_unit_properties, error);
        if (r < 0)
                return r;
        if (ret)
                *ret = c;
        TAKE_PTR(c);
        return 0;
}

static int on_units_listed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        SystemdCall *c = userdata;
        const char *name, *active, *sub;
        int r;

        if (call_failed(c, m))
                return 1;

        r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
        while (r >= 0 &&
               (r = sd_bus_message_read(
                                m,
                                "(ssssssouso)",
                                &name,
                                NULL,
                                NULL,
                                &active,
                                &sub,
                                NULL,
                                NULL,
                                NULL,
                                NULL,
                                NULL)) > 0)
                c->on_listed(0, name, active, sub, c->userdata);
        call_finish(c, r, NULL);
        return 1;
}

int systemd_list_units(
                Systemd *s,
                const char *pattern,
                SystemdListed on_unit,
                void *userdata,
                SystemdCall **ret,
                Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(call_freep) SystemdCall *c = NULL;
        int r;

        r = check_connected(s, error);
        if (r >= 0)
                r = call_new(s, pattern, &c, error);
        if (r < 0)
                return r;
        c->on_listed = on_unit;
        c->userdata = userdata;

        r = message_new(s, "ListUnitsByPatterns", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "asas", 0, 1, pattern);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "list units %s: %s", pattern, STRERROR(r));

        r = call_send(c, m, on_units_listed, error);
        if (r < 0)
                return r;
        if (ret)
                *ret = c;
        TAKE_PTR(c);
        return 0;
}

int systemd_watch_unit(Systemd *s, const char *name, UnitWatch *w) {
        int r;

        assert(!w->systemd);
        assert(w->on_change);

        r = sd_bus_path_encode(UNIT_PREFIX, name, &w->path);
        if (r >= 0)
                r = hashmap_put(s->watches, w->path, w);
        if (r < 0) {
                free(TAKE_PTR(w->path));
                return r;
        }
        w->state = (UnitState){};
        w->systemd = s;
        return 0;
}

void systemd_unwatch_unit(UnitWatch *w) {
        if (!w->systemd)
                return;
        (void) hashmap_remove(w->systemd->watches, w->path);
        w->systemd = NULL;
        free(TAKE_PTR(w->path));
}
