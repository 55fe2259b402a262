/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The files that a pod gives to its containers: resolv.conf, hostname, hosts. For core/ only.
 */

#include "basic/error.h"

typedef struct Pod Pod;

/* Writes them into the directory of the pod; its addresses may be known or not. */
int pod_write_files(const Pod *p, Error *error);
