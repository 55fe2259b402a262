/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Security features of a request that this version does not have: asked for, they make the call fail, as a
 * container that runs with less protection than its owner believes is worse than none. For cri/ only.
 *
 * All return 0, or negative errno with UNIMPLEMENTED, INVALID_ARGUMENT for values that mean nothing.
 */

#include "basic/error.h"
#include "proto/cri.pb-c.h"

/* "WHAT was asked for, which this version does not have". Returns -EOPNOTSUPP. */
int confinement_refuse(Error *error, const char *what);

/* A user namespace of the pod; that of the node is what everybody has. */
int confinement_check_userns(const Runtime__V1__NamespaceOption *options, Error *error);

/* An SELinux label, on nodes that have SELinux. */
int confinement_check_selinux(const Runtime__V1__SELinuxOption *options, Error *error);

/* Seccomp, AppArmor, SELinux and user namespace of a container; the deprecated fields count where the new
 * ones are not set. */
int confinement_check(const Runtime__V1__LinuxContainerSecurityContext *security, Error *error);
