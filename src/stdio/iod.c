/* SPDX-License-Identifier: Apache-2.0 */

/*
 * crio-iod: the standard streams of all containers of a node. See README.md beside this file.
 */

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "stdio/server.h"

/* Told to stop while containers need us: ExecStopPost= of our unit starts us again before systemd lets go of
 * what is in the fd store. */
#define EXIT_COME_BACK 75

/* The listening socket, and everything that a process before us put into the fd store. */
static int take_fds(Server *server) {
        _cleanup_strv_ char **names = NULL;
        int spool = -EBADF, table = -EBADF, n, r;

        n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (streq(names[i], "spool"))
                        spool = fd;
                else if (streq(names[i], "table"))
                        table = fd;
                else if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
                        server->listen_fd = fd;
        }
        if (server->listen_fd < 0) {
                log_error("no listening socket was passed; start crio-iod.socket, not the program");
                return -ENOTCONN;
        }
        r = iod_init(&server->iod, server->event, table, spool);
        if (r == -EBADMSG)
                log_error("what another version of crio-iod has kept can not be read: install that version again, "
                          "the containers wait for it");
        if (r < 0)
                return r;
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (fd != spool && fd != table && fd != server->listen_fd)
                        iod_add_stored(&server->iod, names[i], fd);
        }
        if (n > 1)
                log_info("took over %d descriptors", n - 1);
        return iod_restore(&server->iod);
}

static int run(Server *server) {
        int r;

        r = sd_event_new(&server->event);
        if (r >= 0)
                r = sd_event_set_watchdog(server->event, true);
        if (r >= 0)
                r = sd_event_add_signal(server->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(server->event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = take_fds(server);
        if (r >= 0)
                r = server_listen(server);
        if (r < 0)
                return r;
        (void) sd_notify(false, "READY=1"); /* nobody listens when started by hand */
        r = sd_event_loop(server->event);
        if (r >= 0 && server->iod.streams && hashmap_size(server->iod.streams) > 0) {
                log_notice("%zu containers write through this process, coming back",
                           hashmap_size(server->iod.streams));
                server->come_back = true;
        }
        return r;
}

int main(void) {
        Server server = { .listen_fd = -EBADF, .iod = IOD_INIT };
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        (void) sigprocmask(SIG_BLOCK, &set, NULL); /* valid arguments */
        (void) umask(0027);
        log_open();
        fault_init();

        r = run(&server);
        if (r < 0)
                log_error("crio-iod: %s", STRERROR(r));
        iod_done(&server.iod);
        close_fd(server.listen_fd);
        sd_event_unref(server.event);
        return r < 0 ? EXIT_FAILURE : server.come_back ? EXIT_COME_BACK : EXIT_SUCCESS;
}
