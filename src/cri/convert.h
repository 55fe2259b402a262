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

/* What all containers of a pod may use, and what the pod itself needs. @sum, @overhead: NULL allowed. */
int convert_pod_resources(
                const Runtime__V1__LinuxContainerResources *sum,
                const Runtime__V1__LinuxContainerResources *overhead,
                ContainerResources *ret,
                Error *error);

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
