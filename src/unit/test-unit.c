/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "unit/cgroup.h"
#include "unit/unit-spec.h"

#define SHOWN_MAX (64 * KIB)

static void test_slices(void) {
        static const struct {
                const char *slice, *path; /* NULL: refused */
        } cases[] = {
                { "-.slice", "" },
                { "a.slice", "/a.slice" },
                { "a-b.slice", "/a.slice/a-b.slice" },
                { "kubepods-burstable-pod1234_5.slice",
                  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234_5.slice" },
                { "", NULL },
                { ".slice", NULL },
                { "a", NULL },
                { "a.service", NULL },
                { "-a.slice", NULL },
                { "a-.slice", NULL },
                { "a--b.slice", NULL },
                { "--.slice", NULL },
                { "a/b.slice", NULL },
                { "../a.slice", NULL },
        };
        char name[300] = {};

        FOREACH_ELEMENT(c, cases) {
                _cleanup_free_ char *path = NULL;

                if (c->path) {
                        ASSERT_OK(cgroup_path_from_slice(c->slice, &path));
                        ASSERT_STREQ(path, c->path);
                } else if (!test_allocation_failed())
                        ASSERT_EQ(cgroup_path_from_slice(c->slice, &path), -EINVAL);
        }
        memset(name, 'a', 256);
        memcpy(name + 250, ".slice", 7);
        if (!test_allocation_failed())
                ASSERT_EQ(cgroup_path_from_slice(name, &(char *){ NULL }),
                          -EINVAL); /* no unit has that name */
}

static void test_unit_path(void) {
        _cleanup_free_ char *path = NULL, *none = NULL;

        ASSERT_OK(cgroup_path_from_unit("a-b.slice", "x.scope", &path));
        ASSERT_STREQ(path, "/a.slice/a-b.slice/x.scope");
        if (!test_allocation_failed())
                ASSERT_EQ(cgroup_path_from_unit("a", "x.scope", &none), -EINVAL);
}

static void test_absent_group(void) {
        CgroupStats stats;
        uint64_t value;

        ASSERT_EQ(cgroup_read_stats("/test-unit-no-such-group", &stats), -ENOENT);
        ASSERT_EQ(cgroup_read_key("/test-unit-no-such-group", "memory.events", "oom_kill", &value), -ENOENT);
        ASSERT_EQ(cgroup_kill("/test-unit-no-such-group"), 0);
}

static const struct {
        const char *file, *text;
} group_files[] = {
        { "cpu.stat", "usage_usec 123456\nuser_usec 100000\nsystem_usec 23456\n" },
        { "memory.stat", "anon 4096\nfile 8192\ninactive_file 512\npgfault 7\npgmajfault 0\n" },
        { "memory.current", "1048576\n" },
        { "memory.max", "max\n" },
        { "memory.swap.current", "-1\n" },
        { "pids.current", "12\n" },
        { "cpu.pressure",
          "some avg10=1.50 avg60=0.07 avg300=100.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=2.00 total=5\n" },
        { "memory.pressure", "nonsense\n" },
};

/* What the kernel writes, what it does not write, and what makes no sense. */
static void test_stats(void) {
        char dir[] = "/tmp/test-unit-XXXXXX";
        _cleanup_close_ int fd = -EBADF;
        CgroupStats s;

        ASSERT_TRUE(mkdtemp(dir));
        fd = open_at(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(cgroup_read_stats_at(fd, &s), 0);
        ASSERT_TRUE(s.cpu_usage_usec == CGROUP_UNKNOWN && s.memory_current == CGROUP_UNKNOWN &&
                    !s.cpu_pressure.known);

        FOREACH_ELEMENT(f, group_files)
                ASSERT_EQ(write_file_atomic_at(fd, f->file, f->text, strlen(f->text), 0600, 0), 0);
        ASSERT_EQ(cgroup_read_stats_at(fd, &s), 0);
        (void) rm_rf_at(AT_FDCWD, dir);
        ASSERT_EQ(s.cpu_usage_usec, 123456);
        ASSERT_EQ(s.memory_anon, 4096);
        ASSERT_EQ(s.memory_inactive_file, 512);
        ASSERT_EQ(s.memory_pgfault, 7);
        ASSERT_EQ(s.memory_pgmajfault, 0);
        ASSERT_EQ(s.memory_current, 1048576);
        ASSERT_TRUE(s.memory_max == CGROUP_NO_LIMIT && s.swap_current == CGROUP_UNKNOWN &&
                    s.swap_max == CGROUP_UNKNOWN);
        ASSERT_EQ(s.pids_current, 12);
        ASSERT_TRUE(s.cpu_pressure.known && s.memory_pressure.known && !s.io_pressure.known);
        ASSERT_TRUE(s.cpu_pressure.some_avg[0] == 1.5 && s.cpu_pressure.some_avg[1] == 0.07 &&
                    s.cpu_pressure.some_avg[2] == 100);
        ASSERT_EQ(s.cpu_pressure.some_total_usec, 1234);
        ASSERT_TRUE(s.cpu_pressure.full_avg[2] == 2);
        ASSERT_EQ(s.cpu_pressure.full_total_usec, 5);
        ASSERT_EQ(s.memory_pressure.some_total_usec, 0);
}

static void test_of_process(void) {
        _cleanup_free_ char *path = NULL, *none = NULL;
        int r = cgroup_path_from_pid(getpid(), &path);

        if (r == 0)
                ASSERT_TRUE(path[0] == '/');
        else
                ASSERT_EQ(r, -ENOENT); /* a machine without the unified hierarchy */
        ASSERT_EQ(cgroup_path_from_pid(INT32_MAX, &none), -ENOENT);
}

/* Values of a message as text: types in front of what they contain. */
static void show(Buffer *b, sd_bus_message *m) {
        const char *contents;
        char type;

        while (sd_bus_message_peek_type(m, &type, &contents) > 0) {
                union {
                        const char *s;
                        int i;
                        uint64_t t;
                        uint32_t u;
                        uint8_t y;
                } v = {};

                if (strchr("arvre", type)) {
                        (void) buffer_addf(
                                        b,
                                        "%c%s(",
                                        type,
                                        type == 'a' && !streq(contents, "(sv)") ? contents : "");
                        ASSERT_TRUE(sd_bus_message_enter_container(m, type, contents) > 0);
                        show(b, m);
                        ASSERT_TRUE(sd_bus_message_exit_container(m) >= 0);
                        (void) buffer_addc(b, ')');
                        continue;
                }
                ASSERT_TRUE(sd_bus_message_read_basic(m, type, &v) > 0);
                if (type == 's')
                        (void) buffer_addf(b, "\"%s\" ", v.s);
                else if (type == 'y')
                        (void) buffer_addc(b, (char) v.y);
                else if (type == 't')
                        (void) buffer_addf(b, "t%llu", (unsigned long long) v.t);
                else if (type == 'h')
                        (void) buffer_addf(b, "h%s", v.i >= 0 ? "" : "?");
                else
                        (void) buffer_addf(b, "%c%d", type, v.i);
        }
}

static void check_spec(const UnitSpec *spec, const char *expected) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(SHOWN_MAX);
        sd_bus_message *m = NULL;
        sd_bus *bus = NULL;

        ASSERT_TRUE(sd_bus_new(&bus) >= 0);
        ASSERT_TRUE(sd_bus_set_address(bus, "unix:path=/dev/null") >= 0);
        (void) sd_bus_negotiate_fds(bus, true);
        (void) sd_bus_start(bus); /* it only has to be in a state in which messages can be made */
        ASSERT_TRUE(sd_bus_message_new_method_call(bus, &m, "a.b", "/", "a.b", "C") >= 0);
        ASSERT_EQ(unit_spec_append(spec, m), 0);
        ASSERT_TRUE(sd_bus_message_seal(m, 1, 0) >= 0);
        ASSERT_TRUE(sd_bus_message_rewind(m, true) >= 0);
        show(&b, m);
        ASSERT_STREQ(b.data, expected);
        sd_bus_message_unref(m);
        sd_bus_close_unref(bus);
}

static void test_spec(void) {
        static const char *const two[] = { "A=1", "B=2", NULL }, *const none[] = { NULL };
        static const UnitExtra extra[] = {
                { "Text", 's', .string = "x" },         { "Yes", 'b', .boolean = true },
                { "Large", 't', .number = UINT64_MAX }, { "Word", 'u', .number = 7 },
                { "List", 'S', .strings = two },        { "Allowed", 'F', .strings = two },
                { "Denied", 'D', .strings = none },
        };
        UnitSpec spec = UNIT_SPEC_INIT;

        check_spec(&spec, "a()"); /* what is unset is not sent */

        spec.description = "d";
        spec.default_dependencies = 0;
        spec.remain_after_exit = 1;
        spec.exec_start = two;
        spec.log_extra_fields = two;
        spec.environment = none;
        spec.timeout_start_usec = 5;
        check_spec(&spec,
                   "a(r(\"Description\" v(\"d\" ))r(\"DefaultDependencies\" v(b0))"
                   "r(\"ExecStart\" v(a(sasb)(r(\"A=1\" as(\"A=1\" \"B=2\" )b0))))r(\"RemainAfterExit\" v(b1))"
                   "r(\"LogExtraFields\" v(aay(ay(A=1)ay(B=2))))r(\"Environment\" v(as()))r(\"TimeoutStartUSec\" v(t5)))");

        spec = UNIT_SPEC_INIT;
        spec.extra = extra;
        spec.n_extra = ELEMENTSOF(extra);
        check_spec(&spec,
                   "a(r(\"Text\" v(\"x\" ))r(\"Yes\" v(b1))r(\"Large\" v(t18446744073709551615))r(\"Word\" v(u7))"
                   "r(\"List\" v(as(\"A=1\" \"B=2\" )))r(\"Allowed\" v(r(b1as(\"A=1\" \"B=2\" ))))r(\"Denied\" v(r(b0as()))))");
}

static void test_spec_unknown_type(void) {
        static const UnitExtra extra[] = { { "X", '?', .number = 1 } };
        UnitSpec spec = UNIT_SPEC_INIT;
        sd_bus_message *m = NULL;
        sd_bus *bus = NULL;

        spec.extra = extra;
        spec.n_extra = 1;
        ASSERT_TRUE(sd_bus_new(&bus) >= 0);
        ASSERT_TRUE(sd_bus_set_address(bus, "unix:path=/dev/null") >= 0);
        (void) sd_bus_start(bus); /* as above */
        ASSERT_TRUE(sd_bus_message_new_method_call(bus, &m, "a.b", "/", "a.b", "C") >= 0);
        ASSERT_EQ(unit_spec_append(&spec, m), -EINVAL);
        sd_bus_message_unref(m);
        sd_bus_close_unref(bus);
}

TEST_MAIN(TEST_ALLOC(test_slices),
          TEST_ALLOC(test_unit_path),
          TEST(test_absent_group),
          TEST(test_stats),
          TEST(test_of_process),
          TEST(test_spec),
          TEST(test_spec_unknown_type));
