/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <signal.h>

#include <systemd/sd-event.h>

#include "basic/buffer.h"
#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "event/child.h"
#include "event/operation.h"

#define TEST_TIMEOUT_USEC (10 * USEC_PER_SEC)

/* What the steps of the operation under test did, a letter each; upper case for undo. */
typedef struct Work {
        Operation operation;
        Buffer trace;
        sd_event *event;
        int fail_with;
        int r;
        bool done;
} Work;

static Work *work_of(Operation *op) {
        return container_of(op, Work, operation);
}

static int step_a(Operation *op) {
        return buffer_addc(&work_of(op)->trace, 'a');
}

static void undo_a(Operation *op) {
        (void) buffer_addc(&work_of(op)->trace, 'A');
}

static int step_b(Operation *op) {
        (void) buffer_addc(&work_of(op)->trace, 'b');
        return STEP_WAIT;
}

static void undo_b(Operation *op) {
        (void) buffer_addc(&work_of(op)->trace, 'B');
}

static int step_c(Operation *op) {
        Work *w = work_of(op);

        (void) buffer_addc(&w->trace, 'c');
        return w->fail_with < 0 ? error_set(&op->error, w->fail_with, STATUS_ABORTED, "c failed") :
                                  STEP_DONE;
}

static const OperationStep steps[] = {
        { "a", step_a, undo_a },
        { "b", step_b, undo_b },
        { "c", step_c, NULL },
        {},
};

static void work_on_done(Operation *op, int r) {
        Work *w = work_of(op);

        w->r = r;
        w->done = true;
        (void) buffer_addc(&w->trace, '.');
}

static void run_until(sd_event *event, const bool *flag) {
        for (unsigned i = 0; i < 1000 && !*flag; i++)
                ASSERT_TRUE(sd_event_run(event, TEST_TIMEOUT_USEC) >= 0);
        ASSERT_TRUE(*flag);
}

typedef struct Waiter {
        OperationWaiter waiter;
        int r, n;
} Waiter;

static void waiter_on_done(OperationWaiter *w, int r, const Error *error) {
        Waiter *waiter = container_of(w, Waiter, waiter);

        waiter->r = r;
        waiter->n++;
}

static void test_operation(void) {
        static const struct {
                int resume, fail_with, cancel;
                uint64_t timeout_usec;
                int r;
                const char *trace;
        } cases[] = {
                { 0, 0, 0, USEC_INFINITY, 0, "abc." },
                { -EIO, 0, 0, USEC_INFINITY, -EIO, "abBA." },
                { 0, -EPERM, 0, USEC_INFINITY, -EPERM, "abcBA." },
                { 1, 0, -ECANCELED, USEC_INFINITY, -ECANCELED, "abBA." },
                { 1, 0, 0, 1000, -ETIMEDOUT, "abBA." },
                { 0, 0, -ECANCELED, USEC_INFINITY, -ECANCELED, "abBA." }, /* cancel wins over a fresh success
                                                                           */
        };

        FOREACH_ELEMENT(c, cases) {
                _cleanup_(sd_event_unrefp) sd_event *event = NULL;
                Work w = { .trace = BUFFER_INIT(64), .fail_with = c->fail_with };
                Waiter stays = { .waiter.on_done = waiter_on_done }, leaves = stays;

                ASSERT_OK(sd_event_new(&event));
                ASSERT_OK(
                                operation_start(&w.operation,
                                                "test",
                                                event,
                                                steps,
                                                c->timeout_usec,
                                                work_on_done));
                operation_join(&w.operation, &stays.waiter);
                operation_join(&w.operation, &leaves.waiter);
                ASSERT_NULL(w.trace.data); /* nothing runs before the loop does */
                ASSERT_OK(sd_event_run(event, TEST_TIMEOUT_USEC));
                ASSERT_STREQ(w.trace.data, "ab");
                operation_leave(&leaves.waiter);
                if (c->resume <= 0)
                        operation_resume(&w.operation, c->resume);
                if (c->cancel < 0)
                        operation_cancel(&w.operation, c->cancel);
                run_until(event, &w.done);
                ASSERT_EQ(w.r, c->r);
                ASSERT_STREQ(w.trace.data, c->trace);
                ASSERT_EQ(stays.n, 1);
                ASSERT_EQ(stays.r, c->r);
                ASSERT_EQ(leaves.n, 0);
                operation_resume(&w.operation, 0); /* too late, ignored */
                operation_cancel(&w.operation, -EIO);
                operation_done(&w.operation);
                buffer_done(&w.trace);
        }
}

