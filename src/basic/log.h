/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Log: one line to the journal with fields, or to stderr when a person started us.
 *
 * A function returns an error or logs it, never both. WARNING says what is done instead ("…, ignoring").
 */

#include <syslog.h>

#include "basic/macros.h"

/* Names of the fields that operators can match on. */
#define LOG_FIELD_POD_UID "CRI_POD_UID"
#define LOG_FIELD_POD_ID "CRI_POD_ID"
#define LOG_FIELD_CONTAINER_ID "CRI_CONTAINER_ID"
#define LOG_FIELD_IMAGE "CRI_IMAGE"
#define LOG_FIELD_UNIT "UNIT"

/* Looks where stderr goes: to the journal socket when it is the journal, else text. */
void log_open(void);

/* Messages above this syslog level are dropped. */
void log_set_level(int level);
int log_get_level(void);

/* "fatal", "panic", "error", "warn", "info", "debug", "trace" (crio.conf log_level). -EINVAL for others. */
int log_level_from_string(const char *s);

/**
 * log_full() - one message
 * @field, @value:  one extra journal field, or NULL
 *
 * Keeps errno. What does not fit into one line (LOG_LINE_MAX) is cut.
 */
void log_full(int level, const char *field, const char *value, const char *format, ...) _printf_(4, 5);

#define log_msg(level, ...)                                                                                 \
        ({                                                                                                  \
                if ((level) <= log_get_level())                                                             \
                        log_full((level), NULL, NULL, __VA_ARGS__);                                         \
        })
#define log_error(...) log_msg(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
