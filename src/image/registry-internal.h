/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the registry client share. For image/registry*.c only.
 */

#include "image/registry.h"

#define REGISTRY_URL_MAX 8192
#define REGISTRY_ATTEMPTS_MAX 3

struct Registry {
        Http *http;
        RegistryOptions options; /* what it points to is borrowed, but for the next two */
        char *host, *repository;
        const char *scheme;
        Challenge challenge; /* of the ping */
        char *authorization; /* header line; NULL: none */
};

/* Gets what the challenge asks for, a new token where there was one. @scope: NULL for pulling this one. */
int registry_authorize(Registry *r, const char *scope, Error *error);

/**
 * registry_request() - a request that is tried again while that makes sense
 * @attempts_max:  of all, the first one counted
 *
 * Gets a new token once when the old one is refused. Return: as http_run().
 */
int registry_request(
                Registry *r,
                const HttpRequest *request,
                unsigned attempts_max,
                HttpAnswer *ret,
                Error *error);

/* A moment before attempt @attempt (from 1), longer each time or as the registry said. -ECANCELED: nobody
 * wants it any more. */
int registry_wait(const Registry *r, unsigned attempt, uint64_t retry_after_sec);

/* Whether an answer (@r: of http_run()) may be a better one next time. */
bool registry_is_temporary(int r, long status);

/* What a registry says about a failure: {"errors":[{"code":…,"message":…}]}, or nothing to be shown. */
int registry_refuse(const HttpAnswer *answer, const char *what, Error *error);
