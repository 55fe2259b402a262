/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reference: the name of an image, taken apart and completed.
 *
 * "busybox" is "docker.io/library/busybox:latest". Source: the reference grammar of the OCI distribution
 * specification and of Docker.
 */

#include "basic/error.h"

#define REFERENCE_MAX 4096

typedef struct Reference {
        char *domain;     /* "docker.io", "127.0.0.1:5000" */
        char *repository; /* "library/busybox" */
        char *tag;        /* NULL when there is a digest */
        char *digest;     /* "sha256:…", or NULL */
} Reference;

/* -EINVAL with a text that says what is wrong. */
int reference_parse(const char *s, Reference *ret, Error *error);
void reference_done(Reference *r);

/* "docker.io/library/busybox:latest" or "…@sha256:…"; NULL without memory. */
char *reference_format(const Reference *r);

/* "docker.io/library/busybox" */
char *reference_format_name(const Reference *r);
