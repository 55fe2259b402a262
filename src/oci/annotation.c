/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/annotation.h"

#include <stdlib.h>

#include "basic/str.h"

static const char *const gates[] = {
        /* instructions to crio */
        "cgroup2-mount-hierarchy-rw.crio.io",
        "cpu-c-states.crio.io",
        "cpu-freq-governor.crio.io",
        "cpu-load-balancing.crio.io",
        "cpu-quota.crio.io",
        "cpu-shared.crio.io",
        "devices.crio.io",
        "disable-fips.crio.io",
        "irq-load-balancing.crio.io",
        "link-logs.crio.io",
        "platform-runtime-path.crio.io",
        "pod-linux-overhead.crio.io",
        "pod-linux-resources.crio.io",
        "seccomp-notifier-action.crio.io",
        "seccomp-profile.crio.io",
        "shm-size.crio.io",
        "spoofed.crio.io",
        "try-skip-volume-selinux-label.crio.io",
        "umask.crio.io",
        "unified-cgroup.crio.io",
        "userns-mode.crio.io",
        /* the same by their older names, and what crio itself writes into the spec */
        "io.kubernetes.cri-o.",
        "seccomp-profile.kubernetes.cri-o.io",
        "io.container.manager",
        "org.opencontainers.image.stopSignal",
        /* instructions to hooks and runtimes */
        "bundle",
        "io.containers.trace-syscall",
        "io.kubernetes.cri.container-type",
        "io.kubernetes.cri.rdt-class",
        "module.wasm.image/variant",
        "org.criu.config",
        "org.systemd.property.",
        "run.oci.",
};

bool annotation_is_gated(const char *key) {
        FOREACH_ELEMENT(gate, gates)
                if (startswith(key, *gate))
                        return true;
        return false;
}

static bool is_allowed(const char *key, char *const *allowed) {
        STRV_FOREACH(prefix, allowed)
                if (!isempty(*prefix) && startswith(key, *prefix))
                        return true;
        return false;
}

void annotations_filter(char **pairs, char *const *allowed) {
        char **to = pairs;

        if (!pairs)
                return;
        for (char **from = pairs; *from; from += 2) {
                if (annotation_is_gated(from[0]) && !is_allowed(from[0], allowed)) {
                        free(from[0]);
                        free(from[1]);
                        continue;
                }
                to[0] = from[0];
                to[1] = from[1];
                to += 2;
        }
        *to = NULL;
}
