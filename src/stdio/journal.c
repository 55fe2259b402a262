/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/journal.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>

#include "basic/fd.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SEND_BUFFER (8 * MIB)

int journal_open(void) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
        _cleanup_close_ int fd = -EBADF;
        int size = SEND_BUFFER;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* a smaller one works, too */
        return connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : TAKE_FD(fd);
}

/* MESSAGE with its length, so that any byte may be in it. */
static int send_line(int fd, const char *fields, int priority, const char *line, size_t size) {
        uint64_t length = htole64(size);
        char head[] = "PRIORITY=0\nMESSAGE\n";
        struct iovec iov[] = {
                { (void *) fields, strlen(fields) },
                { head, sizeof(head) - 1 },
                { &length, sizeof(length) },
                { (void *) line, size },
                { (void *) "\n", 1 },
        };
        const struct msghdr m = { .msg_iov = iov, .msg_iovlen = ELEMENTSOF(iov) };

        head[sizeof("PRIORITY=") - 1] = (char) ('0' + priority);
        return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int say_lost(int fd, const char *fields, uint64_t *n_lost) {
        char text[96];
        int n, r;

        if (*n_lost == 0)
                return 0;
        n = snprintf(text,
                     sizeof(text),
                     "%" PRIu64 " lines are in the log file only, journald was too slow",
                     *n_lost);
        r = send_line(fd, fields, LOG_WARNING, text, (size_t) n);
        if (r >= 0)
                *n_lost = 0;
        return r;
}

void journal_send_lines(
                int fd,
                const char *fields,
                RecordStream stream,
                const char *data,
                size_t size,
                uint64_t *n_lost) {
        int priority = stream == RECORD_STDERR ? LOG_ERR : LOG_INFO;
        const char *end = data + size;

        while (data < end) {
                const char *newline = memchr(data, '\n', (size_t) (end - data));
                size_t n = newline ? (size_t) (newline - data) : (size_t) (end - data);

                if (fd < 0 || say_lost(fd, fields, n_lost) < 0 ||
                    send_line(fd, fields, priority, data, n) < 0)
                        (*n_lost)++;
                data += n + 1;
        }
}
