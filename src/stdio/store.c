/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/store.h"

#include <stdio.h>

#include <systemd/sd-daemon.h>

#include "basic/str.h"

int fd_store_push(const char *name, int fd) {
        _cleanup_free_ char *message = str_join("FDSTORE=1\nFDPOLL=0\nFDNAME=", name, NULL);
        int r;

        if (!message)
                return -ENOMEM;
        r = sd_pid_notify_with_fds(0, false, message, &fd, 1);
        return MIN(r, 0);
}

int fd_store_remove(const char *name) {
        _cleanup_free_ char *message = str_join("FDSTOREREMOVE=1\nFDNAME=", name, NULL);
        int r;

        if (!message)
                return -ENOMEM;
        r = sd_notify(false, message);
        return MIN(r, 0);
}
