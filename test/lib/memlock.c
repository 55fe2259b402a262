/* SPDX-License-Identifier: Apache-2.0 */

/*
 * memlock COMMAND...: runs a command for which raising RLIMIT_MEMLOCK does nothing and succeeds.
 *
 * crun before 1.14 raises that limit without need before it loads a device filter, and fails where the machine
 * lacks CAP_SYS_RESOURCE. The kernel has charged such programs to the memory controller since 5.11.
 */

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <seccomp.h>

int main(int argc, char **argv) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r;

        if (argc < 2 || !filter)
                return 2;
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(setrlimit), 1, SCMP_A0(SCMP_CMP_EQ, RLIMIT_MEMLOCK));
        if (r >= 0)
                r = seccomp_rule_add(
                                filter,
                                SCMP_ACT_ERRNO(0),
                                SCMP_SYS(prlimit64),
                                2,
                                SCMP_A1(SCMP_CMP_EQ, RLIMIT_MEMLOCK),
                                SCMP_A2(SCMP_CMP_NE, 0));
        if (r >= 0)
                r = seccomp_load(filter);
        if (r < 0) {
                fprintf(stderr, "memlock: filter: %d\n", r);
                return 1;
        }
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        return 1;
}
