/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/error.h"

#include <stdio.h>

static const char *const status_table[_STATUS_MAX] = {
        [STATUS_OK] = "OK",
        [STATUS_CANCELLED] = "CANCELLED",
        [STATUS_UNKNOWN] = "UNKNOWN",
        [STATUS_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
        [STATUS_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
        [STATUS_NOT_FOUND] = "NOT_FOUND",
        [STATUS_ALREADY_EXISTS] = "ALREADY_EXISTS",
        [STATUS_PERMISSION_DENIED] = "PERMISSION_DENIED",
        [STATUS_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
        [STATUS_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
        [STATUS_ABORTED] = "ABORTED",
        [STATUS_OUT_OF_RANGE] = "OUT_OF_RANGE",
        [STATUS_UNIMPLEMENTED] = "UNIMPLEMENTED",
        [STATUS_INTERNAL] = "INTERNAL",
        [STATUS_UNAVAILABLE] = "UNAVAILABLE",
        [STATUS_DATA_LOSS] = "DATA_LOSS",
        [STATUS_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

const char *status_to_string(Status status) {
        if (status < 0 || status >= _STATUS_MAX)
                return status_table[STATUS_UNKNOWN];
        return status_table[status];
}

static Status status_from_errno(int r) {
        switch (r) {
        case -ECANCELED:
                return STATUS_CANCELLED;
        case -ETIMEDOUT:
                return STATUS_DEADLINE_EXCEEDED;
        case -ENOMEM:
                return STATUS_RESOURCE_EXHAUSTED;
        default:
                return STATUS_INTERNAL;
        }
}

void error_done(Error *error) {
        if (!error)
                return;
        free(error->text);
        *error = ERROR_INIT;
}

static char *format_bounded(const char *format, va_list ap) {
        static const char ellipsis[] = "…";
        char *text = NULL;
        int n;

        n = vasprintf(&text, format, ap);
        if (n < 0)
                return NULL;
        if (n > ERROR_TEXT_MAX)
                memcpy(text + ERROR_TEXT_MAX - strlen(ellipsis), ellipsis, sizeof(ellipsis));
        /* One line whatever stands in a value: texts end up in logs and events. */
        for (char *p = text; *p; p++)
                if ((uint8_t) *p < ' ' || *p == 0x7f)
                        *p = '?';
        return text;
}

int error_setv(Error *error, int r, Status status, const char *format, va_list ap) {
        assert(status > STATUS_OK && status < _STATUS_MAX);

        if (!error || error_is_set(error))
                return r;

        error->status = status;
        error->text = format_bounded(format, ap);
        return r;
}

int error_set(Error *error, int r, Status status, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        r = error_setv(error, r, status, format, ap);
        va_end(ap);
        return r;
}

int error_prefix(Error *error, int r, const char *format, ...) {
        _cleanup_free_ char *prefix = NULL;
        char *text;
        va_list ap;

        if (!error)
                return r;

        va_start(ap, format);
        prefix = format_bounded(format, ap);
        va_end(ap);
        if (!prefix)
                return r;

        if (asprintf(&text,
                     "%.*s: %.*s",
                     ERROR_TEXT_MAX / 2,
                     prefix,
                     ERROR_TEXT_MAX,
                     error_get_text(error, r)) < 0)
                return r;

        error->status = error_get_status(error, r);
        free(error->text);
        error->text = text;
        return r;
}

void error_move(Error *to, Error *from) {
        if (!to) {
                error_done(from);
                return;
        }

        error_done(to);
        *to = *from;
        *from = ERROR_INIT;
}

void error_copy(Error *to, const Error *from) {
        if (!to)
                return;

        error_done(to);
        to->status = from->status;
        to->text = from->text ? strdup(from->text) : NULL;
}

Status error_get_status(const Error *error, int r) {
        return error_is_set(error) ? error->status : status_from_errno(r);
}

const char *error_get_text(const Error *error, int r) {
        const char *text;

        if (error_is_set(error) && error->text)
                return error->text;

        text = strerrordesc_np(abs(r));
        return text ?: "unknown error";
}
