/* SPDX-License-Identifier: Apache-2.0 */

/* Does nothing until it is told to end. As PID 1 it would not get a signal without a handler. */

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t done;

static void on_signal(int number) {
        done = number;
}

int main(void) {
        signal(SIGTERM, on_signal);
        signal(SIGINT, on_signal);
        signal(SIGCHLD, SIG_IGN); /* nothing to reap */
        while (!done)
                pause();
        return 0;
}
