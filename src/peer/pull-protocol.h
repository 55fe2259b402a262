/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names that crio and crio-pull use on the socket between them (sd-bus, peer to peer).
 *
 * Pull(s image, s root, s runroot, a{ss} credentials, s auth_file, s signature_policy, as insecure)
 *     → (i result, u status, s text, s image_id)
 * Progress(s phase, t done_bytes, t total_bytes), a signal; phase: "resolve", "layers" or "store"
 */

#define PULL_PATH "/io/cri_o/Pull"
#define PULL_INTERFACE "io.cri_o.Pull1"
#define PULL_METHOD "Pull"
#define PULL_SIGNAL "Progress"
#define PULL_SIGNAL_SIGNATURE "stt"
#define PULL_SIGNATURE "sssa{ss}ssas"
#define PULL_RESULT "iuss"
