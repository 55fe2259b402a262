/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "grpc/call-internal.h"
#include "grpc/connection.h"
#include "grpc/http1.h"

/* "PRI * HTTP/2.0": three bytes tell it from every HTTP/1.1 method. */
#define PREFACE "PRI"
#define PREFACE_SIZE 3
/* A client that says nothing for so long after it connected is let go. */
#define SNIFF_TIMEOUT_USEC (5 * USEC_PER_SEC)
/* How long, when we end, one that has just connected may take to say its first words: what it sends is then
 * not lost but told to come again. */
#define DRAIN_SNIFF_USEC (250 * USEC_PER_MSEC)

/* A connection of which we do not know yet what it speaks, or which one it became. */
typedef struct Peer {
        GrpcServer *server;
        struct Peer *next, *previous;
        int fd;
        sd_event_source *sniff_source, *timeout_source;
        GrpcConnection *connection;
} Peer;

struct GrpcServer {
        sd_event *event;
        sd_event_source *listen_source;
        int listen_fd;
        GrpcServerOptions options;
        Http1 *http1;
        Peer *peers;
        size_t n_peers, held;
        uint64_t drain_usec; /* since when; 0: it serves */
};

const GrpcServerOptions *grpc_server_get_options(const GrpcServer *s) {
        return &s->options;
}

sd_event *grpc_server_get_event(const GrpcServer *s) {
        return s->event;
}

void grpc_server_hold(GrpcServer *s, ssize_t delta) {
        Peer *greediest = NULL;

        s->held += (size_t) delta;
        if (delta < 0 || s->held <= GRPC_HELD_MAX)
                return;
        for (Peer *p = s->peers; p; p = p->next)
                if (p->connection &&
                    (!greediest ||
                     grpc_connection_get_held(p->connection) >
                                     grpc_connection_get_held(greediest->connection)))
                        greediest = p;
        if (!greediest)
                return;
        log_warning("grpc: clients hold %zu bytes, closing the connection that holds most", s->held);
        grpc_connection_abort(greediest->connection);
}

static Peer *peer_free(Peer *p) {
        if (!p)
                return NULL;

        if (p->previous)
                p->previous->next = p->next;
        else if (p->server->peers == p)
                p->server->peers = p->next;
        if (p->next)
                p->next->previous = p->previous;
        p->server->n_peers--;
        sd_event_source_disable_unref(p->sniff_source);
        sd_event_source_disable_unref(p->timeout_source);
        grpc_connection_free(p->connection);
        close_fd(p->fd);
        free(p);
        return NULL;
}

static void server_on_connection_closed(GrpcConnection *c, GrpcServer *s) {
        for (Peer *p = s->peers; p; p = p->next)
                if (p->connection == c) {
                        peer_free(p);
                        return;
                }
}

static int peer_on_sniff(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Peer *p = userdata;
        GrpcServer *s = p->server;
        char first[PREFACE_SIZE];
        ssize_t n;
        int r = 0;

        n = recv(fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0 && memcmp(first, PREFACE, (size_t) n) == 0 && n < PREFACE_SIZE &&
            !(revents & (EPOLLHUP | EPOLLRDHUP)))
                return 0; /* could still be either; the next byte or the timer ends it */

        p->sniff_source = sd_event_source_disable_unref(p->sniff_source);
        p->timeout_source = sd_event_source_disable_unref(p->timeout_source);
        if (n == PREFACE_SIZE && memcmp(first, PREFACE, PREFACE_SIZE) == 0) {
                r = grpc_connection_new(s, TAKE_FD(p->fd), server_on_connection_closed, &p->connection);
                if (r < 0)
                        log_warning("grpc: connection: %s, closing it", STRERROR(r));
                else if (s->drain_usec > 0)
                        grpc_connection_drain(p->connection);
        } else if (n > 0 && s->http1)
                http1_add(s->http1, TAKE_FD(p->fd));
        if (!p->connection)
                peer_free(p);
        return 0;
}

static int peer_on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        peer_free(userdata);
        return 0;
}

static int peer_new(GrpcServer *s, int fd) {
        Peer *p = new0(Peer, 1);
        int r;

        if (!p) {
                close_fd(fd);
                return -ENOMEM;
        }
        *p = (Peer){ .server = s, .fd = fd, .next = s->peers };
        if (p->next)
                p->next->previous = p;
        s->peers = p;
        s->n_peers++;

        /* By edges: bytes that are peeked at and stay would wake us for ever. */
        r =
                        sd_event_add_io(s->event,
                                        &p->sniff_source,
                                        fd,
                                        EPOLLIN | EPOLLRDHUP | EPOLLET,
                                        peer_on_sniff,
                                        p);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                s->event,
                                &p->timeout_source,
                                CLOCK_MONOTONIC,
                                SNIFF_TIMEOUT_USEC,
                                0,
                                peer_on_timeout,
                                p);
        if (r < 0)
                peer_free(p);
        return r;
}

static int server_on_listen(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata) {
        GrpcServer *s = userdata;
        int fd, r;

        fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        log_warning("grpc: accept: %m, ignoring");
                return 0;
        }
        if (s->n_peers >= GRPC_CONNECTIONS_MAX) {
                log_warning("grpc: more than %d connections, closing the new one", GRPC_CONNECTIONS_MAX);
                close_fd(fd);
                return 0;
        }
        r = peer_new(s, fd);
        if (r < 0)
                log_warning("grpc: accept: %s, closing the connection", STRERROR(r));
        return 0;
}

int grpc_server_new(sd_event *event, int listen_fd, const GrpcServerOptions *options, GrpcServer **ret) {
        _cleanup_(grpc_server_freep) GrpcServer *s = new0(GrpcServer, 1);
        int r;

        if (!s) {
                close_fd(listen_fd);
                return -ENOMEM;
        }
        *s = (GrpcServer){ .event = event, .listen_fd = listen_fd, .options = *options };
        if (s->options.message_max == 0)
                s->options.message_max = GRPC_MESSAGE_MAX;

        r = fd_set_nonblock(listen_fd, true);
        if (r >= 0 && options->http1)
                r = http1_new(event, options->http1, options->userdata, &s->http1);
        if (r >= 0)
                r = sd_event_add_io(event, &s->listen_source, listen_fd, EPOLLIN, server_on_listen, s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

GrpcServer *grpc_server_free(GrpcServer *s) {
        if (!s)
                return NULL;

        while (s->peers)
                peer_free(s->peers);
        http1_free(s->http1);
        sd_event_source_disable_unref(s->listen_source);
        close_fd(s->listen_fd);
        free(s);
        return NULL;
}

void grpc_server_drain(GrpcServer *s) {
        s->drain_usec = now_usec();
        s->listen_source = sd_event_source_disable_unref(s->listen_source);
        for (Peer *p = s->peers; p; p = p->next)
                if (p->connection)
                        grpc_connection_drain(p->connection);
}

bool grpc_server_is_drained(const GrpcServer *s) {
        for (const Peer *p = s->peers; p; p = p->next)
                if (p->connection || now_usec() < s->drain_usec + DRAIN_SNIFF_USEC)
                        return false;
        return true;
}
