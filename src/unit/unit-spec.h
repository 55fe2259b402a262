/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * UnitSpec: the properties of a transient unit, as a plain struct.
 *
 * Unset fields (NULL, 0, -1 for descriptors and booleans) are not sent. Everything is borrowed. Names and
 * types are those of org.freedesktop.systemd1 (man org.freedesktop.systemd1, systemd 252).
 */

#include "basic/error.h"

typedef struct sd_bus_message sd_bus_message;

typedef struct UnitSpec {
        /* [Unit] */
        const char *description;
        const char *const *after;
        const char *collect_mode;
        int default_dependencies; /* -1: not sent */

        /* cgroup */
        const char *slice;
        const char *const *wants;

        /* [Service] */
        const char *type; /* "forking", "exec", … */
        const char *pid_file;
        const char *const *exec_start;
        int remain_after_exit;               /* -1: not sent */
        int stdin_fd, stdout_fd, stderr_fd;  /* -1: not sent */
        const char *const *log_extra_fields; /* "NAME=value" */
        const char *const *environment;
        const char *kill_mode;
        uint64_t timeout_start_usec; /* 0: not sent */
        const char *syslog_identifier;

        /* Further properties, appended after the rest: rows that another module keeps as a table. */
        const struct UnitExtra *extra;
        size_t n_extra;
} UnitSpec;

typedef struct UnitExtra {
        const char *name;
        char type; /* 's', 'b', 't', 'u', 'i', 'S' for a string list ("as"), 'F' for one of all that is
                    * allowed, 'D' for one of what is denied ("(bas)"), 'P' for pairs of strings ("a(ss)"),
                    * 'y' for bytes ("ay") */
        union {
                struct {
                        const uint8_t *data;
                        size_t size;
                } bytes;
                const char *string;
                bool boolean;
                uint64_t number;
                const char *const *strings;
        };
} UnitExtra;

#define UNIT_SPEC_INIT                                                                                      \
        ((UnitSpec){ .default_dependencies = -1,                                                            \
                     .remain_after_exit = -1,                                                               \
                     .stdin_fd = -1,                                                                        \
                     .stdout_fd = -1,                                                                       \
                     .stderr_fd = -1 })

/* Appends the a(sv) of StartTransientUnit(). 0 or negative errno of sd-bus. */
int unit_spec_append(const UnitSpec *spec, sd_bus_message *m);

/* The same of nothing but a table of properties. */
int unit_extra_append(const UnitExtra *extra, size_t n, sd_bus_message *m);
