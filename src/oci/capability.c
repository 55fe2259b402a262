/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/capability.h"

#include <strings.h>
#include <sys/prctl.h>

#include "basic/str.h"

static const char *const capability_table[] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};

int capability_from_string(const char *name) {
        if (strncasecmp(name, "CAP_", 4) == 0)
                name += 4;
        for (size_t i = 0; i < ELEMENTSOF(capability_table); i++)
                if (strcasecmp(capability_table[i] + 4, name) == 0)
                        return (int) i;
        return -EINVAL;
}

const char *capability_to_string(unsigned number) {
        return number < ELEMENTSOF(capability_table) ? capability_table[number] : NULL;
}

uint64_t capability_bounding_set(void) {
        uint64_t set = 0;

        for (unsigned i = 0; i < ELEMENTSOF(capability_table); i++)
                if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
                        set |= UINT64_C(1) << i;
        return set;
}

static bool has_all(char *const *l) {
        STRV_FOREACH(s, l)
                if (strcasecmp(*s, "ALL") == 0)
                        return true;
        return false;
}

static int to_mask(char *const *l, const char *why, uint64_t *ret, Error *error) {
        uint64_t set = 0;

        STRV_FOREACH(s, l) {
                int n = capability_from_string(*s);

                if (strcasecmp(*s, "ALL") == 0)
                        continue;
                if (n < 0)
                        return error_set(
                                        error,
                                        n,
                                        STATUS_INVALID_ARGUMENT,
                                        "unknown capability \"%.100s\" to %s",
                                        *s,
                                        why);
                set |= UINT64_C(1) << n;
        }
        *ret = set;
        return 0;
}

int capability_apply(char *const *base, char *const *add, char *const *drop, uint64_t *ret, Error *error) {
        uint64_t set = 0, added = 0, dropped = 0;
        int r;

        r = to_mask(base, "give by default", &set, error);
        if (r >= 0)
                r = to_mask(add, "add", &added, error);
        if (r >= 0)
                r = to_mask(drop, "drop", &dropped, error);
        if (r < 0)
                return r;

        if (has_all(add))
                set = UINT64_MAX;
        if (has_all(drop))
                set = 0;
        *ret = (set | added) & ~dropped;
        return 0;
}
