/* SPDX-License-Identifier: Apache-2.0 */

/* What containerd runs in every pod; the floor and we have nothing there. */

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void on_signal(int signal) {
        _exit(EXIT_SUCCESS);
}

int main(void) {
        (void) signal(SIGTERM, on_signal);
        (void) signal(SIGINT, on_signal);
        for (;;)
                pause();
}
