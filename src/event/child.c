/* SPDX-License-Identifier: Apache-2.0 */
#include "event/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/str.h"

#define READ_CHUNK (64 * KIB)
/* Where the first descriptor of the caller lands in the child. */
#define CHILD_FIRST_FD 3
/* Of one pipe, before the loop looks at others: one that is filled as fast as we read must not hold it. More
 * than a pipe holds, so that nothing is missed when the child has ended. */
#define READS_PER_WAKEUP 32
#define TIMEOUT_ACCURACY_USEC (10 * USEC_PER_MSEC)

extern char **environ;

typedef struct ChildPipe {
        int fd;
        sd_event_source *source;
        Buffer data;
        bool keep_tail; /* the last bytes, for a person */
        bool keep_head; /* the first bytes; what comes later is read and dropped */
} ChildPipe;

struct Child {
        ChildDone on_done;
        void *userdata;
        pid_t pid; /* 0: not started, or reaped */
        int pidfd;
        sd_event_source *exit_source, *timeout_source;
        ChildPipe out, err;
        int killed; /* why we killed it */
        bool ended;
};

static void pipe_close(ChildPipe *p) {
        p->source = sd_event_source_disable_unref(p->source);
        p->fd = close_fd(p->fd);
}

static void child_kill_because(Child *c, int r) {
        if (c->killed == 0)
                c->killed = r;
        if (c->pid > 0 && !c->ended)
                (void) kill(-c->pid, SIGKILL); /* not reaped yet, so the number is still its own */
}

/* Drops what is there. As pipe_drain(). */
static int pipe_discard(ChildPipe *p) {
        char scratch[4 * KIB];
        ssize_t n;

        for (unsigned i = 0; i < READS_PER_WAKEUP; i++) {
                n = read(p->fd, scratch, sizeof(scratch));
                if (n == 0 || (n < 0 && errno != EINTR))
                        break;
        }
        if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return -EAGAIN;
        pipe_close(p);
        return 0;
}

/* Reads what is there. -EAGAIN: more may come; 0: the end. */
static int pipe_drain(Child *c, ChildPipe *p) {
        for (unsigned i = 0; p->fd >= 0; i++) {
                void *to;
                ssize_t n;

                if (i == READS_PER_WAKEUP)
                        return -EAGAIN;
                if (p->keep_head && p->data.size == p->data.max)
                        return pipe_discard(p);
                if (p->keep_tail && p->data.size > p->data.max / 2)
                        buffer_consume(&p->data, p->data.size - p->data.max / 2);
                if (buffer_reserve(&p->data, MIN((size_t) READ_CHUNK, p->data.max - p->data.size), &to) <
                    0) {
                        child_kill_because(c, -ENOMEM);
                        break;
                }
                if (p->data.size == p->data.max) {
                        child_kill_because(c, -E2BIG);
                        break;
                }

                n = read(p->fd, to, MIN((size_t) READ_CHUNK, p->data.max - p->data.size));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return -EAGAIN;
                if (n <= 0)
                        break;
                buffer_grow(&p->data, (size_t) n);
        }
        pipe_close(p);
        return 0;
}

static int child_on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Child *c = userdata;

        (void) pipe_drain(c, source == c->out.source ? &c->out : &c->err); /* the end comes from the pidfd */
        return 0;
}

static int child_on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        child_kill_because(userdata, -ETIMEDOUT);
        return 0;
}

static const char *pipe_text(ChildPipe *p) {
        while (p->keep_tail && p->data.size > 0 && p->data.data[p->data.size - 1] == '\n')
                p->data.data[--p->data.size] = '\0';
        return p->data.data ?: "";
}

static int child_on_exit(sd_event_source *source, const siginfo_t *si, void *userdata) {
        Child *c = userdata;
        ChildResult result = {
                .exit_code = si->si_code == CLD_EXITED ? si->si_status : -1,
                .term_signal = si->si_code == CLD_EXITED ? 0 : si->si_status,
        };

        (void) pipe_drain(c, &c->out); /* grandchildren may hold the other end: no waiting for it */
        (void) pipe_drain(c, &c->err);
        c->ended = true;
        c->timeout_source = sd_event_source_disable_unref(c->timeout_source);
        pipe_close(&c->out);
        pipe_close(&c->err);

        result.r = c->killed;
        result.out = pipe_text(&c->out);
        result.out_size = c->out.data.size;
        result.err = pipe_text(&c->err);
        result.err_size = c->err.data.size;
        c->on_done(c, &result, c->userdata); /* may free the child */
        return 0;
}

