/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Request: what crio asks of this crio-pull, and the way back. For pull/ only.
 */

#include "basic/error.h"

typedef struct Request Request;

struct Request {
        struct sd_bus *bus;
        struct sd_bus_message *call;
        char *image, *root, *runroot, *auth_file, *signature_policy;
        char *username, *password, *identity_token, *registry_token;
        char **insecure_registries;
};

/* Waits for the one request on a socket. */
int request_receive(int fd, Request *ret);
void request_done(Request *r);

/* Also tells whether crio is still there: -ECONNRESET. */
int request_report(Request *r, const char *phase, uint64_t done_bytes, uint64_t total_bytes);

/* Whether crio still waits for us. */
bool request_is_wanted(Request *r);

/* The answer. */
int request_answer(Request *r, int result, const char *image_id, const Error *error);
