/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/http1.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/buffer.h"
#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "format/http-head.h"

#define CONNECTIONS_MAX 32
#define HEAD_SIZE_MAX (16 * KIB)
#define REPLY_SIZE_MAX (16 * MIB)
#define IDLE_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define TIMEOUT_ACCURACY_USEC (1 * USEC_PER_SEC)

typedef struct Connection Connection;

struct Http1 {
        sd_event *event;
        Http1Handler handler;
        void *userdata;
        Connection *connections; /* owned; at most CONNECTIONS_MAX */
        size_t n_connections;
};

struct Connection {
        Http1 *http1;
        Connection *next, *previous;
        int fd;
        sd_event_source *io_source, *timer_source;
        Buffer in, out;
        size_t n_sent;       /* of @out */
        uint64_t skip_bytes; /* of a body that nobody wants */
        bool closing;        /* after what is in @out */
};

static Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;

        if (c->next)
                c->next->previous = c->previous;
        if (c->previous)
                c->previous->next = c->next;
        else if (c->http1->connections == c)
                c->http1->connections = c->next;
        c->http1->n_connections--;
        sd_event_source_disable_unref(c->io_source);
        sd_event_source_disable_unref(c->timer_source);
        buffer_done(&c->in);
        buffer_done(&c->out);
        close_fd(c->fd);
        free(c);
        return NULL;
}

static const char *reason_phrase(unsigned status) {
        static const struct {
                unsigned status;
                const char *text;
        } texts[] = {
                { 200, "OK" },
                { 400, "Bad Request" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 413, "Content Too Large" },
                { 431, "Request Header Fields Too Large" },
                { 500, "Internal Server Error" },
                { 501, "Not Implemented" },
        };

        FOREACH_ELEMENT(t, texts)
                if (t->status == status)
                        return t->text;
        return "Unknown";
}

static void connection_answer(Connection *c, const Http1Reply *reply, bool with_body) {
        const char *body = strempty(reply->body);
        time_t now = time(NULL);
        char date[64] = "";
        struct tm tm;

        if (gmtime_r(&now, &tm))
                (void) strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm); /* fits */
        (void) buffer_addf(
                        &c->out,
                        "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                        reply->status,
                        reason_phrase(reply->status),
                        date,
                        reply->content_type,
                        strlen(body),
                        c->closing ? "Connection: close\r\n" : "");
        if (with_body)
                (void) buffer_adds(&c->out, body); /* a failure of either is seen before it is sent */
}

/* What can not be understood has no end that we know. */
static void connection_refuse(Connection *c, int r) {
        const Http1Reply reply = {
                .status = r == -EFBIG            ? 413 :
                                r == -EMSGSIZE   ? 431 :
                                r == -EOPNOTSUPP ? 501 :
                                r == -ENOMEM     ? 500 :
                                                   400,
                .content_type = "text/plain; charset=utf-8",
        };

        c->closing = true;
        connection_answer(c, &reply, true);
}

static void connection_serve(Connection *c, const HttpHead *head) {
        Http1Reply reply = { .status = 404, .content_type = "text/plain; charset=utf-8" };

        c->skip_bytes = head->body_bytes;
        c->closing = !head->keep_alive;
        if (head->method == HTTP_OTHER)
                reply.status = 405;
        else
                c->http1->handler(head->path, &reply, c->http1->userdata);
        connection_answer(c, &reply, head->method != HTTP_HEAD);
        free(reply.body);
}

/* The next request of what was read. Whether there is something to send now. */
static bool connection_next(Connection *c) {
        size_t skip = (size_t) MIN(c->skip_bytes, (uint64_t) c->in.size), size;
        HttpHead head;
        int r;

        buffer_consume(&c->in, skip);
        c->skip_bytes -= skip;
        if (c->skip_bytes > 0 || c->in.size == 0)
                return false;
        size = http_head_find_end(c->in.data, c->in.size);
        if (size == 0) {
                if (c->in.size < HEAD_SIZE_MAX)
                        return false;
                connection_refuse(c, -EMSGSIZE);
                return true;
        }
        r = http_head_parse(c->in.data, size, &head);
        buffer_consume(&c->in, size);
        if (r < 0) {
                connection_refuse(c, r);
                return true;
        }
        connection_serve(c, &head);
        http_head_done(&head);
        return true;
}

