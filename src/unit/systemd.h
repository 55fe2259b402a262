/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Systemd: the conversation with PID 1.
 *
 * Speaks org.freedesktop.systemd1 over /run/systemd/private (0.02 ms a call, no bus daemon in between,
 * signals without match rules), or over the system bus where that socket is not to be had. All calls are
 * asynchronous and have a timeout. When PID 1 re-executes itself the connection ends; a new one is made, and
 * everybody who waits for a job or watches a unit is asked to look again.
 *
 * One per daemon, for core/ only. Budget: 2 calls per container created (the runtime makes the other one),
 * 2 per stop and removal, 0 for reading.
 */

#include "basic/error.h"
#include "event/operation.h"

typedef struct sd_event sd_event;
typedef struct Systemd Systemd;
typedef struct SystemdCall SystemdCall;
typedef struct UnitExtra UnitExtra;
typedef struct UnitSpec UnitSpec;
typedef struct UnitState UnitState;
typedef struct UnitWatch UnitWatch;

/* Unit names beyond this are refused by systemd (UNIT_NAME_MAX). */
#define SYSTEMD_UNIT_NAME_MAX 255

/* What PID 1 knows of a unit; fields that a message did not carry keep their value. */
struct UnitState {
        char active_state[16]; /* "active", "failed", "inactive", … */
        char sub_state[24];    /* "running", "exited", "failed", "dead", … */
        char result[24];       /* "success", "exit-code", "signal", "oom-kill", … */
        pid_t main_pid;
        int exec_main_code;            /* CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0 while it runs */
        int exec_main_status;          /* exit code or signal */
        uint64_t exec_main_start_usec; /* µs of CLOCK_REALTIME; 0 when it did not happen */
        uint64_t exec_main_exit_usec;
};

/* Embedded in the watcher. Cheap: no match rule, no call to PID 1. */
struct UnitWatch {
        /* Some property of the unit changed; @state is the watch's own, brought up to date. */
        void (*on_change)(UnitWatch *w, const UnitState *state);
        /* The connection was made anew: something may have been missed, systemd_get_unit() tells. */
        void (*on_reconnect)(UnitWatch *w);
        UnitState state;
        Systemd *systemd; /* NULL: not watching */
        char *path;       /* object path, the key */
        UnitWatch *next_reconnect;
};

/* @r: 0; negative errno with a text (the job's result or the bus error). Called once, from the loop. The
 * call is freed afterwards. */
typedef void (*SystemdDone)(int r, const Error *error, void *userdata);
/* @state: NULL on failure. */
typedef void (*SystemdUnitDone)(int r, const UnitState *state, const Error *error, void *userdata);
/* One for every unit; then once more with @name NULL at the end, or with @r < 0. */
typedef void (*SystemdListed)(int r, const char *name, const char *active, const char *sub, void *userdata);

/**
 * systemd_new() - connect to PID 1
 * @event:  borrowed, must outlive the object
 *
 * Return: 0; -EHOSTDOWN (PID 1 is not systemd) or another negative errno, with a text.
 */
int systemd_new(sd_event *event, Systemd **ret, Error *error);
Systemd *systemd_free(Systemd *s);
DEFINE_CLEANUP(Systemd *, systemd_free);

/* Version of PID 1's first word, e.g. 252; 0 until it answered. */
unsigned systemd_get_version(const Systemd *s);

/* Method calls sent so far, for the budget and for metrics. */
uint64_t systemd_get_n_calls(const Systemd *s);

/* What a step returns that began a call: STEP_WAIT, @r, or STEP_AGAIN where there is no connection right
 * now. */
static inline int systemd_step(int r, Error *error) {
        if (r != -ENOTCONN)
                return r < 0 ? r : STEP_WAIT;
        error_done(error);
        return STEP_AGAIN;
}

/**
 * systemd_start_unit() - create a transient unit and wait for its start job
 * @name:     complete, at most SYSTEMD_UNIT_NAME_MAX bytes
 * @spec:     borrowed for the call
 * @on_done:  r is 0 when the job's result was "done"; -EEXIST when a unit of that name is loaded; -EIO when
 * the job failed; -ENOTCONN when the connection ended and the outcome is unknown
 * @ret:      for systemd_call_cancel(); NULL if not wanted. Valid until @on_done ran.
 *
 * Return: 0 (on_done will be called), or negative errno with a text.
 */
int systemd_start_unit(
                Systemd *s,
                const char *name,
                const UnitSpec *spec,
                SystemdDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error);

/* Stops a unit and waits for the job; a unit that is not loaded counts as stopped. Drops the state of a
 * RemainAfterExit= service, too. Where the connection ends (PID 1 executes itself anew) it is asked again on
 * the next one; so is systemd_reset_failed_unit(). */
int systemd_stop_unit(
                Systemd *s,
                const char *name,
                SystemdDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error);

/* Makes PID 1 forget a failed unit; one that is not loaded counts as forgotten. */
int systemd_reset_failed_unit(
                Systemd *s,
                const char *name,
                SystemdDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error);

/* Everything but the callback is borrowed for the call. */
typedef struct SystemdChange {
        const char *name;
        const UnitExtra *properties;
        size_t n_properties;
        SystemdDone on_done; /* r is -ENOENT for a unit that is not loaded */
        void *userdata;
} SystemdChange;

/* Changes properties of a unit that is loaded, until the next boot. */
int systemd_set_properties(Systemd *s, const SystemdChange *change, SystemdCall **ret, Error *error);

/* Reads a unit once, for start and for doubt; never in a signal handler. r is -ENOENT for a unit that is not
 * loaded. */
int systemd_get_unit(
                Systemd *s,
                const char *name,
                SystemdUnitDone on_done,
                void *userdata,
                SystemdCall **ret,
                Error *error);

/* All loaded units that match a shell pattern, in one call. */
int systemd_list_units(
                Systemd *s,
                const char *pattern,
                SystemdListed on_unit,
                void *userdata,
                SystemdCall **ret,
                Error *error);

/* Forgets about the answer; its callback is not called. NULL is allowed. Returns NULL. */
SystemdCall *systemd_call_cancel(SystemdCall *c);

/* @w: callbacks set, lives until systemd_unwatch_unit(). 0, -EEXIST (already watched), -ENOMEM. */
int systemd_watch_unit(Systemd *s, const char *name, UnitWatch *w);
void systemd_unwatch_unit(UnitWatch *w);
