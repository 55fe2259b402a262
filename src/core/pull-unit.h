/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * PullUnit: the transient unit of a crio-pull, and what that program may do. For core/images.c only.
 */

#include "basic/error.h"
#include "unit/systemd.h"

typedef struct Manager Manager;

typedef struct PullUnit {
        const char *name;  /* of the unit */
        const char *image; /* for its description */
        int fd;            /* its standard input */
        SystemdDone on_done;
        void *userdata;
} PullUnit;

/* As systemd_start_unit(). @p: borrowed for the call. */
int pull_unit_start(Manager *m, const PullUnit *p, SystemdCall **ret, Error *error);
