/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Device nodes of the host, looked up for a container.
 */

#include "oci/spec.h"

#define OCI_DEVICES_MAX 4096

typedef struct OciDevices {
        OciDevice *items; /* owned */
        size_t n;
} OciDevices;

void oci_devices_done(OciDevices *d);

/**
 * oci_devices_lookup() - what a container gets
 * @config:  its devices; a directory stands for all devices below it; all of /dev when it is privileged
 *
 * Return: 0; -EINVAL (no device there, bad permissions) with a text.
 */
int oci_devices_lookup(const ContainerConfig *config, OciDevices *ret, Error *error);
