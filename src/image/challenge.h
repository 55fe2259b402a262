/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Challenge: what WWW-Authenticate headers ask for. Foreign input. Source: RFC 9110, section 11.6.1.
 */

#include "basic/macros.h"

#define CHALLENGE_VALUE_MAX 2048

typedef struct Challenge {
        bool basic, bearer;
        bool basic_first;              /* of the two, when both are there */
        bool insufficient_scope;       /* the bearer token does not reach far enough */
        char *realm, *service, *scope; /* of bearer; owned */
} Challenge;

/* Adds one header's challenges. 0; -EINVAL: it makes no sense from some point on; -ENOMEM. */
int challenge_parse(const char *header, Challenge *ret);
void challenge_done(Challenge *c);