static void test_operation_cancel_early(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Work w = { .trace = BUFFER_INIT(64) };

        ASSERT_OK(sd_event_new(&event));
        ASSERT_OK(operation_start(&w.operation, "test", event, steps, USEC_INFINITY, work_on_done));
        operation_cancel(&w.operation, -ECANCELED);
        run_until(event, &w.done);
        ASSERT_EQ(w.r, -ECANCELED);
        ASSERT_STREQ(w.trace.data, "A."); /* undo copes with a step that never ran */
        operation_done(&w.operation);
        buffer_done(&w.trace);
}

/* A fault at each moment of the step in the middle. */
static void test_operation_fault(void) {
        static const struct {
                const char *armed;
                int r;
                const char *trace;
        } cases[] = {
                { "fail test/b:before\n", -EIO, "aBA." },
                { "fail test/b:waiting\n", -EIO, "abBA." },
                { "fail test/b:after\n", -EIO, "abBA." },
                { "fail test/c:after\n", -EIO, "abcBA." },
                { "fail other/b:before\nfail test/b\nfail\n", 0, "abc." },
        };
        char directory[] = "/tmp/test-fault-XXXXXX";

        ASSERT_TRUE(mkdtemp(directory) != NULL);
        ASSERT_EQ(setenv(FAULT_ENVIRONMENT, directory, 1), 0);
        fault_init();
        FOREACH_ELEMENT(c, cases) {
                _cleanup_(sd_event_unrefp) sd_event *event = NULL;
                _cleanup_close_ int fd = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
                Work w = { .trace = BUFFER_INIT(64) };

                ASSERT_OK(write_file_atomic_at(fd, "armed", c->armed, strlen(c->armed), 0600, 0));
                ASSERT_OK(sd_event_new(&event));
                ASSERT_OK(operation_start(&w.operation, "test", event, steps, USEC_INFINITY, work_on_done));
                ASSERT_OK(sd_event_run(event, TEST_TIMEOUT_USEC));
                operation_resume(&w.operation, 0);
                run_until(event, &w.done);
                ASSERT_EQ(w.r, c->r);
                ASSERT_STREQ(w.trace.data, c->trace);
                operation_done(&w.operation);
                buffer_done(&w.trace);
        }
        ASSERT_EQ(unsetenv(FAULT_ENVIRONMENT), 0);
        fault_init();
        ASSERT_OK(rm_rf_at(AT_FDCWD, directory));
}

/* It stands still until the line is taken out, and can be cancelled meanwhile. */
static void test_operation_hold(void) {
        char directory[] = "/tmp/test-fault-XXXXXX";

        ASSERT_TRUE(mkdtemp(directory) != NULL);
        ASSERT_EQ(setenv(FAULT_ENVIRONMENT, directory, 1), 0);
        fault_init();
        for (unsigned cancel = 0; cancel < 2; cancel++) {
                _cleanup_(sd_event_unrefp) sd_event *event = NULL;
                _cleanup_close_ int fd = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
                Work w = { .trace = BUFFER_INIT(64) };

                ASSERT_OK(write_file_atomic_at(fd, "armed", "hold test/a:before\n", 19, 0600, 0));
                ASSERT_OK(sd_event_new(&event));
                ASSERT_OK(operation_start(&w.operation, "test", event, steps, USEC_INFINITY, work_on_done));
                for (unsigned i = 0; i < 3; i++)
                        ASSERT_OK(sd_event_run(event, TEST_TIMEOUT_USEC));
                ASSERT_NULL(w.trace.data);
                if (cancel)
                        operation_cancel(&w.operation, -ECANCELED);
                ASSERT_OK(write_file_atomic_at(fd, "armed", "", 0, 0600, 0));
                for (unsigned i = 0; i < 100 && !w.trace.data; i++)
                        ASSERT_OK(sd_event_run(event, TEST_TIMEOUT_USEC));
                ASSERT_STREQ(w.trace.data, cancel ? "A." : "ab");
                operation_done(&w.operation);
                buffer_done(&w.trace);
        }
        ASSERT_EQ(unsetenv(FAULT_ENVIRONMENT), 0);
        fault_init();
        ASSERT_OK(rm_rf_at(AT_FDCWD, directory));
}

typedef struct Run {
        bool done;
        int r, exit_code, term_signal, check;
        char out[64], err[64], text[256];
} Run;

