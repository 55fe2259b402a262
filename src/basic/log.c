/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/log.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "basic/number.h"
#include "basic/str.h"

#define LOG_LINE_MAX 8192
#define LOG_FIELD_MAX 256

static int log_level = LOG_INFO;
static bool log_to_journal;

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

void log_open(void) {
        log_to_journal = stderr_is_journal();
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

static void log_journal(int level, const char *field, const char *value, const char *text) {
        char message[LOG_LINE_MAX + sizeof("MESSAGE=")], priority[sizeof("PRIORITY=0")],
                        extra[LOG_FIELD_MAX];
        struct iovec iov[3];
        int n = 0;

        (void) snprintf(message, sizeof(message), "MESSAGE=%s", text); /* cut where it is too long */
        (void) snprintf(priority, sizeof(priority), "PRIORITY=%d", level & LOG_PRIMASK);
        iov[n++] = (struct iovec){ message, strlen(message) };
        iov[n++] = (struct iovec){ priority, strlen(priority) };
        if (field && value) {
                (void) snprintf(extra, sizeof(extra), "%s=%s", field, value);
                iov[n++] = (struct iovec){ extra, strlen(extra) };
        }
        (void) sd_journal_sendv(iov, n); /* nowhere to complain */
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

        if (log_to_journal)
                log_journal(level, field, value, text);
        else if (field && value)
                (void) dprintf(STDERR_FILENO, "%s (%s=%s)\n", text, field, value);
        else
                (void) dprintf(STDERR_FILENO, "%s\n", text);
        errno = saved;
}
