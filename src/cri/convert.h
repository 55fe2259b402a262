/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the messages of the CRI to the structs of oci/config.h.
 *
 * Everything is copied. What is asked for the sake of security and is not there is refused here. For cri/
 * only.
 */

#include "oci/config.h"
#include "proto/cri.pb-c.h"

/* @ret: json_field_done(pod_config_fields), also on failure. */
int convert_pod_config(
                const Runtime__V1__PodSandboxConfig *from,
                const char *handler,
                PodConfig *ret,
                Error *error);
int convert_container_config(const Runtime__V1__ContainerConfig *from, ContainerConfig *ret, Error *error);
int convert_resources(
                const Runtime__V1__LinuxContainerResources *from,
                ContainerResources *ret,
                Error *error);
