/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a client may ask of a container; a pure function of the request. For core/ only.
 */

#include "oci/config.h"

/* 0, or negative errno with INVALID_ARGUMENT (UNIMPLEMENTED for a tty) and a text that names the field. */
int container_config_check(const ContainerConfig *config, const PodConfig *pod, Error *error);
