/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Error: what went wrong, said to a person.
 *
 * The return value of a function (negative errno) steers the code; an Error carries the gRPC status and the
 * sentence that the client reads. Whoever knows the cause sets it, callers add where it happened. An Error
 * is a value: ERROR_INIT, then error_done(), also when nothing was set. Every function takes error == NULL.
 */

#include "basic/macros.h"

/* Status codes of gRPC ("doc/statuscodes.md" of the gRPC specification). */
typedef enum Status {
        STATUS_OK = 0,
        STATUS_CANCELLED = 1,
        STATUS_UNKNOWN = 2,
        STATUS_INVALID_ARGUMENT = 3,
        STATUS_DEADLINE_EXCEEDED = 4,
        STATUS_NOT_FOUND = 5,
        STATUS_ALREADY_EXISTS = 6,
        STATUS_PERMISSION_DENIED = 7,
        STATUS_RESOURCE_EXHAUSTED = 8,
        STATUS_FAILED_PRECONDITION = 9,
        STATUS_ABORTED = 10,
        STATUS_OUT_OF_RANGE = 11,
        STATUS_UNIMPLEMENTED = 12,
        STATUS_INTERNAL = 13,
        STATUS_UNAVAILABLE = 14,
        STATUS_DATA_LOSS = 15,
        STATUS_UNAUTHENTICATED = 16,
        _STATUS_MAX,
        _STATUS_INVALID = -EINVAL,
} Status;

/* Longest text in bytes, NUL excluded; what is longer ends in "…". */
#define ERROR_TEXT_MAX 4096

typedef struct Error {
        Status status; /* STATUS_OK: not set */
        char *text;    /* owned; NULL when not set or when there was no memory for it */
} Error;

#define ERROR_INIT ((Error){ 0 })
#define _cleanup_error_ _cleanup_(error_done)

void error_done(Error *error);

/**
 * error_set() - say what went wrong
 * @r:       negative errno, returned unchanged
 * @status:  gRPC status for the client
 *
 * The text is lower case, has no full stop and names the thing. An Error that is already set keeps its text:
 * the first one to speak knows the cause.
 *
 * Return: @r.
 */
int error_set(Error *error, int r, Status status, const char *format, ...) _printf_(4, 5);
int error_setv(Error *error, int r, Status status, const char *format, va_list ap) _printf_(4, 0);

/**
 * error_prefix() - add where it happened
 *
 * Puts the formatted text and ": " before the text; where nothing was set, the text is that of errno @r and
 * the status follows from @r as error_get_status() says.
 *
 * Return: @r.
 */
int error_prefix(Error *error, int r, const char *format, ...) _printf_(3, 4);

/**
 * error_move() - hand over to another Error
 * @to:    not set, or NULL (the text is dropped)
 * @from:  empty afterwards
 */
void error_move(Error *to, Error *from);

/* Copies @from over what @to holds. Without memory the text is dropped and the status stays. */
void error_copy(Error *to, const Error *from);

/* NULL counts as not set. */
static inline bool error_is_set(const Error *error) {
        return error && error->status != STATUS_OK;
}

/**
 * error_get_status() - the gRPC status of a failed call
 *
 * The status that was set, else CANCELLED for -ECANCELED, DEADLINE_EXCEEDED for -ETIMEDOUT,
 * RESOURCE_EXHAUSTED for -ENOMEM, and INTERNAL for everything else: a stray -ENOENT must not become
 * NOT_FOUND.
 */
Status error_get_status(const Error *error, int r);

/* Borrowed text for people, never NULL: what was set, else the text of errno @r (static storage). */
const char *error_get_text(const Error *error, int r);

/* Name of a status as in gRPC ("NOT_FOUND"), "UNKNOWN" for values out of range. */
const char *status_to_string(Status status);
