/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sweeper: removes control groups of commands whose processes take a moment to end.
 *
 * A killed process leaves its group some milliseconds later, and nobody says so without a watch of its own;
 * these few are tried again with growing pauses. What is given up goes with the container's scope. For core/
 * only.
 */

#include "basic/error.h"

typedef struct sd_event sd_event;
typedef struct Sweeper Sweeper;

#define SWEEPER_MAX 1024 /* groups that wait */

/* 0 or negative errno. */
int sweeper_new(sd_event *event, Sweeper **ret);
Sweeper *sweeper_free(Sweeper *s);

/**
 * sweeper_release() - a command has ended
 * @cgroup:  its group, below CGROUP_ROOT, a child of the container's own
 * @kill:    what is left of it ends, too; else it goes on as a process of the container
 */
void sweeper_release(Sweeper *s, const char *cgroup, bool kill);
