/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/store.h"

#include <stdlib.h>

#include <systemd/sd-daemon.h>

#include "basic/number.h"
#include "basic/str.h"

/* units/crio-iod.service.in has the same number. */
#define FD_STORE_MAX 65536

int fd_store_push(const char *name, const int *fds, size_t n_fds) {
        _cleanup_free_ char *message = str_join("FDSTORE=1\nFDPOLL=0\nFDNAME=", name, NULL);
        int r;

        if (!message)
                return -ENOMEM;
        r = sd_pid_notify_with_fds(0, false, message, fds, (unsigned) n_fds);
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

size_t fd_store_get_max(void) {
        const char *e = getenv("FDSTORE");
        uint64_t n;

        return e && parse_u64(e, FD_STORE_MAX, &n) >= 0 ? (size_t) n : FD_STORE_MAX;
}
