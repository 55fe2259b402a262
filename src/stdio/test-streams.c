/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "stdio/log-file.h"
#include "stdio/streams-internal.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LINE "a line of the container\n"
#define PREFIX_SIZE 40
#define YEAR_2100 INT64_C(4102444800000000000)
#define MAX_BYTES (16 * MIB)

/* An Iod with the streams of one container, and what belongs to them. */
typedef struct Fixture {
        sd_event *event;
        Iod iod;
        Streams *streams;
        int log_fd, fds[3];
} Fixture;

static void fixture_done(Fixture *f) {
        iod_done(&f->iod);
        sd_event_unref(f->event);
        close_fd(f->log_fd);
        for (size_t i = 0; i < ELEMENTSOF(f->fds); i++)
                close_fd(f->fds[i]);
}
#define _cleanup_fixture_ _cleanup_(fixture_done)
#define FIXTURE_INIT ((Fixture){ .iod = IOD_INIT, .log_fd = -EBADF, .fds = { -EBADF, -EBADF, -EBADF } })

static int new_log(void) {
        int fd = memfd_create("log", MFD_CLOEXEC);

        ASSERT_TRUE(fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) >= 0);
        return fd;
}

static int fixture_init(Fixture *f, StreamsSpec spec) {
        int r;

        spec.id = ID;
        spec.log_fd = f->log_fd = new_log();
        r = sd_event_new(&f->event);
        if (r >= 0)
                r = iod_init(&f->iod, f->event, -EBADF, -EBADF);
        if (r >= 0)
                r = streams_open(&f->iod, &spec, f->fds, NULL);
        if (r >= 0)
                f->streams = iod_find(&f->iod, ID);
        return r;
}

#define SPEC ((StreamsSpec){ .log_fd = -EBADF, .log_dir_fd = -EBADF, .log_size_max = -1 })

static void say(Fixture *f, int to, const char *text) {
        uint64_t n;

        ASSERT_OK(write_full(f->fds[to], text, strlen(text)));
        streams_drain(f->streams, &n);
}

/* Content of a log file without the times; lines end with '|'. */
static char *read_log(int fd) {
        _cleanup_free_ char *text = NULL;
        char *p, *out, *to;
        size_t size;

        ASSERT_TRUE(lseek(fd, 0, SEEK_SET) == 0);
        ASSERT_TRUE(read_file_fd(fd, MAX_BYTES, &text, &size) >= 0);
        to = out = malloc(size + 1);
        ASSERT_TRUE(out);
        for (p = text; *p;) {
                char *newline = strchr(p, '\n');

                ASSERT_TRUE(newline && newline - p >= PREFIX_SIZE);
                p += sizeof("2026-01-31T08:15:30.123456789Z std") - 1;
                to = mempcpy(to, p, (size_t) (newline - p));
                *to++ = '|';
                p = newline + 1;
        }
        *to = '\0';
        return out;
}

static void assert_log(int fd, const char *expected) {
        _cleanup_free_ char *text = read_log(fd);

        ASSERT_STREQ(text, expected);
}

static void test_streams(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        uint64_t n;

        ASSERT_OK(fixture_init(&f, SPEC));
        say(&f, 1, "one\n\ntw");
        say(&f, 2, "err\n");
        say(&f, 1, "o\n");
        assert_log(f.log_fd, "out F one|out F |out P tw|err F err|out F o|");
        streams_drain(f.streams, &n);
        ASSERT_EQ(n, sizeof("one\n\ntwerr\no\n") - 1);
        ASSERT_TRUE(f.fds[0] < 0);
        streams_close(f.streams);
        ASSERT_NULL(iod_find(&f.iod, ID));
}

static void test_stdin(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        StreamsSpec spec = SPEC;
        char c;

        spec.stdin_open = true;
        ASSERT_OK(fixture_init(&f, spec));
        ASSERT_OK(fd_set_nonblock(f.fds[0], true));
        ASSERT_TRUE(read(f.fds[0], &c, 1) < 0 && errno == EAGAIN);
        streams_close(f.streams);
        ASSERT_EQ(read(f.fds[0], &c, 1), 0);
}

