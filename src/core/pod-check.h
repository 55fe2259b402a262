/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a client may ask of a pod sandbox; a pure function of the request. For core/ only.
 */

#include "oci/config.h"

/* 0, or -EINVAL with INVALID_ARGUMENT and a text that names the field. */
int pod_config_check(const PodConfig *config, Error *error);
