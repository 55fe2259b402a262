/* SPDX-License-Identifier: Apache-2.0 */

/*
 * crio-launch: ExecStart= of a container's service. Mounts the root file system where nobody else sees it
 * and becomes the OCI runtime.
 *
 *   crio-launch LOG STORE OPTIONS RUNTIME ARGUMENT…
 *
 * LOG gets the reason of a failure in the form that runtimes use for theirs; STORE is the directory that the
 * lower directories in OPTIONS (of overlay) are relative to.
 */

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "basic/fd.h"
#include "peer/place.h"

enum {
        ARG_LOG = 1,
        ARG_STORE,
        ARG_OPTIONS,
        ARG_RUNTIME,
        N_ARGS_MIN,
};

static int fail(const char *log, const char *what) {
        int saved = errno;
        FILE *f = fopen(log, "ae");

        if (f) {
                (void) fprintf(f, "{\"level\":\"error\",\"msg\":\"%s: %s\"}\n", what, STRERROR(saved));
                (void) fclose(f);
        }
        (void) fprintf(stderr, "crio-launch: %s: %s\n", what, STRERROR(saved));
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        int fd;

        if (argc < N_ARGS_MIN) {
                (void) fprintf(stderr, "usage: crio-launch LOG STORE OPTIONS RUNTIME ARGUMENT…\n");
                return EXIT_FAILURE;
        }

        fd = open(PRIVATE_MNT_NS, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
                return fail(argv[ARG_LOG], "enter the mount namespace of containers");
        if (unshare(CLONE_NEWNS) < 0)
                return fail(argv[ARG_LOG], "make a mount namespace");
        if (chdir(argv[ARG_STORE]) < 0)
                return fail(argv[ARG_LOG], "change to the store");
        if (mount("overlay", PRIVATE_ROOTFS, "overlay", 0, argv[ARG_OPTIONS]) < 0)
                return fail(argv[ARG_LOG], "mount the root file system");
        if (chdir("/") < 0)
                return fail(argv[ARG_LOG], "change to /");

        (void) execv(argv[ARG_RUNTIME], argv + ARG_RUNTIME);
        return fail(argv[ARG_LOG], "execute the OCI runtime");
}