/* A clock that was set back does not show in a file; the next file begins with the time as it is. */
static void test_time_never_goes_back(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        char year[5] = "";

        ASSERT_OK(fixture_init(&f, SPEC));
        f.streams->slot->state.log_nsec = YEAR_2100;
        say(&f, 1, LINE);
        ASSERT_EQ(pread(f.log_fd, year, 4, 0), 4);
        ASSERT_STREQ(year, "2100");
        close_fd(f.log_fd);
        f.log_fd = new_log();
        ASSERT_OK(streams_reopen(f.streams, fd_dup(f.log_fd), NULL));
        say(&f, 1, LINE);
        ASSERT_EQ(pread(f.log_fd, year, 4, 0), 4);
        ASSERT_TRUE(strcmp(year, "2100") < 0);
}

static void test_reopen(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        _cleanup_close_ int second = new_log();

        ASSERT_OK(fixture_init(&f, SPEC));
        say(&f, 1, "first\nhal");
        ASSERT_OK(streams_reopen(f.streams, fd_dup(f.log_fd), NULL)); /* nothing was renamed */
        ASSERT_EQ(f.streams->slot->generation, 0);
        ASSERT_OK(streams_reopen(f.streams, fd_dup(second), NULL));
        ASSERT_OK(streams_reopen(f.streams, fd_dup(second), NULL)); /* sent again */
        ASSERT_EQ(f.streams->slot->generation, 1);
        say(&f, 1, "f\nsecond\n");
        assert_log(f.log_fd, "out F first|out P hal|");
        assert_log(second, "out F f|out F second|");
        ASSERT_TRUE(f.streams->old_fd < 0);
}

/* Emptied by others: no hole in front of what comes then. */
static void test_emptied(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;

        ASSERT_OK(fixture_init(&f, SPEC));
        say(&f, 1, LINE);
        ASSERT_OK(ftruncate(f.log_fd, 0));
        say(&f, 1, "again\n");
        assert_log(f.log_fd, "out F again|");
}

/* A limit stands for a full disk: it fails at the same place. */
static void test_full(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        _cleanup_free_ char *text = NULL;
        struct rlimit before, limit;

        ASSERT_OK(fixture_init(&f, SPEC));
        (void) signal(SIGXFSZ, SIG_IGN);
        ASSERT_OK(getrlimit(RLIMIT_FSIZE, &before));
        limit = (struct rlimit){ .rlim_cur = 100, .rlim_max = before.rlim_max };
        ASSERT_OK(setrlimit(RLIMIT_FSIZE, &limit));
        say(&f, 1, "fits\nhalf a line");
        say(&f, 1, " and its rest\nlost\n");
        say(&f, 2, "lost\n");
        ASSERT_EQ(f.streams->slot->state.lost_records, 3);
        ASSERT_OK(setrlimit(RLIMIT_FSIZE, &before));
        say(&f, 1, "here again\n");
        text = read_log(f.log_fd);
        ASSERT_TRUE(startswith(text, "out F fits|out P half a line|out F |err F [crio-iod: 3 records ("));
        ASSERT_TRUE(endswith(text, "are missing here: File too large]|out F here again|"));
        ASSERT_EQ(f.streams->slot->state.lost_records, 0);
}

static void test_limit(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        _cleanup_free_ char *text = NULL;
        char path[] = "/tmp/test-streams-XXXXXX";
        _cleanup_close_ int dir_fd = -EBADF, fd = -EBADF;
        StreamsSpec spec = SPEC;
        struct stat st;

        ASSERT_TRUE(mkdtemp(path));
        dir_fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
        spec.log_dir_fd = dir_fd;
        spec.log_name = "0.log";
        spec.log_size_max = 8192;
        ASSERT_OK(fixture_init(&f, spec));
        for (unsigned i = 0; i < 1000; i++) {
                char line[64];

                (void) snprintf(line, sizeof(line), "line %u\n", i);
                say(&f, 1, line);
                ASSERT_OK(fstat(f.streams->log_fd, &st));
                ASSERT_TRUE(st.st_size <= 8192);
        }
        fd = open_at(dir_fd, "0.log", O_RDONLY, 0);
        ASSERT_TRUE(fd >= 0);
        text = read_log(fd);
        ASSERT_TRUE(endswith(text, "out F line 998|out F line 999|"));
        ASSERT_TRUE(f.streams->slot->generation > 4);
        ASSERT_OK(rm_rf_at(AT_FDCWD, path));
}

