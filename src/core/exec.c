/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "core/container-spec.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/runtime.h"
#include "core/sweeper.h"
#include "event/child.h"
#include "oci/spec.h"
#include "unit/cgroup.h"

#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)
/* A runtime reaps the command that was killed and ends by itself; unless it hangs. */
#define RUNTIME_GRACE_USEC (2 * USEC_PER_SEC)
/* What runtimes return when they themselves failed. */
#define RUNTIME_FAILED 255
#define DOUBT_USEC (100 * USEC_PER_MSEC)
#define CGROUP_PREFIX "crio-exec-"

struct Exec {
        Container *container;
        Exec *next, *previous;
        Child *child;
        sd_event_source *timer;
        char *cgroup; /* below CGROUP_ROOT; NULL: in that of the container */
        ExecDone on_done;
        void *userdata;
        Sweeper *sweeper; /* borrowed */
        bool timed_out;
        bool kill; /* what it started ends with it */
};

static void exec_unlink(Exec *e) {
        Container *c = e->container;

        if (!c)
                return;
        if (e->next)
                e->next->previous = e->previous;
        if (e->previous)
                e->previous->next = e->next;
        else
                c->execs = e->next;
        e->container = NULL;
}

static Exec *exec_free(Exec *e) {
        if (!e)
                return NULL;

        exec_unlink(e);
        e->timer = sd_event_source_disable_unref(e->timer);
        child_free(e->child);
        if (e->cgroup)
                sweeper_release(e->sweeper, e->cgroup, e->kill);
        free(e->cgroup);
        free(e);
        return NULL;
}

void exec_clean_all(Container *c) {
        const char *parent = c->process_cgroup;
        _cleanup_free_ char *path = parent ? str_join(CGROUP_ROOT, parent, NULL) : NULL;
        _cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                _cleanup_free_ char *child = str_join(parent, "/", entry->d_name, NULL);

                if (!child || !startswith(entry->d_name, CGROUP_PREFIX))
                        continue;
                sweeper_release(c->manager->sweeper, child, /* kill= */ true);
        }
}

Exec *exec_cancel(Exec *e) {
        if (e)
                e->kill = true;
        return exec_free(e);
}

static void exec_finish(Exec *e, int r, const ExecResult *result, const Error *error) {
        e->on_done(r, result, error, e->userdata);
        (void) exec_free(e);
}

void exec_on_container_ended(Exec *e) {
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        r = error_set(&error,
                      -ESRCH,
                      STATUS_NOT_FOUND,
                      "container %s ended while the command ran",
                      e->container->id);
        exec_unlink(e);
        exec_finish(e, r, NULL, &error);
}

/* What crun and runc say when there was nothing to run; a code of their own would look like the command's.
 */
static int exec_check_failure(Exec *e, const ChildResult *result, Error *error) {
        _cleanup_free_ char *message = NULL;

        if (result->exit_code == 0)
                return 0;
        message = runtime_log_get_error(result->err);
        return message ? error_set(error, -ENOEXEC, STATUS_INTERNAL, "exec: %s", message) : 0;
}

static int exec_on_doubt(sd_event_source *source, uint64_t usec, void *userdata) {
        exec_finish(userdata, 0, &(ExecResult){ .exit_code = RUNTIME_FAILED, .out = "", .err = "" }, NULL);
        return 0;
}

/* A runtime that fails without a word usually met a container that ends: exec_on_container_ended() follows
 * in a moment, and says so. A probe must not take it for an answer of the command. */
static int exec_wait_for_end(Exec *e) {
        e->timer = sd_event_source_disable_unref(e->timer);
        return sd_event_add_time_relative(
                        e->container->manager->event,
                        &e->timer,
                        CLOCK_MONOTONIC,
                        DOUBT_USEC,
                        TIMER_ACCURACY_USEC,
                        exec_on_doubt,
                        e);
}

static void exec_on_exit(Child *child, const ChildResult *result, void *userdata) {
        _cleanup_error_ Error error = ERROR_INIT;
        Exec *e = userdata;
        ExecResult answer = {
                .exit_code = result->exit_code >= 0 ? result->exit_code : 128 + result->term_signal,
                .out = result->out,
                .out_size = result->out_size,
                .err = result->err,
                .err_size = result->err_size,
        };
        int r;

        if (e->timed_out)
                r = error_set(&error,
                              -ETIMEDOUT,
                              STATUS_DEADLINE_EXCEEDED,
                              "the command timed out and was killed");
        else if (result->r < 0)
                r = error_set(&error,
                              result->r,
                              STATUS_INTERNAL,
                              "the command was killed: %s",
                              STRERROR(result->r));
        else
                r = exec_check_failure(e, result, &error);
        if (r >= 0 && answer.exit_code == RUNTIME_FAILED && answer.out_size + answer.err_size == 0 &&
            exec_wait_for_end(e) >= 0)
                return;
        exec_finish(e, r, r < 0 ? NULL : &answer, &error);
}

/* The answer says that the command is gone, so it comes when the runtime has reaped it: who kills the
 * runtime leaves a zombie to the init of the container. */
static int exec_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Exec *e = userdata;
        bool again = e->timed_out;
        int r;

        e->timed_out = e->kill = true;
        if (e->cgroup)
                (void) cgroup_kill(e->cgroup); /* what could not be killed ends with the container */
        r = sd_event_source_set_time_relative(source, RUNTIME_GRACE_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        if (r < 0 || again || !e->cgroup)
                child_kill(e->child);
        return 0;
}

