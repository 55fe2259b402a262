/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"
#include "peer/iod-protocol.h"

#define PEERS_MAX 16

static int reply_error(sd_bus_error *ret_error, int r, const Error *error) {
        const char *text = error_get_text(error, r);

        if (r == -ENOSPC)
                return sd_bus_error_set(ret_error, IOD_ERROR_FULL, text);
        return sd_bus_error_set_errnof(ret_error, r, "%s", text);
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

/* The log file, and its directory where the name counts. */
static int read_log(sd_bus_message *m, StreamsSpec *spec) {
        int *const fds[] = { &spec->log_fd, &spec->log_dir_fd };
        int r;

        r = sd_bus_message_enter_container(m, 'a', "h");
        for (size_t i = 0; i < ELEMENTSOF(fds) && r > 0; i++)
                r = sd_bus_message_read(m, "h", fds[i]);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static bool is_type(int fd, mode_t type) {
        struct stat st;

        return fd < 0 || (fstat(fd, &st) >= 0 && (st.st_mode & S_IFMT) == type);
}

static int check_spec(const StreamsSpec *spec, Error *error) {
        if (!id_is_valid(spec->id))
                return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "not an id: %s", spec->id);
        if (!is_type(spec->log_fd, S_IFREG) || !is_type(spec->log_dir_fd, S_IFDIR))
                return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "the log is not a regular file");
        if (spec->log_dir_fd >= 0 &&
            (!path_is_component(spec->log_name) || strlen(spec->log_name) >= TABLE_LOG_NAME_MAX))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "not the name of a log: %s",
                                spec->log_name);
        return 0;
}

/* The descriptors are duplicated by sd-bus. */
static int reply_fds(sd_bus_message *m, const int *fds) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "hh", fds[1], fds[2]);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "h");
        if (r >= 0 && fds[0] >= 0)
                r = sd_bus_message_append(reply, "h", fds[0]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_open(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_strv_ char **fields = NULL;
        StreamsSpec spec = { .log_fd = -EBADF, .log_dir_fd = -EBADF };
        int fds[3], stdin_open, journal, r;
        Server *server = userdata;

        r = sd_bus_message_read(
                        m,
                        "sbbxs",
                        &spec.id,
                        &stdin_open,
                        &journal,
                        &spec.log_size_max,
                        &spec.log_name);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &fields);
        if (r >= 0)
                r = read_log(m, &spec);
        if (r < 0)
                return r;
        spec.fields = fields;
        spec.stdin_open = stdin_open;
        spec.journal = journal;
        r = check_spec(&spec, &error);
        if (r >= 0)
                r = streams_open(&server->iod, &spec, fds, &error);
        if (r < 0)
                return reply_error(ret_error, r, &error);
        r = reply_fds(m, fds);
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
        streams_set_pid(s, (pid_t) pid);
        return sd_bus_reply_method_return(m, NULL);
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
        int fd, r;

        r = sd_bus_message_read(m, "sh", &id, &fd);
        if (r < 0)
                return r;
        s = find(userdata, id, ret_error);
        if (!s)
                return -ENOENT;
        if (!is_type(fd, S_IFREG))
                r = error_set(&error, -EINVAL, STATUS_INVALID_ARGUMENT, "the log is not a regular file");
        else {
                fd = fd_dup(fd);
                r = fd < 0 ? fd : streams_reopen(s, fd, &error);
        }
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
        SD_BUS_METHOD("Open", "sbbxsasah", "hhah", method_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetPid", "su", "", method_set_pid, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Drain", "s", "t", method_drain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reopen", "sh", "", method_reopen, SD_BUS_VTABLE_UNPRIVILEGED),
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

int server_listen(Server *server) {
        int r = fd_set_nonblock(server->listen_fd, true);

        return r < 0 ? r :
                       sd_event_add_io(server->event, NULL, server->listen_fd, EPOLLIN, on_listen, server);
}