/* Killed after step 2, or in step 3 with a part of a record in the log: the next process finishes the chunk.
 */
static void takeover(const char *torn, const char *expected) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        Fixture next = FIXTURE_INIT;
        Streams *s;

        ASSERT_OK(fixture_init(&f, SPEC));
        s = f.streams;
        say(&f, 1, "before\n");
        ASSERT_OK(write_full(f.fds[1], LINE "more", strlen(LINE "more")));
        spool_begin(&f.iod.spool,
                    &f.iod.table,
                    s->slot,
                    RECORD_STDOUT,
                    streams_file_size(s->log_fd),
                    now_realtime_nsec());
        ASSERT_EQ(spool_fill(&f.iod.spool, s->pipes[1], SPOOL_SIZE), strlen(LINE "more"));
        s->slot->state.n_records += 77;
        ASSERT_OK(write_full(s->log_fd, torn, strlen(torn)));

        ASSERT_OK(sd_event_new(&next.event));
        ASSERT_OK(iod_init(&next.iod, next.event, fd_dup(f.iod.table.fd), fd_dup(f.iod.spool.fd)));
        iod_add_stored(&next.iod, "0", fd_dup(s->pipes[2]));
        iod_add_stored(&next.iod, "a0", fd_dup(s->log_fd));
        iod_add_stored(&next.iod, "0", fd_dup(s->pipes[1]));
        iod_add_stored(&next.iod, "7", fd_dup(s->log_fd)); /* nobody's */
        iod_add_stored(&next.iod, "nonsense", fd_dup(s->log_fd));
        ASSERT_OK(iod_restore(&next.iod));
        assert_log(f.log_fd, expected);
        next.streams = iod_find(&next.iod, ID);
        ASSERT_TRUE(next.streams);
        ASSERT_EQ(next.streams->slot->state.n_records, 3);
        ASSERT_EQ(next.streams->slot->state.n_bytes, strlen("before\n" LINE "more"));
        memcpy(next.fds, f.fds, sizeof(f.fds));
        say(&next, 1, "\n");
        ASSERT_EQ(next.streams->slot->state.n_records, 4);
        for (size_t i = 0; i < ELEMENTSOF(next.fds); i++)
                next.fds[i] = -EBADF;
        fixture_done(&next);
}

static void test_takeover(void) {
        static const char expected[] = "out F before|out F a line of the container|out P more|";

        takeover("", expected);
        takeover("2026-01-31T08:15:30.123456789Z stdout F a line of", expected);
        takeover("2026-01-31T08:15:30.123456789Z stdout F a line of the container\n", expected);
}

/* Without a log file and with a journal that nobody reads, memory does not grow. */
static void test_memory(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;
        StreamsSpec spec = SPEC;

        spec.id = ID;
        spec.journal = true;
        ASSERT_OK(sd_event_new(&f.event));
        ASSERT_OK(iod_init(&f.iod, f.event, -EBADF, -EBADF));
        f.iod.copy.fd = close_fd(f.iod.copy.fd);
        ASSERT_OK(streams_open(&f.iod, &spec, f.fds, NULL));
        f.streams = iod_find(&f.iod, ID);
        for (unsigned i = 0; i < 100000; i++)
                say(&f, 1, "a line that nobody reads\n");
        ASSERT_TRUE(streams_file_size(f.streams->log_fd) <= (int64_t) (4 * MIB));
}

static void test_allocations(void) {
        _cleanup_fixture_ Fixture f = FIXTURE_INIT;

        ASSERT_OK(fixture_init(&f, SPEC));
        streams_close(f.streams);
}

TEST_MAIN(TEST(test_streams),
          TEST(test_stdin),
          TEST(test_time_never_goes_back),
          TEST(test_reopen),
          TEST(test_emptied),
          TEST(test_full),
          TEST(test_limit),
          TEST(test_takeover),
          TEST(test_memory),
          TEST_ALLOC(test_allocations));
