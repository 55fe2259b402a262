/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sweeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "unit/cgroup.h"

#define PAUSE_MIN_USEC (20 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (5 * USEC_PER_SEC)
#define PROCS_MAX (1 * MIB)
/* Rounds of moving: a process may fork meanwhile. */
#define MOVES_MAX 4

struct Sweeper {
        sd_event_source *timer;
        char **paths; /* of directories, at most SWEEPER_MAX */
        uint64_t pause_usec;
};

/* Whether it is gone. */
static bool try_remove(const char *path) {
        return rmdir(path) >= 0 || errno != EBUSY;
}

static int sweeper_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Sweeper *s = userdata;
        size_t n = 0;

        STRV_FOREACH(path, s->paths) {
                if (try_remove(*path))
                        free(*path);
                else
                        s->paths[n++] = *path;
        }
        if (!s->paths)
                return 0;
        s->paths[n] = NULL;
        if (n == 0)
                return 0;
        s->pause_usec = MIN(s->pause_usec * 2, (uint64_t) PAUSE_MAX_USEC);
        (void) sd_event_source_set_time_relative(s->timer, s->pause_usec); /* a source of ours */
        return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

int sweeper_new(sd_event *event, Sweeper **ret) {
        Sweeper *s = new0(Sweeper, 1);
        int r;

        if (!s)
                return -ENOMEM;
        r = sd_event_add_time(event, &s->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, sweeper_on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void) sweeper_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

Sweeper *sweeper_free(Sweeper *s) {
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->timer);
        strv_free(s->paths);
        free(s);
        return NULL;
}

/* Puts what is left into the group above, that of the container. */
static void move_up(const char *path) {
        _cleanup_free_ char *from = path_join(path, "cgroup.procs"),
                            *to = path_join(path, "../cgroup.procs");

        for (unsigned i = 0; i < MOVES_MAX && from && to; i++) {
                _cleanup_free_ char *text = NULL;
                _cleanup_strv_ char **pids = NULL;

                if (read_file_at(AT_FDCWD, from, PROCS_MAX, &text, NULL) < 0 ||
                    strv_split(text, "\n", &pids) < 0 || !*pids)
                        return;
                STRV_FOREACH(pid, pids)
                        (void) write_string_at(AT_FDCWD, to, *pid); /* it may have ended */
        }
}

void sweeper_release(Sweeper *s, const char *cgroup, bool kill) {
        _cleanup_free_ char *path = str_join(CGROUP_ROOT, cgroup, NULL);

        if (kill)
                (void) cgroup_kill(cgroup); /* what can not be killed ends with the container */
        if (!path || try_remove(path))
                return;
        if (!kill) {
                move_up(path);
                if (try_remove(path))
                        return;
        }
        if (strv_length(s->paths) >= SWEEPER_MAX || strv_consume(&s->paths, TAKE_PTR(path)) < 0)
                return;
        s->pause_usec = PAUSE_MIN_USEC;
        (void) sd_event_source_set_time_relative(s->timer, s->pause_usec); /* a source of ours */
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);    /* as well */
}
