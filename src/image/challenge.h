/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Challenge: what a WWW-Authenticate header asks for. Foreign input. Source: RFC 9110, section 11.6.1.
 */

#include "basic/macros.h"

#define CHALLENGE_VALUE_MAX 2048

typedef struct Challenge {
        bool basic, bearer;
        char *realm, *service; /* of bearer; owned */
} Challenge;

/* Adds one header's challenges. 0; -EINVAL: it makes no sense from some point on; -ENOMEM. */
int challenge_parse(const char *header, Challenge *ret);
void challenge_done(Challenge *c);
