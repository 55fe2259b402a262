/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Place: where the programs in launch/ and core/ meet on disk.
 */

#define PRIVATE_DIR "/run/crio/private"
#define PRIVATE_MNT_NS PRIVATE_DIR "/mnt"
#define PRIVATE_ROOTFS PRIVATE_DIR "/rootfs"
#define PRIVATE_PODS PRIVATE_DIR "/pods"
