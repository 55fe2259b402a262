/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/log.h"

#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/number.h"
#include "basic/str.h"

#define LOG_LINE_MAX 8192
#define LOG_FIELD_MAX 256
/* A journald that does not listen for so long stands still. */
#define LOG_WAIT_MSEC 100

static int log_level = LOG_INFO;
static int log_journal_fd = -EBADF; /* negative: text to stderr */
static int log_n_lost;              /* messages that journald did not take */

/* $JOURNAL_STREAM names device and inode of the socket that systemd gave us as stderr (systemd.exec(5)). */
static bool stderr_is_journal(void) {
        _cleanup_strv_ char **parts = NULL;
        const char *e = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        if (!e || fstat(STDERR_FILENO, &st) < 0 || strv_split(e, ":", &parts) < 0 || strv_length(parts) != 2)
                return false;
        return parse_u64(parts[0], UINT64_MAX, &device) >= 0 &&
                        parse_u64(parts[1], UINT64_MAX, &inode) >= 0 && st.st_dev == device &&
                        st.st_ino == inode;
}

/* sd_journal_send() would wait for a journald that stands still, and we with it. */
void log_open(void) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX,
                                                    .sun_path = "/run/systemd/journal/socket" };
        _cleanup_close_ int fd = -EBADF;

        if (!stderr_is_journal())
                return;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return;
        close_fd(log_journal_fd);
        log_journal_fd = TAKE_FD(fd);
}

void log_set_level(int level) {
        log_level = level;
}

int log_get_level(void) {
        return log_level;
}

int log_level_from_string(const char *s) {
        static const struct {
                const char *name;
                int level;
        } levels[] = {
                { "panic", LOG_EMERG },  { "fatal", LOG_CRIT },      { "error", LOG_ERR },
                { "warn", LOG_WARNING }, { "warning", LOG_WARNING }, { "info", LOG_INFO },
                { "debug", LOG_DEBUG },  { "trace", LOG_DEBUG },
        };

        FOREACH_ELEMENT(l, levels)
                if (streq(s, l->name))
                        return l->level;
        return -EINVAL;
}

/* Native journal protocol; the text with its length, as there may be newlines in it. */
static int log_journal_send(int level, const char *field, const char *value, const char *text) {
        char head[LOG_FIELD_MAX], extra[LOG_FIELD_MAX] = "";
        uint64_t length = htole64(strlen(text));
        struct iovec iov[] = {
                { head, 0 },
                { extra, 0 },
                { (void *) "MESSAGE\n", sizeof("MESSAGE\n") - 1 },
                { &length, sizeof(length) },
                { (void *) text, strlen(text) },
                { (void *) "\n", 1 },
        };
        const struct msghdr m = { .msg_iov = iov, .msg_iovlen = ELEMENTSOF(iov) };

        iov[0].iov_len = (size_t) snprintf(
                        head,
                        sizeof(head),
                        "PRIORITY=%d\nSYSLOG_IDENTIFIER=%.64s\n",
                        level & LOG_PRIMASK,
                        program_invocation_short_name); /* fits */
        if (field && value && !strchr(value, '\n')) {
                int n = snprintf(extra, sizeof(extra), "%s=%s\n", field, value);

                iov[1].iov_len =
                                n < (int) sizeof(extra) ? (size_t) n : 0; /* left out where it is too long */
        }
        return sendmsg(log_journal_fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void log_journal(int level, const char *field, const char *value, const char *text) {
        struct pollfd writable = { .fd = log_journal_fd, .events = POLLOUT };
        char lost[96];
        int r = 0;

        if (log_n_lost > 0) {
                (void) snprintf(lost,
                                sizeof(lost),
                                "%d messages are missing here, the journal did not take them",
                                log_n_lost); /* fits */
                r = log_journal_send(LOG_WARNING, NULL, NULL, lost);
                if (r >= 0)
                        log_n_lost = 0;
        }
        if (r >= 0)
                r = log_journal_send(level, field, value, text);
        /* Full for a moment: wait, but only once, and for the others not at all. */
        if (r == -EAGAIN && log_n_lost == 0 && poll(&writable, 1, LOG_WAIT_MSEC) > 0)
                r = log_journal_send(level, field, value, text);
        if (r >= 0)
                return;
        log_n_lost++;
        if (r != -EAGAIN)
                log_open(); /* it was started anew: for the next message */
}

void log_full(int level, const char *field, const char *value, const char *format, ...) {
        char text[LOG_LINE_MAX];
        int saved = errno;
        va_list ap;

        if (level > log_level)
                return;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap); /* cut where it is too long */
        va_end(ap);

        if (log_journal_fd >= 0)
                log_journal(level, field, value, text);
        else if (field && value)
                (void) dprintf(STDERR_FILENO, "%s (%s=%s)\n", text, field, value);
        else
                (void) dprintf(STDERR_FILENO, "%s\n", text);
        errno = saved;
}
