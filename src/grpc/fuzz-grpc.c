/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/fuzz.h"
#include "basic/log.h"
#include "grpc/server.h"

/* The first byte of the input adds what makes the rest an HTTP/2 connection. */
#define WITH_PREFACE 1

static void handle_echo(GrpcCall *call, const void *data, size_t size, void *userdata) {
        grpc_call_reply(call, data, size);
}

static void on_http1(const char *path, Http1Reply *reply, void *userdata) {
        reply->status = 200;
        reply->body = strdup(path);
}

static const GrpcMethod methods[] = { { "/t.T/Echo", handle_echo, false }, {} };

static int connect_to(const struct sockaddr_un *address) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(connect(fd, (const struct sockaddr *) address, sizeof(*address)), 0);
        return fd;
}

/* Whatever a connection says, the server answers the next one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
        static const char request[] = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";
        const GrpcServerOptions options = { .methods = methods, .http1 = on_http1 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(grpc_server_freep) GrpcServer *server = NULL;
        _cleanup_close_ int fd = -EBADF, other = -EBADF;
        sd_event *event = NULL;
        char answer[4096];
        ssize_t n;
        int listening;

        if (size < 1 || size > 64 * KIB)
                return 0;
        log_set_level(LOG_ERR);
        (void) snprintf(address.sun_path,
                        sizeof(address.sun_path),
                        "/tmp/fuzz-grpc-%d",
                        (int) getpid()); /* fits */
        (void) unlink(address.sun_path); /* of the run before */
        listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_EQ(bind(listening, (struct sockaddr *) &address, sizeof(address)), 0);
        ASSERT_EQ(listen(listening, 8), 0);
        ASSERT_TRUE(sd_event_new(&event) >= 0);
        ASSERT_EQ(grpc_server_new(event, listening, &options, &server), 0);

        fd = connect_to(&address);
        if (data[0] & WITH_PREFACE)
                ASSERT_EQ(send(fd, preface, sizeof(preface) - 1, MSG_NOSIGNAL), sizeof(preface) - 1);
        (void) send(fd, data + 1, size - 1, MSG_NOSIGNAL); /* as much as fits */
        while (sd_event_run(event, 0) > 0)
                (void) recv(fd, answer, sizeof(answer), MSG_DONTWAIT); /* or the server would wait for us */

        other = connect_to(&address);
        ASSERT_EQ(send(other, request, strlen(request), MSG_NOSIGNAL), strlen(request));
        while (sd_event_run(event, 0) > 0)
                ;
        n = recv(other, answer, sizeof(answer), MSG_DONTWAIT);
        ASSERT_TRUE(n > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0);

        server = grpc_server_free(server);
        sd_event_unref(event);
        (void) unlink(address.sun_path);
        return 0;
}
