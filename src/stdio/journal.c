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
/* What may be on its way to journald: some dozens of lines, so that other programs find room in its queue.
 */
#define SEND_BUFFER (64 * KIB)
#define HEAD_MAX 192
#define GAP_MESSAGE_ID "5b5d3bb8a0b94c43a9f1d6b8a7c7f2ee"

int journal_open(void) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
        _cleanup_close_ int fd = -EBADF;
        int size = SEND_BUFFER;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* any size works */
        return connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : TAKE_FD(fd);
}

/* MESSAGE with its length, so that any byte may be in it. @head: further fields. */
static int send_entry(int fd, const Slot *slot, const char *head, const char *message, size_t size) {
        uint64_t length = htole64(size);
        char object[sizeof("OBJECT_PID=\n") + DECIMAL_MAX] = "";
        struct iovec iov[] = {
                { (void *) slot->fields, strlen(slot->fields) },
                { object, 0 },
                { (void *) head, strlen(head) },
                { (void *) "MESSAGE\n", sizeof("MESSAGE\n") - 1 },
                { &length, sizeof(length) },
                { (void *) message, size },
                { (void *) "\n", 1 },
        };
        const struct msghdr m = { .msg_iov = iov, .msg_iovlen = ELEMENTSOF(iov) };

        if (slot->pid > 0)
                iov[1].iov_len = (size_t) snprintf(object, sizeof(object), "OBJECT_PID=%d\n", slot->pid);
        return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int journal_send(int fd, const Slot *slot, const Record *record) {
        static const char *const heads[_RECORD_STREAM_MAX][2] = {
                { "PRIORITY=6\n", "PRIORITY=6\nCONTAINER_PARTIAL_MESSAGE=true\n" },
                { "PRIORITY=3\n", "PRIORITY=3\nCONTAINER_PARTIAL_MESSAGE=true\n" },
        };

        static_assert(LOG_INFO == 6 && LOG_ERR == 3, "priorities of the streams");
        return send_entry(fd, slot, heads[record->stream][record->partial], record->content, record->size);
}

int journal_send_gap(int fd, const Slot *slot, uint64_t n_lines) {
        char head[HEAD_MAX], text[HEAD_MAX];
        int n;

        (void) snprintf(head,
                        sizeof(head),
                        "PRIORITY=4\nMESSAGE_ID=" GAP_MESSAGE_ID "\nCONTAINER_LINES_MISSING=%" PRIu64 "\n",
                        n_lines); /* fits */
        n = snprintf(text,
                     sizeof(text),
                     "%" PRIu64 " lines are not in the journal, it was too slow for them%s",
                     n_lines,
                     slot->flags & SLOT_MEMORY ? "" : "; the log file has them");
        return send_entry(fd, slot, head, text, (size_t) n);
}