/* A file in memory with the process object. */
static int exec_write_process(const Container *c, char *const *args, Error *error) {
        _cleanup_free_ char *spec = NULL, *process = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t size;
        int r;

        r = container_read_spec(c, &spec, &size, error);
        if (r >= 0)
                r = oci_process_format(spec, size, args, false, &process, error);
        if (r < 0)
                return r;
        fd = memfd_create("process", MFD_CLOEXEC);
        if (fd < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "memfd: %s", STRERROR(errno));
        r = write_full(fd, process, strlen(process));
        if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return error_set(error, r < 0 ? r : -errno, STATUS_INTERNAL, "write the process of an exec");
        return TAKE_FD(fd);
}

/* A control group below that of the container's first process, as the runtime understands --cgroup=. Where
 * that can not be (processes in the inner nodes of a tree with controllers), the command runs in the
 * container's own. */
static int exec_make_cgroup(Exec *e, char **ret_name) {
        _cleanup_free_ char *path = NULL, *name = NULL;
        const char *parent = e->container->process_cgroup;

        if (!parent)
                return 0;
        if (asprintf(&name, CGROUP_PREFIX "%" PRIu64, ++e->container->manager->n_execs) < 0)
                return -ENOMEM;
        e->cgroup = str_join(parent, "/", name, NULL);
        path = e->cgroup ? str_join(CGROUP_ROOT, e->cgroup, NULL) : NULL;
        if (!path)
                return -ENOMEM;
        if (mkdir(path, 0755) >= 0) {
                *ret_name = TAKE_PTR(name);
                return 0;
        }
        free(e->cgroup);
        e->cgroup = NULL;
        return 0;
}

static int exec_spawn(Exec *e, int process_fd, const char *cgroup, Error *error) {
        _cleanup_strv_ char **argv = NULL;
        int r;

        r = runtime_format_exec(e->container, &argv);
        if (r >= 0 && cgroup)
                r = strv_extendf(&argv, "--cgroup=%s", cgroup);
        if (r >= 0)
                r = strv_extend(&argv, "--process=/proc/self/fd/3");
        if (r >= 0)
                r = strv_extend(&argv, e->container->id);
        if (r < 0)
                return r;
        return child_start(
                        e->container->manager->event,
                        &(ChildSpec){
                                        .argv = (const char *const *) argv,
                                        .stdout_max_bytes = EXEC_OUTPUT_MAX,
                                        .stderr_max_bytes = EXEC_OUTPUT_MAX,
                                        .keep_head = true,
                                        .timeout_usec = USEC_INFINITY,
                                        .fds = &process_fd,
                                        .n_fds = 1,
                        },
                        exec_on_exit,
                        e,
                        &e->child,
                        error);
}

static int exec_check(const Container *c, char *const *args, Error *error) {
        size_t size = 0, n = 0;

        if (c->state != CONTAINER_RUNNING || c->exit)
                return error_set(
                                error,
                                -ESRCH,
                                STATUS_FAILED_PRECONDITION,
                                "container %s is not running",
                                c->id);
        STRV_FOREACH(s, args)
                size += strlen(*s) + 1;
        if (size == 0 || isempty(args[0]))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "the command to run in container %s is missing",
                                c->id);
        if (size > EXEC_ARGUMENTS_MAX)
                return error_set(error, -E2BIG, STATUS_INVALID_ARGUMENT, "the command is longer than 2 MiB");
        for (const Exec *e = c->execs; e; e = e->next)
                n++;
        if (n >= EXECS_MAX)
                return error_set(
                                error,
                                -EBUSY,
                                STATUS_RESOURCE_EXHAUSTED,
                                "%d commands run in container %s already",
                                EXECS_MAX,
                                c->id);
        return 0;
}

int exec_start(Container *c,
               char *const *args,
               uint64_t timeout_usec,
               ExecDone on_done,
               void *userdata,
               Exec **ret,
               Error *error) {
        _cleanup_close_ int process_fd = -EBADF;
        _cleanup_free_ char *cgroup = NULL;
        Exec *e;
        int r;

        r = exec_check(c, args, error);
        if (r < 0)
                return r;
        process_fd = exec_write_process(c, args, error);
        if (process_fd < 0)
                return process_fd;

        e = new0(Exec, 1);
        if (!e)
                return -ENOMEM;
        *e = (Exec){ .container = c,
                     .next = c->execs,
                     .sweeper = c->manager->sweeper,
                     .on_done = on_done,
                     .userdata = userdata };
        if (e->next)
                e->next->previous = e;
        c->execs = e;
        r = exec_make_cgroup(e, &cgroup);
        if (r >= 0 && timeout_usec != USEC_INFINITY)
                r = sd_event_add_time(
                                c->manager->event,
                                &e->timer,
                                CLOCK_MONOTONIC,
                                usec_from_now(timeout_usec),
                                TIMER_ACCURACY_USEC,
                                exec_on_timer,
                                e);
        if (r >= 0)
                r = exec_spawn(e, process_fd, cgroup, error);
        if (r < 0) {
                (void) exec_free(e);
                return r;
        }
        *ret = e;
        return 0;
}
