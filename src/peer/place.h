/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Place: where the programs in launch/ and core/ meet on disk.
 */

#define PRIVATE_DIR "/run/crio/private"
#define PRIVATE_MNT_NS PRIVATE_DIR "/mnt"
#define PRIVATE_ROOTFS PRIVATE_DIR "/rootfs"
#define PRIVATE_PODS PRIVATE_DIR "/pods"

/* Exit code of crio-pin when the kernel does not take a sysctl: the fault of whoever asked for it. */
#define PIN_EXIT_SYSCTL 2
