/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Limits that a client may ask for, at creation and later. For core/ only.
 */

#include "oci/config.h"

#define MEMORY_LIMIT_MIN (500 * KIB) /* what a container needs to come up at all */

/* 0, or -EINVAL with INVALID_ARGUMENT and a text that names the field and what it may be.
 * Source: cri-api, LinuxContainerResources; kernel, Documentation/admin-guide/cgroup-v2.rst. */
int resources_check(const ContainerResources *resources, Error *error);
