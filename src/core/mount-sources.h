/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where bind mounts of a container come from. For core/ only.
 */

#include "oci/config.h"

/* Mounts are passed on between the node and a container only where the source lies on a mount that is shared
 * (or, towards the container, a slave); elsewhere volumes would silently be missing. 0, or -EINVAL with a
 * text. Source: kernel, Documentation/filesystems/sharedsubtree.rst. */
int mount_sources_check(const ContainerConfig *config, Error *error);
