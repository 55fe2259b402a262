/* SPDX-License-Identifier: Apache-2.0 */

/*
 * crio-iod: the standard streams of all containers of a node. See README.md beside this file.
 */

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "peer/iod-protocol.h"
#include "stdio/streams.h"

#define PEERS_MAX 16

typedef struct Server {
        Iod iod;
        sd_event *event;
        int listen_fd;
        size_t n_peers;
} Server;

static int reply_error(sd_bus_error *ret_error, int r, const Error *error) {
        return sd_bus_error_set_errnof(ret_error, r, "%s", error_get_text(error, r));
}

static Streams *find(Server *server, const char *id, sd_bus_error *ret_error) {
        Streams *s = iod_find(&server->iod, id);

        if (!s)
                (void) sd_bus_error_setf(
                                ret_error,
                                IOD_ERROR_UNKNOWN,
                                "streams of container %s are not open",
                                id);
        return s;
}

static int method_open(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        int fds[3], dir_fd, stdin_open, journal, r;
        Server *server = userdata;
        StreamsMeta meta = {};
        const char *id, *name;
        int64_t log_size_max;

        r = sd_bus_message_read(m, "shsbxb", &id, &dir_fd, &name, &stdin_open, &log_size_max, &journal);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &meta.fields);
        if (r >= 0 && !id_is_valid(id))
                r = error_set(&error, -EINVAL, STATUS_INVALID_ARGUMENT, "not an id: %s", id);
        if (r >= 0) {
                meta.id = strdup(id);
                meta.log_name = strdup(name);
                meta.log_size_max = log_size_max;
                meta.journal = journal;
                r = meta.id && meta.log_name ?
                                streams_open(&server->iod, &meta, dir_fd, stdin_open, fds, &error) :
                                -ENOMEM;
        }
        free(meta.id);
        free(meta.log_name);
        strv_free(meta.fields);
        if (r < 0)
                return reply_error(ret_error, r, &error);

        r = sd_bus_reply_method_return(m, "hhh", fds[0], fds[1], fds[2]);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close_fd(fds[i]);
        return r;
}

static int method_set_pid(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *id;
        uint32_t pid;
        Streams *s;
        int r;

        r = sd_bus_message_read(m, "su", &id, &pid);
        if (r < 0)
                return r;
        s = find(userdata, id, ret_error);
        if (!s)
                return -ENOENT;
        r = streams_set_pid(s, (pid_t) pid);
        return r < 0 ? reply_error(ret_error, r, NULL) : sd_bus_reply_method_return(m, NULL);
}

static int method_drain(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        uint64_t bytes;
        const char *id;
        Streams *s;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        s = find(userdata, id, ret_error);
        if (!s)
                return -ENOENT;
        streams_drain(s, &bytes);
        return sd_bus_reply_method_return(m, "t", bytes);
}

static int method_reopen(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        const char *id;
        Streams *s;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        s = find(userdata, id, ret_error);
        if (!s)
                return -ENOENT;
        r = streams_reopen(s, &error);
        return r < 0 ? reply_error(ret_error, r, &error) : sd_bus_reply_method_return(m, NULL);
}

static int method_close(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Server *server = userdata;
        const char *id;
        Streams *s;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        s = iod_find(&server->iod, id);
        if (s)
                streams_close(s);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_list(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Server *server = userdata;
        const char *id;
        size_t i = 0;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        while (r >= 0 && hashmap_next(server->iod.streams, &i, &id, NULL))
                r = sd_bus_message_append(reply, "s", id);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Open", "shsbxbas", "hhh", method_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetPid", "su", "", method_set_pid, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Drain", "s", "t", method_drain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reopen", "s", "", method_reopen, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Close", "s", "", method_close, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("List", "", "as", method_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int peer_on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        sd_bus *bus = sd_bus_message_get_bus(m);
        Server *server = userdata;

        server->n_peers--;
        (void) sd_bus_detach_event(bus); /* fails only when it is not attached */
        sd_bus_close_unref(bus);
        return 0;
}

/* Tests let us die or refuse before a call is looked at. */
static int peer_on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *member = sd_bus_message_get_member(m);

        if (!member || fault_point("iod", member, "before") >= 0)
                return 0;
        return sd_bus_reply_method_errnof(m, EIO, "a test failed %s", member);
}

static int peer_new(Server *server, int fd) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                close_fd(fd);
        if (r >= 0)
                r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, server->event, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0 && fault_get_directory())
                r = sd_bus_add_filter(bus, NULL, peer_on_message, server);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, IOD_PATH, IOD_INTERFACE, vtable, server);
        if (r >= 0)
                r = sd_bus_match_signal(
                                bus,
                                NULL,
                                "org.freedesktop.DBus.Local",
                                NULL,
                                "org.freedesktop.DBus.Local",
                                "Disconnected",
                                peer_on_disconnected,
                                server);
        if (r < 0)
                return r;
        server->n_peers++;
        TAKE_PTR(bus); /* peer_on_disconnected() drops it */
        return 0;
}

static int on_listen(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata) {
        Server *server = userdata;
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int fd, r;

        fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
                return 0;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != 0 ||
            server->n_peers >= PEERS_MAX) {
                log_warning("connection refused");
                close_fd(fd);
                return 0;
        }
        r = peer_new(server, fd);
        if (r < 0)
                log_warning("connection: %s, closing it", STRERROR(r));
        return 0;
}

/* The listening socket, and everything that a process before us put into the fd store. */
static int take_fds(Server *server) {
        _cleanup_strv_ char **names = NULL;
        int spool = -EBADF, entry = -EBADF, n, r;

        n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (streq(names[i], "spool"))
                        spool = fd;
                else if (streq(names[i], "journal"))
                        entry = fd;
                else if (startswith(names[i], "c-"))
                        (void) iod_add_stored(&server->iod, names[i], fd); /* what is of no use is closed */
                else if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
                        server->listen_fd = fd;
                else
                        close_fd(fd);
        }
        if (server->listen_fd < 0) {
                log_error("no listening socket was passed; start crio-iod.socket, not the program");
                return -ENOTCONN;
        }
        if (n > 1)
                log_info("took over %d descriptors", n - 1);
        r = spool_init(&server->iod.spool, spool, entry);
        return r < 0 ? r : iod_restore(&server->iod);
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
                r = iod_init(&server->iod, server->event);
        if (r >= 0)
                r = take_fds(server);
        if (r >= 0)
                r = sd_event_add_io(server->event, NULL, server->listen_fd, EPOLLIN, on_listen, server);
        if (r < 0)
                return r;
        (void) sd_notify(false, "READY=1"); /* nobody listens when started by hand */
        return sd_event_loop(server->event);
}

int main(void) {
        Server server = { .listen_fd = -EBADF };
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
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
