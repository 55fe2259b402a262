/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OciResources: "linux.resources" of the runtime spec, and what of it a node can give.
 *
 * A runtime fails when it is asked for a limit whose cgroup controller the node does not have (nested
 * nodes). Such limits are left out of the spec and become properties of the container's scope: systemctl
 * shows them, and they hold as soon as the controller is there. Source: OCI runtime-spec 1.0.2,
 * config-linux.md.
 */

#include "format/json-field.h"
#include "oci/config.h"

typedef enum OciController {
        OCI_CONTROLLER_CPU,
        OCI_CONTROLLER_CPUSET,
        OCI_CONTROLLER_MEMORY,
        OCI_CONTROLLER_PIDS,
        OCI_CONTROLLER_IO,
        OCI_CONTROLLER_HUGETLB,
        _OCI_CONTROLLER_MAX,
        _OCI_CONTROLLER_INVALID = -EINVAL,
} OciController;

#define OCI_CONTROLLER(c) (1U << (c))

/* Name of the cgroup controller, static. */
const char *oci_controller_to_string(OciController controller);

/* Mask of those that are in a list of names; others are skipped. */
unsigned oci_controllers_parse(char *const *names);

/* Adds what is asked for to the "resources" object. 0; -EINVAL with INVALID_ARGUMENT and a text; -ENOMEM. */
int oci_resources_add(json_t *object, const ContainerResources *res, Error *error);

/* Removes what needs a controller that is not in @mask. */
void oci_resources_drop(json_t *object, unsigned mask);

/* Adds "org.systemd.property.*" for the limits that were removed. @pids_limit: below 1 for none. 0 or
 * -ENOMEM. */
int oci_resources_annotate(
                const ContainerResources *res,
                int64_t pids_limit,
                unsigned mask,
                json_t *annotations);

/**
 * oci_resources_format() - "linux.resources" for an update: what is given and possible, nothing else
 * @ret:  text, owned by the caller
 *
 * Return: 0; -EINVAL with a text; -ENOMEM.
 */
int oci_resources_format(const ContainerResources *resources, unsigned mask, char **ret, Error *error);
