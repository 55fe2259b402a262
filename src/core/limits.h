/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Limits: what a pod or container may use, as properties of its slice or scope.
 *
 * The runtime writes limits into the control groups below a scope, and not every runtime tells PID 1. What
 * is made here keeps PID 1's view the same as the kernel's. Source: systemd.resource-control(5).
 */

#include "oci/resources.h"
#include "unit/unit-spec.h"

/* CPUs or memory nodes in a list; the kernel's own bound is 8192 CPUs. */
#define LIMITS_SET_BYTES (8192 / 8)
#define LIMITS_MAX (OCI_PROPERTIES_MAX + 2)

/* For one call; the extras point into it. */
typedef struct Limits {
        UnitExtra extras[LIMITS_MAX];
        size_t n;
        uint8_t cpus[LIMITS_SET_BYTES], mems[LIMITS_SET_BYTES];
} Limits;

/* @pids_limit, @cpu_weight: see oci_resources_list_properties(). 0; -EINVAL with INVALID_ARGUMENT and a text
 * for a list of CPUs or memory nodes that is none. */
int limits_fill(Limits *l, const ContainerResources *res, int64_t pids_limit, bool cpu_weight, Error *error);

/* @to: empty. 0 or -ENOMEM. */
int limits_copy(const ContainerResources *from, ContainerResources *to);

/* What is given replaces what is there, but for oom_score_adj, which is of the start. 0 or -ENOMEM. */
int limits_merge(ContainerResources *to, const ContainerResources *from);

/* "0-3,7" as a bit mask, lowest bit first. @set: of LIMITS_SET_BYTES. -EINVAL: no such list; -ERANGE: beyond
 * the mask. */
int limits_parse_set(const char *text, uint8_t *set, size_t *ret_size);
