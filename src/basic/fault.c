/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"

#define ARMED_MAX (64 * KIB)

static const char *fault_directory; /* of the environment, for the life of the process */

void fault_init(void) {
        const char *e = getenv(FAULT_ENVIRONMENT);

        fault_directory = e && *e == '/' ? e : NULL;
        if (fault_directory)
                log_warning("this is a test: faults are armed in %s", fault_directory);
}

const char *fault_get_directory(void) {
        return fault_directory;
}

void fault_note(const char *line) {
        _cleanup_free_ char *path = fault_directory ? path_join(fault_directory, "trace") : NULL;
        _cleanup_free_ char *text = path ? str_join(line, "\n", NULL) : NULL;
        _cleanup_close_ int fd = text ? open_at(AT_FDCWD, path, O_WRONLY | O_APPEND, 0) : -EBADF;

        if (fd >= 0)
                (void) write_full(fd, text, strlen(text)); /* the test sees that it is not there */
}

/* Takes a line out of the file of armed faults. */
static void fault_consume(const char *path, char **lines, size_t which) {
        _cleanup_(buffer_done) Buffer rest = BUFFER_INIT(ARMED_MAX);

        for (size_t i = 0; lines[i]; i++)
                if (i != which)
                        (void) buffer_addf(&rest, "%s\n", lines[i]); /* shorter than what was read */
        /* Where it can not be written the fault strikes again. */
        (void) write_file_atomic_at(AT_FDCWD, path, rest.data, rest.size, 0644, 0);
}

static int fault_strike(const char *path, char **lines, size_t i, const char *action) {
        if (streq(action, "hold"))
                return FAULT_HOLD;
        fault_consume(path, lines, i);
        log_notice("fault: %s", lines[i]);
        if (streq(action, "kill"))
                (void) kill(getpid(), SIGKILL); /* can not fail */
        return -EIO;
}

static int fault_look(const char *point) {
        _cleanup_free_ char *path = path_join(fault_directory, "armed"), *text = NULL;
        _cleanup_strv_ char **lines = NULL;

        if (!path || read_file_at(AT_FDCWD, path, ARMED_MAX, &text, NULL) < 0 ||
            strv_split(text, "\n", &lines) < 0)
                return 0;
        for (size_t i = 0; lines[i]; i++) {
                size_t n = strcspn(lines[i], " ");
                _cleanup_free_ char *action = strndup(lines[i], n);

                if (action && lines[i][n] && streq(lines[i] + n + 1, point))
                        return fault_strike(path, lines, i, action);
        }
        return 0;
}

int fault_point(const char *operation, const char *step, const char *moment) {
        _cleanup_free_ char *point = NULL;

        if (!fault_directory)
                return 0;
        point = str_join(operation, "/", step, ":", moment, NULL);
        if (!point)
                return 0;
        fault_note(point);
        return fault_look(point);
}