static void run_on_done(Child *child, const ChildResult *result, void *userdata) {
        _cleanup_error_ Error error = ERROR_INIT;
        Run *run = userdata;

        run->r = result->r;
        run->exit_code = result->exit_code;
        run->term_signal = result->term_signal;
        run->check = child_result_check(result, "program", &error);
        (void) snprintf(run->out, sizeof(run->out), "%s", result->out);
        (void) snprintf(run->err, sizeof(run->err), "%s", result->err);
        (void) snprintf(run->text, sizeof(run->text), "%s", error_get_text(&error, run->check));
        run->done = true;
}

static void test_child(void) {
        static const struct {
                const char *script;
                int r, exit_code, term_signal, check;
                const char *out, *text;
        } cases[] = {
                { "cat", 0, 0, 0, 0, "input", NULL },
                { "echo one; echo two >&2; exit 3", 0, 3, 0, -EIO, "one\n", "program: two (exit code 3)" },
                { "exit 4", 0, 4, 0, -EIO, "", "program: failed without a word (exit code 4)" },
                { "kill -TERM $$", 0, -1, SIGTERM, -EIO, "", "program: ended by SIGTERM" },
                { "exec sleep 60", -ETIMEDOUT, -1, SIGKILL, -ETIMEDOUT, "", "program: timed out, killed" },
                { "sleep 60 & echo left", 0, 0, 0, 0, "left\n", NULL }, /* a grandchild holds the pipe */
                { "head -c 65 /dev/zero; sleep 60", -E2BIG, -1, SIGKILL, -E2BIG, NULL, NULL },
                { "echo a; head -c 9999 /dev/zero | tr '\\0' x >&2; echo z >&2", 0, 0, 0, 0, "a\n", NULL },
        };

        FOREACH_ELEMENT(c, cases) {
                _cleanup_(sd_event_unrefp) sd_event *event = NULL;
                _cleanup_(child_freep) Child *child = NULL;
                Run run = {};
                const ChildSpec spec = {
                        .argv = (const char *[]){ "/bin/sh", "-c", c->script, NULL },
                        .stdin_data = "input",
                        .stdin_size = 5,
                        .stdout_max_bytes = 64,
                        .stderr_max_bytes = 64,
                        .timeout_usec = c->r == -ETIMEDOUT ? 50 * USEC_PER_MSEC : TEST_TIMEOUT_USEC,
                };

                ASSERT_OK(sd_event_new(&event));
                ASSERT_OK(child_start(event, &spec, run_on_done, &run, &child, NULL));
                run_until(event, &run.done);
                ASSERT_EQ(run.r, c->r);
                ASSERT_EQ(run.exit_code, c->exit_code);
                ASSERT_EQ(run.term_signal, c->term_signal);
                ASSERT_EQ(run.check, c->check);
                if (c->out)
                        ASSERT_STREQ(run.out, c->out);
                if (c->text)
                        ASSERT_STREQ(run.text, c->text);
        }
}

static void test_child_fds(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(child_freep) Child *child = NULL;
        Run run = {};
        int a[2], b[2];
        char got[8] = {};

        ASSERT_OK(sd_event_new(&event));
        ASSERT_EQ(pipe2(a, O_CLOEXEC), 0);
        ASSERT_EQ(pipe2(b, O_CLOEXEC), 0);

        const ChildSpec spec = {
                .argv = (const char *[]){ "/bin/sh", "-c", "echo first >&3; echo second >&4", NULL },
                .timeout_usec = TEST_TIMEOUT_USEC,
                .fds = (int[]){ b[1], a[1] }, /* crosswise, so that targets hit sources */
                .n_fds = 2,
        };
        ASSERT_OK(child_start(event, &spec, run_on_done, &run, &child, NULL));
        run_until(event, &run.done);
        ASSERT_EQ(read(b[0], got, sizeof(got)), 6);
        ASSERT_TRUE(startswith(got, "first\n"));
        ASSERT_EQ(read(a[0], got, sizeof(got)), 7);
        for (int i = 0; i < 2; i++) {
                close(a[i]);
                close(b[i]);
        }
}

static void test_child_absent(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_error_ Error error = ERROR_INIT;
        const ChildSpec spec = { .argv = (const char *[]){ "/absent/program", NULL } };
        Child *child = NULL;

        ASSERT_OK(sd_event_new(&event));
        ASSERT_EQ(child_start(event, &spec, run_on_done, NULL, &child, &error), -ENOENT);
        ASSERT_STREQ(error.text, "run /absent/program: No such file or directory");
}

TEST_MAIN(TEST(test_operation),
          TEST(test_operation_cancel_early),
          TEST(test_operation_fault),
          TEST(test_operation_hold),
          TEST(test_child),
          TEST(test_child_fds),
          TEST(test_child_absent));