Child *child_free(Child *c) {
        if (!c)
                return NULL;

        if (c->pid > 0 && !c->ended) {
                child_kill_because(c, -ECANCELED);
                (void) waitid(P_PID, (id_t) c->pid, &(siginfo_t){ 0 }, WEXITED); /* SIGKILL: no long wait */
        }
        c->exit_source = sd_event_source_disable_unref(c->exit_source);
        c->timeout_source = sd_event_source_disable_unref(c->timeout_source);
        pipe_close(&c->out);
        pipe_close(&c->err);
        buffer_done(&c->out.data);
        buffer_done(&c->err.data);
        close_fd(c->pidfd);
        free(c);
        return NULL;
}

void child_kill(Child *c) {
        child_kill_because(c, -ECANCELED);
}

pid_t child_get_pid(const Child *c) {
        return c->pid;
}

/* A file in memory with the data, read from its start. */
static int stdin_open(const ChildSpec *spec) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!spec->stdin_data)
                return open_at(AT_FDCWD, "/dev/null", O_RDONLY, 0);

        fd = memfd_create("stdin", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_full(fd, spec->stdin_data, spec->stdin_size);
        if (r < 0)
                return r;
        return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

/* Makes the pipe of one output; *@ret is the child's end, or -EBADF where it inherits ours. */
static int output_open(ChildPipe *p, size_t max_bytes, bool inherit, int *ret) {
        int fds[2];

        if (max_bytes == 0) {
                *ret = inherit ? -EBADF : open_at(AT_FDCWD, "/dev/null", O_WRONLY, 0);
                return inherit || *ret >= 0 ? 0 : *ret;
        }
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;

        p->fd = fds[0];
        p->data = BUFFER_INIT(max_bytes + !p->keep_head); /* the one byte that is too many */
        *ret = fds[1];
        return fd_set_nonblock(p->fd, true);
}

static void closep_all(int (*fds)[2]) {
        close_fd((*fds)[0]);
        close_fd((*fds)[1]);
}

/* Duplicates of the caller's descriptors, above all targets, so that no dup2() in the child hits another
 * one. */
static int duplicate_above(const ChildSpec *spec, int *fds) {
        for (size_t i = 0; i < spec->n_fds; i++) {
                fds[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, CHILD_FIRST_FD + (int) spec->n_fds);
                if (fds[i] < 0)
                        return -errno;
        }
        return 0;
}

static int
add_actions(posix_spawn_file_actions_t *actions, const ChildSpec *spec, const int *fds, const int *stdio) {
        int r = 0;

        for (int i = 0; i < 3 && r == 0; i++)
                if (stdio[i] >= 0)
                        r = posix_spawn_file_actions_adddup2(actions, stdio[i], i);
        for (size_t i = 0; i < spec->n_fds && r == 0; i++)
                r = posix_spawn_file_actions_adddup2(actions, fds[i], CHILD_FIRST_FD + (int) i);
        return -r;
}

static int set_attributes(posix_spawnattr_t *attributes) {
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        r = posix_spawnattr_setflags(
                        attributes,
                        POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setpgroup(attributes, 0);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        return -r;
}

/* What systemd says to us is not for our children: crun would take NOTIFY_SOCKET for the container's. The
 * array is owned by the caller, its strings are ours. */
static char **environment_new(void) {
        static const char *const ours[] = { "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_" };
        char **l = new0(char *, strv_length(environ) + 1);
        size_t n = 0;

        STRV_FOREACH(s, environ) {
                bool keep = l;

                FOREACH_ELEMENT(prefix, ours)
                        keep = keep && !startswith(*s, *prefix);
                if (keep)
                        l[n++] = *s;
        }
        return l;
}

static int spawn(const ChildSpec *spec, const int *stdio, pid_t *ret) {
        _cleanup_free_ char **environment = environment_new();
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        _cleanup_free_ int *fds = new_array(int, spec->n_fds + 1);
        int r;

        if (!fds || !environment)
                return -ENOMEM;
        for (size_t i = 0; i < spec->n_fds; i++)
                fds[i] = -EBADF;
        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                (void) posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }

        r = duplicate_above(spec, fds);
        if (r >= 0)
                r = add_actions(&actions, spec, fds, stdio);
        if (r >= 0)
                r = set_attributes(&attributes);
        if (r >= 0)
                r = -posix_spawn(
                                ret,
                                spec->argv[0],
                                &actions,
                                &attributes,
                                (char *const *) spec->argv,
                                spec->environment ? (char *const *) spec->environment : environment);

        for (size_t i = 0; i < spec->n_fds; i++)
                close_fd(fds[i]);
        (void) posix_spawnattr_destroy(&attributes);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r;
}

static int child_watch(Child *c, sd_event *event, uint64_t timeout_usec) {
        int r;

        c->pidfd = (int) syscall(SYS_pidfd_open, c->pid, 0);
        if (c->pidfd < 0)
                return -errno;

        r = sd_event_add_child_pidfd(event, &c->exit_source, c->pidfd, WEXITED, child_on_exit, c);
        if (r >= 0 && c->out.fd >= 0)
                r = sd_event_add_io(event, &c->out.source, c->out.fd, EPOLLIN, child_on_output, c);
        if (r >= 0 && c->err.fd >= 0)
                r = sd_event_add_io(event, &c->err.source, c->err.fd, EPOLLIN, child_on_output, c);
        if (r >= 0 && timeout_usec != USEC_INFINITY)
                r = sd_event_add_time(
                                event,
                                &c->timeout_source,
                                CLOCK_MONOTONIC,
                                usec_from_now(timeout_usec),
                                TIMEOUT_ACCURACY_USEC,
                                child_on_timeout,
                                c);
        return r;
}

int child_start(sd_event *event,
                const ChildSpec *spec,
                ChildDone on_done,
                void *userdata,
                Child **ret,
                Error *error) {
        _cleanup_(child_freep) Child *c = new0(Child, 1);
        _cleanup_(closep_all) int outputs[2] = { -EBADF, -EBADF };
        _cleanup_close_ int input = -EBADF;
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Child){
                .on_done = on_done,
                .userdata = userdata,
                .pidfd = -EBADF,
                .out.fd = -EBADF,
                .out.keep_head = spec->keep_head,
                .err = { .fd = -EBADF, .keep_tail = !spec->keep_head, .keep_head = spec->keep_head },
        };

        input = stdin_open(spec);
        r = input < 0 ? input : output_open(&c->out, spec->stdout_max_bytes, false, &outputs[0]);
        if (r >= 0)
                r = output_open(&c->err, spec->stderr_max_bytes, true, &outputs[1]);
        if (r >= 0)
                r = spawn(spec, (int[]){ input, outputs[0], outputs[1] }, &c->pid);
        if (r >= 0)
                r = child_watch(c, event, spec->timeout_usec);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "run %s: %s", spec->argv[0], STRERROR(r));

        *ret = TAKE_PTR(c);
        return 0;
}

int child_result_check(const ChildResult *result, const char *what, Error *error) {
        const char *line = strrchr(result->err, '\n');

        line = line ? line + 1 : result->err;
        if (result->r == -ETIMEDOUT)
                return error_set(error, result->r, STATUS_DEADLINE_EXCEEDED, "%s: timed out, killed", what);
        if (result->r < 0)
                return error_set(
                                error,
                                result->r,
                                STATUS_INTERNAL,
                                "%s: %s, killed",
                                what,
                                STRERROR(result->r));
        if (result->term_signal != 0)
                return error_set(
                                error,
                                -EIO,
                                STATUS_INTERNAL,
                                "%s: ended by SIG%s",
                                what,
                                sigabbrev_np(result->term_signal) ?: "?");
        if (result->exit_code != 0)
                return error_set(
                                error,
                                -EIO,
                                STATUS_INTERNAL,
                                "%s: %s (exit code %d)",
                                what,
                                isempty(line) ? "failed without a word" : line,
                                result->exit_code);
        return 0;
}
