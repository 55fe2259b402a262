/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/http1.h"

#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"

#define CONNECTIONS_MAX 32
#define CONNECTION_MEMORY (32 * KIB)
#define IDLE_TIMEOUT_SEC 30

struct Http1 {
        Http1Handler handler;
        void *userdata;
        struct MHD_Daemon *daemon;
        sd_event_source *io_source, *timer_source;
};

static enum MHD_Result
on_request(void *userdata,
           struct MHD_Connection *connection,
           const char *url,
           const char *method,
           const char *version,
           const char *data,
           size_t *data_size,
           void **request) {
        Http1 *h = userdata;
        Http1Reply reply = { .status = MHD_HTTP_NOT_FOUND, .content_type = "text/plain; charset=utf-8" };
        struct MHD_Response *response;
        enum MHD_Result ok;

        *data_size = 0; /* a body is read and dropped */
        if (!streq(method, "GET") && !streq(method, "HEAD"))
                reply.status = MHD_HTTP_METHOD_NOT_ALLOWED;
        else
                h->handler(url, &reply, h->userdata);

        response = MHD_create_response_from_buffer(
                        reply.body ? strlen(reply.body) : 0,
                        reply.body,
                        MHD_RESPMEM_MUST_FREE);
        if (!response) {
                free(reply.body);
                return MHD_NO;
        }
        (void) MHD_add_response_header(
                        response,
                        "Content-Type",
                        reply.content_type); /* a static, valid header */
        ok = MHD_queue_response(connection, reply.status, response);
        MHD_destroy_response(response);
        return ok;
}

static void http1_run(Http1 *h) {
        MHD_UNSIGNED_LONG_LONG msec;

        (void) MHD_run(h->daemon); /* its connections fail on their own */
        if (MHD_get_timeout(h->daemon, &msec) == MHD_YES) {
                (void) sd_event_source_set_time_relative(h->timer_source, msec * USEC_PER_MSEC);
                (void) sd_event_source_set_enabled(
                                h->timer_source,
                                SD_EVENT_ONESHOT); /* both: sources of ours */
        }
}

static int http1_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        http1_run(userdata);
        return 0;
}

static int http1_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        http1_run(userdata);
        return 0;
}

int http1_new(sd_event *event, Http1Handler handler, void *userdata, Http1 **ret) {
        Http1 *h = new0(Http1, 1);
        const union MHD_DaemonInfo *info;
        int r;

        if (!h)
                return -ENOMEM;
        *h = (Http1){ .handler = handler, .userdata = userdata };

        h->daemon = MHD_start_daemon(
                        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET,
                        0,
                        NULL,
                        NULL,
                        on_request,
                        h,
                        MHD_OPTION_CONNECTION_LIMIT,
                        CONNECTIONS_MAX,
                        MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                        (size_t) CONNECTION_MEMORY,
                        MHD_OPTION_CONNECTION_TIMEOUT,
                        IDLE_TIMEOUT_SEC,
                        MHD_OPTION_END);
        info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
        r = info ? 0 : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_io(event, &h->io_source, info->epoll_fd, EPOLLIN, http1_on_io, h);
        if (r >= 0)
                r = sd_event_add_time(
                                event,
                                &h->timer_source,
                                CLOCK_MONOTONIC,
                                UINT64_MAX,
                                0,
                                http1_on_timer,
                                h);
        if (r < 0) {
                http1_free(h);
                return r;
        }
        *ret = h;
        return 0;
}

Http1 *http1_free(Http1 *h) {
        if (!h)
                return NULL;
        sd_event_source_disable_unref(h->io_source);
        sd_event_source_disable_unref(h->timer_source);
        if (h->daemon)
                MHD_stop_daemon(h->daemon);
        free(h);
        return NULL;
}

void http1_add(Http1 *h, int fd) {
        const struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (MHD_add_connection(h->daemon, fd, (const struct sockaddr *) &address, sizeof(sa_family_t)) !=
            MHD_YES) {
                log_warning("http: more than %d connections or no memory, closing the new one",
                            CONNECTIONS_MAX);
                return; /* the library has closed it */
        }
        http1_run(h);
}
