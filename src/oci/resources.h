/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OciResources: "linux.resources" of the runtime spec, and what of it a node can give.
 *
 * A runtime fails when it is asked for a limit whose cgroup controller the node does not have (nested
 * nodes). Such limits are left out of the spec. All limits are properties of the container's scope as well,
 * because not every runtime makes them (crun 1.8 only the weight of the CPU): systemctl shows them, a
 * protection of memory needs them on the whole path, and they hold as soon as the controller is there.
 * Sources: OCI runtime-spec 1.0.2, config-linux.md; systemd.resource-control(5).
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

/* A property of a unit; all that a limit needs are of type uint64, UINT64_MAX is "infinity". */
typedef struct OciProperty {
        const char *name; /* static */
        uint64_t value;
} OciProperty;

#define OCI_PROPERTIES_MAX 16

/* What is asked for, as properties. @pids_limit: 0 says nothing about it, below that there is none.
 * @cpu_weight: also that one, which every runtime sets. @ret: of OCI_PROPERTIES_MAX. Number of them. */
size_t oci_resources_list_properties(
                const ContainerResources *res,
                int64_t pids_limit,
                bool cpu_weight,
                OciProperty *ret);

/* Adds them as "org.systemd.property.*". @mask: as above. 0 or -ENOMEM. */
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
