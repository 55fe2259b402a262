/* SPDX-License-Identifier: Apache-2.0 */

/*
 * crio-pause: PID 1 of a pod that shares one process namespace. Makes the namespace, reaps, and ends with
 * SIGTERM or SIGINT. Type=forking: the parent leaves when the child is ready, the child is the main process
 * of the unit.
 */

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static int reap(void) {
        sigset_t set;
        int signal_number;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        for (;;) {
                if (sigwait(&set, &signal_number) != 0)
                        return EXIT_FAILURE;
                if (signal_number != SIGCHLD)
                        return EXIT_SUCCESS;
                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ;
        }
}

int main(void) {
        sigset_t set;
        pid_t pid;

        sigfillset(&set);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || unshare(CLONE_NEWPID) < 0) {
                perror("crio-pause: make a process namespace");
                return EXIT_FAILURE;
        }

        pid = fork();
        if (pid < 0) {
                perror("crio-pause: fork");
                return EXIT_FAILURE;
        }
        if (pid > 0)
                _exit(EXIT_SUCCESS); /* the namespace has its first process: ready */

        (void) prctl(PR_SET_NAME, "pause"); /* for those who look */
        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
                return EXIT_FAILURE;
        return reap();
}