/* 0: all is sent; -EAGAIN; another negative errno. */
static int connection_send(Connection *c) {
        while (c->n_sent < c->out.size) {
                ssize_t n = send(c->fd, c->out.data + c->n_sent, c->out.size - c->n_sent, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                c->n_sent += (size_t) n;
        }
        c->n_sent = 0;
        buffer_reset(&c->out);
        return c->closing ? -ESHUTDOWN : 0;
}

/* 0 when something was read, -EAGAIN, another negative errno. */
static int connection_read(Connection *c) {
        size_t room = HEAD_SIZE_MAX - c->in.size;
        void *to;
        ssize_t n;
        int r;

        r = buffer_reserve(&c->in, room, &to);
        if (r < 0)
                return r;
        do
                n = read(c->fd, to, room);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        buffer_grow(&c->in, (size_t) n);
        return 0;
}

/* Requests are answered one after the other; while an answer waits to be read, nothing more is taken. */
static int connection_run(Connection *c) {
        int r;

        for (;;) {
                r = connection_send(c);
                if (r == -EAGAIN)
                        return sd_event_source_set_io_events(c->io_source, EPOLLOUT);
                if (r < 0)
                        return r;
                if (connection_next(c)) {
                        if (c->out.error < 0)
                                return c->out.error;
                        continue;
                }
                r = connection_read(c);
                if (r == -EAGAIN)
                        return sd_event_source_set_io_events(c->io_source, EPOLLIN);
                if (r < 0)
                        return r;
        }
}

static int connection_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Connection *c = userdata;
        int r;

        r = connection_run(c);
        if (r >= 0)
                r = sd_event_source_set_time_relative(c->timer_source, IDLE_TIMEOUT_USEC);
        if (r < 0)
                (void) connection_free(c); /* it left, or can not be helped */
        return 0;
}

static int connection_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) connection_free(userdata);
        return 0;
}

int http1_new(sd_event *event, Http1Handler handler, void *userdata, Http1 **ret) {
        Http1 *h = new0(Http1, 1);

        if (!h)
                return -ENOMEM;
        *h = (Http1){ .event = event, .handler = handler, .userdata = userdata };
        *ret = h;
        return 0;
}

Http1 *http1_free(Http1 *h) {
        if (!h)
                return NULL;
        while (h->connections)
                (void) connection_free(h->connections);
        free(h);
        return NULL;
}

static int connection_new(Http1 *h, int fd) {
        Connection *c;
        int r;

        c = h->n_connections < CONNECTIONS_MAX ? new0(Connection, 1) : NULL;
        if (!c) {
                close_fd(fd);
                return h->n_connections < CONNECTIONS_MAX ? -ENOMEM : -EMFILE;
        }
        *c = (Connection){ .http1 = h,
                           .fd = fd,
                           .next = h->connections,
                           .in = BUFFER_INIT(HEAD_SIZE_MAX),
                           .out = BUFFER_INIT(REPLY_SIZE_MAX) };
        if (c->next)
                c->next->previous = c;
        h->connections = c;
        h->n_connections++;

        r = fd_set_nonblock(fd, true);
        if (r >= 0)
                r = sd_event_add_io(h->event, &c->io_source, fd, EPOLLIN, connection_on_io, c);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                h->event,
                                &c->timer_source,
                                CLOCK_MONOTONIC,
                                IDLE_TIMEOUT_USEC,
                                TIMEOUT_ACCURACY_USEC,
                                connection_on_timer,
                                c);
        if (r < 0)
                (void) connection_free(c);
        return r;
}

void http1_add(Http1 *h, int fd) {
        int r = connection_new(h, fd);

        if (r < 0)
                log_warning("http: connection: %s, closing it", STRERROR(r));
}
