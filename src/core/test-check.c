/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a client may ask for, each rule from both sides; signals.
 */

#include <signal.h>

#include "basic/str.h"
#include "basic/test.h"
#include "core/container-check.h"
#include "core/pod-check.h"
#include "core/resources-check.h"
#include "core/signals.h"

#define S(text) ((char *) (text))
#define LIST(...)                                                                                           \
        (char *[]) {                                                                                        \
                __VA_ARGS__, NULL                                                                           \
        }
#define POD .name = S("n"), .namespace = S("ns"), .uid = S("u")

static void check_result(int r, Error *error, const char *message, size_t row) {
        if (!message) {
                if (r < 0)
                        test_fail(__FILE__,
                                  __LINE__,
                                  "row %zu is refused: %s",
                                  row,
                                  error_get_text(error, r));
                return;
        }
        if (r >= 0)
                test_fail(__FILE__, __LINE__, "row %zu is accepted, expected: %s", row, message);
        if (!strstr(error_get_text(error, r), message))
                test_fail(__FILE__,
                          __LINE__,
                          "row %zu: %s, expected: %s",
                          row,
                          error_get_text(error, r),
                          message);
        ASSERT_EQ(error_get_status(error, r), STATUS_INVALID_ARGUMENT);
}

static PortMapping good_ports[] = { { 0, 80, 8080, NULL },
                                    { 1, 80, 8080, NULL },
                                    { 0, 81, 0, NULL },
                                    { 0, 82, 0, NULL } };
static PortMapping port_twice[] = { { 0, 80, 8080, NULL }, { 0, 81, 8080, S("") } };
static PortMapping port_large[] = { { 0, 80, 65536, NULL } };
static PortMapping port_protocol[] = { { 3, 80, 80, NULL } };
static PortMapping port_address[] = { { 0, 80, 80, S("localhost") } };
static PortMapping port_missing[] = { { 0, 0, 80, NULL } };

#define PORTS(p) .port_mappings = (p), .n_port_mappings = ELEMENTSOF(p)
#define LONG64 "0123456789012345678901234567890123456789012345678901234567890123"

static const struct {
        PodConfig config;
        const char *message; /* NULL: fine */
} pods[] = {
        { { POD }, NULL },
        { { .namespace = S("ns"), .uid = S("u") }, "sandbox metadata name is missing" },
        { { .name = S("n"), .uid = S("u") }, "sandbox metadata namespace is missing" },
        { { .name = S("n"), .namespace = S("ns") }, "sandbox metadata uid is missing" },
        { { .name = S("a/b"), .namespace = S("ns"), .uid = S("u") }, "must not have '/'" },
        { { .name = S(".."), .namespace = S("ns"), .uid = S("u") }, "must not have '/'" },
        { { .name = S("a\nb"), .namespace = S("ns"), .uid = S("u") }, "must not have '/'" },
        { { .name = S(LONG64 LONG64 LONG64 LONG64), .namespace = S("ns"), .uid = S("u") }, "is too long" },
        { { POD, .hostname = S("web-0.a_b") }, NULL },
        { { POD, .hostname = S(LONG64) }, NULL },
        { { POD, .hostname = S(LONG64 "x") }, "longer than 64 bytes" },
        { { POD, .hostname = S("-a") }, "hostname \"-a\"" },
        { { POD, .hostname = S("a b") }, "hostname \"a b\"" },
        { { POD, .network_mode = NAMESPACE_NODE, .pid_mode = NAMESPACE_CONTAINER }, NULL },
        { { POD, .network_mode = NAMESPACE_CONTAINER }, "network namespace mode 1" },
        { { POD, .ipc_mode = 7 }, "ipc namespace mode 7" },
        { { POD, .pid_mode = NAMESPACE_TARGET }, "pid namespace mode 3" },
        { { POD, PORTS(good_ports) }, NULL },
        { { POD, PORTS(port_twice) }, "is mapped twice" },
        { { POD, PORTS(port_large) }, "at most 65535" },
        { { POD, PORTS(port_protocol) }, "unknown protocol" },
        { { POD, PORTS(port_address) }, "host_ip is not an address" },
        { { POD, PORTS(port_missing) }, "container_port is missing" },
        { { POD, .dns_servers = LIST(S("1.1.1.1")), .dns_options = LIST(S("ndots:5")) }, NULL },
        { { POD, .dns_servers = LIST(S("1.1.1.1\nnameserver 6.6.6.6")) }, "has to be one word" },
        { { POD, .dns_searches = LIST(S("a b")) }, "has to be one word" },
        { { POD,
            .sysctls = LIST(S("net.ipv4.ip_forward"),
                            S("1"),
                            S("kernel.shmmax"),
                            S("1"),
                            S("kernel.sem"),
                            S("1 2 3 4")) },
          NULL },
        { { POD, .sysctls = LIST(S("net/ipv4/conf/eth0.1/x"), S("1")) }, NULL },
        { { POD, .sysctls = LIST(S("kernel.panic"), S("1")) }, "would change the node" },
        { { POD, .sysctls = LIST(S("kernel.semx"), S("1")) }, "would change the node" },
        { { POD, .sysctls = LIST(S("vm.overcommit_memory"), S("1")) }, "would change the node" },
        { { POD, .sysctls = LIST(S("net../../vm/x"), S("1")) }, "is not the name of a sysctl" },
        { { POD, .sysctls = LIST(S("net.x"), S("")) }, "not one short line" },
        { { POD, .network_mode = NAMESPACE_NODE, .sysctls = LIST(S("net.ipv4.ip_forward"), S("1")) },
          "whose namespace the pod uses" },
        { { POD, .ipc_mode = NAMESPACE_NODE, .sysctls = LIST(S("kernel.shmmax"), S("1")) },
          "whose namespace the pod uses" },
        { { POD, .cgroup_parent = S("kubepods-burstable-pod1_2.slice") }, NULL },
        { { POD, .cgroup_parent = S("/kubepods.slice/kubepods-besteffort.slice") }, NULL },
        { { POD, .cgroup_parent = S("/kubepods/pod1") }, "has to be a slice" },
        { { POD, .cgroup_parent = S("a--b.slice") }, "is not the path of a slice" },
        { { POD, .cgroup_parent = S("../a.slice") }, "is not the path of a slice" },
        { { POD, .cgroup_parent = S("a\n.slice") }, "is not the path of a slice" },
        { { POD, .cgroup_parent = S("crio-" LONG64 ".slice") }, "is the slice of another pod sandbox" },
        { { POD, .log_directory = S("/var/log/pods/x") }, NULL },
        { { POD, .log_directory = S("var/log") }, "log_directory \"var/log\"" },
        { { POD, .log_directory = S("/var/../etc") }, "log_directory \"/var/../etc\"" },
        { { POD, .labels = LIST(S(""), S("x")) }, "has no key" },
        { { POD, .annotations = LIST(S(""), S("x")) }, "has no key" },
};

static void test_pods(void) {
        for (size_t i = 0; i < ELEMENTSOF(pods); i++) {
                _cleanup_(error_done) Error error = {};
                int r = pod_config_check(&pods[i].config, &error);

                check_result(r, &error, pods[i].message, i);
        }
}

#define NO .run_as_user = UNSET, .run_as_group = UNSET
#define CONTAINER NO, .name = S("c"), .image = S("i")
#define MOUNTS(...)                                                                                         \
        .mounts = (ContainerMount[]){ __VA_ARGS__ },                                                        \
        .n_mounts = sizeof((ContainerMount[]){ __VA_ARGS__ }) / sizeof(ContainerMount)
#define M(c, h)                                                                                             \
        { .container_path = S(c), .host_path = S(h) }

static int64_t minus_one[] = { -1 }, too_large[] = { 4294967295 };

static const struct {
        ContainerConfig config;
        PodConfig pod;
        const char *message;
} containers[] = {
        { { CONTAINER }, { POD }, NULL },
        { { NO, .image = S("i") }, { POD }, "container metadata name is missing" },
        { { NO, .name = S("c") }, { POD }, "image is missing" },
        { { CONTAINER, .log_path = S("c/0.log") }, { POD }, NULL },
        { { CONTAINER, .log_path = S("/etc/x") }, { POD }, "log_path" },
        { { CONTAINER, .log_path = S("../x") }, { POD }, "log_path" },
        { { CONTAINER, .log_path = S("c/") }, { POD }, "log_path" },
        { { CONTAINER, .log_path = S("c/..") }, { POD }, "log_path" },
        { { CONTAINER, .working_dir = S("/x y") }, { POD }, NULL },
        { { CONTAINER, .working_dir = S("x") }, { POD }, "working_dir" },
        { { CONTAINER, .working_dir = S("/x/../..") }, { POD }, "working_dir" },
        { { CONTAINER, .stop_signal = 65 }, { POD }, NULL },
        { { CONTAINER, .stop_signal = 66 }, { POD }, "stop_signal 66" },
        { { CONTAINER, .stop_signal = -1 }, { POD }, "stop_signal -1" },
        { { CONTAINER, .command = LIST(S("")) }, { POD }, "first word of command is empty" },
        { { CONTAINER, .args = LIST(S("")) }, { POD }, NULL },
        { { CONTAINER, MOUNTS(M("/a", "/h"), M("/a/b", "/h"), M("/ab", "/h")) }, { POD }, NULL },
        { { CONTAINER, MOUNTS(M("a", "/h")) }, { POD }, "mount container_path \"a\"" },
        { { CONTAINER, MOUNTS(M("/a", "h")) }, { POD }, "mount host_path \"h\"" },
        { { CONTAINER, MOUNTS(M("/a/../b", "/h")) }, { POD }, "mount container_path" },
        { { CONTAINER, MOUNTS(M("/a", "/h/..")) }, { POD }, "mount host_path" },
        { { CONTAINER, MOUNTS(M("", "/h")) }, { POD }, "mount container_path" },
        { { CONTAINER, MOUNTS(M("/", "/h")) }, { POD }, "would hide the root" },
        { { CONTAINER, MOUNTS(M("/.//", "/h")) }, { POD }, "would hide the root" },
        { { CONTAINER, MOUNTS(M("/a", "/h"), M("/b", "/h"), M("/a/", "/g")) }, { POD }, "is there twice" },
        { { CONTAINER, MOUNTS({ .container_path = S("/a"), .host_path = S("/h"), .propagation = 3 }) },
          { POD },
          "unknown propagation" },
        { { CONTAINER,
            MOUNTS({ .container_path = S("/a"), .host_path = S("/h"), .recursive_readonly = true }) },
          { POD },
          "recursive_read_only" },
        { { CONTAINER,
            MOUNTS({ .container_path = S("/a"),
                     .host_path = S("/h"),
                     .recursive_readonly = true,
                     .readonly = true }) },
          { POD },
          NULL },
        { { .name = S("c"), .image = S("i"), .run_as_user = UNSET, .run_as_group = 5 },
          { POD },
          "run_as_group needs run_as_user" },
        { { .name = S("c"), .image = S("i"), .run_as_user = -2, .run_as_group = UNSET },
          { POD },
          "run_as_user -2 is out of range" },
        { { .name = S("c"), .image = S("i"), .run_as_user = 4294967294, .run_as_group = UNSET },
          { POD },
          NULL },
        { { .name = S("c"), .image = S("i"), .run_as_user = 4294967295, .run_as_group = UNSET },
          { POD },
          "run_as_user 4294967295 is out of range" },
        { { CONTAINER, .supplemental_groups = minus_one, .n_supplemental_groups = 1 },
          { POD },
          "-1 is not the id of a group" },
        { { CONTAINER, .supplemental_groups = too_large, .n_supplemental_groups = 1 },
          { POD },
          "is out of range" },
        { { CONTAINER, .network_mode = NAMESPACE_NODE },
          { POD },
          "network namespace mode 2 is not that of its pod" },
        { { CONTAINER, .network_mode = NAMESPACE_NODE }, { POD, .network_mode = NAMESPACE_NODE }, NULL },
        { { CONTAINER, .pid_mode = NAMESPACE_TARGET }, { POD }, "target_id is missing" },
        { { CONTAINER, .pid_mode = 9 }, { POD }, "unknown pid namespace mode 9" },
        { { CONTAINER, .privileged = true }, { POD }, "it is privileged, its pod sandbox is not" },
        { { CONTAINER, .privileged = true }, { POD, .privileged = true }, NULL },
        { { CONTAINER, .masked_paths = LIST(S("proc")) }, { POD }, "masked_paths \"proc\"" },
        { { CONTAINER, .readonly_paths = LIST(S("/a/../b")) }, { POD }, "readonly_paths" },
        { { CONTAINER, .resources = { .oom_score_adj = 1001 } },
          { POD },
          "oom_score_adj 1001 is out of range" },
        { { CONTAINER, .labels = LIST(S(""), S("x")) }, { POD }, "has no key" },
};

static void test_containers(void) {
        for (size_t i = 0; i < ELEMENTSOF(containers); i++) {
                _cleanup_(error_done) Error error = {};
                int r = container_config_check(&containers[i].config, &containers[i].pod, &error);

                check_result(r, &error, containers[i].message, i);
        }
}

/* What execve(2) would refuse is refused before anything is made. */
static void test_arguments(void) {
        _cleanup_free_ char *large = malloc(128 * KIB + 1);
        char *many[51] = {};
        ContainerConfig c = { CONTAINER };
        const PodConfig pod = { POD };

        ASSERT_TRUE(large);
        memset(large, 'x', 128 * KIB);
        large[128 * KIB] = '\0';
        c.args = LIST(large);
        ASSERT_EQ(container_config_check(&c, &pod, NULL), -EINVAL);
        large[128 * KIB - 1] = '\0';
        ASSERT_EQ(container_config_check(&c, &pod, NULL), 0);
        for (size_t i = 0; i < 50; i++)
                many[i] = large;
        c.envs = many;
        ASSERT_EQ(container_config_check(&c, &pod, NULL), -EINVAL);
}

static HugepageLimit page_good[] = { { S("2MB"), 1 }, { S("1GB"), 0 } }, page_bad[] = { { S("2M"), 1 } };

#define PAGES(p) .hugepage_limits = (p), .n_hugepage_limits = ELEMENTSOF(p)

static const struct {
        ContainerResources resources;
        const char *message;
} limits[] = {
        { {}, NULL },
        { { .cpu_period_usec = 1000, .cpu_quota_usec = 1000, .cpu_shares = 2 }, NULL },
        { { .cpu_period_usec = 1000000, .cpu_quota_usec = -1, .cpu_shares = 262144 }, NULL },
        { { .cpu_period_usec = 999 }, "cpu_period 999 is out of range" },
        { { .cpu_period_usec = 1000001 }, "cpu_period 1000001 is out of range" },
        { { .cpu_quota_usec = 999 }, "cpu_quota 999 is out of range" },
        { { .cpu_quota_usec = -2 }, "cpu_quota -2 is out of range" },
        { { .cpu_shares = -1 }, "cpu_shares -1 is out of range" },
        { { .cpu_shares = 262145 }, "cpu_shares 262145 is out of range" },
        { { .memory_limit_bytes = MEMORY_LIMIT_MIN }, NULL },
        { { .memory_limit_bytes = -1 }, NULL },
        { { .memory_limit_bytes = 4096 }, "memory_limit_in_bytes 4096 is out of range" },
        { { .memory_limit_bytes = INT64_MIN }, "memory_limit_in_bytes" },
        { { .memory_limit_bytes = 2000000, .memory_swap_limit_bytes = 2000000 }, NULL },
        { { .memory_limit_bytes = 2000000, .memory_swap_limit_bytes = 1999999 },
          "is below memory_limit_in_bytes" },
        { { .oom_score_adj = -1000 }, NULL },
        { { .oom_score_adj = -1001 }, "oom_score_adj -1001 is out of range" },
        { { .cpuset_cpus = S("0"), .cpuset_mems = S("0-3,7") }, NULL },
        { { .cpuset_cpus = S("100000") }, "cpuset_cpus \"100000\"" },
        { { .cpuset_cpus = S("0,") }, "cpuset_cpus" },
        { { .cpuset_cpus = S("0,,0") }, "cpuset_cpus" },
        { { .cpuset_cpus = S("0-") }, "cpuset_cpus" },
        { { .cpuset_cpus = S("all") }, "cpuset_cpus" },
        { { .cpuset_mems = S("3-1") }, "cpuset_mems" },
        { { .cpuset_mems = S("0 1") }, "cpuset_mems" },
        { { .unified = LIST(S("memory.high"), S("max"), S("io.max"), S("8:0 rbps=1")) }, NULL },
        { { .unified = LIST(S("cgroup.procs"), S("1")) }, "unified \"cgroup.procs\"" },
        { { .unified = LIST(S("cgroup.kill"), S("1")) }, "unified \"cgroup.kill\"" },
        { { .unified = LIST(S("memory./../x"), S("1")) }, "unified" },
        { { .unified = LIST(S("memory."), S("1")) }, "unified" },
        { { .unified = LIST(S("memory.high"), S("1\n2")) }, "not one short line" },
        { { PAGES(page_good) }, NULL },
        { { PAGES(page_bad) }, "huge page size \"2M\"" },
};

static void test_limits(void) {
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                _cleanup_(error_done) Error error = {};
                int r = resources_check(&limits[i].resources, &error);

                check_result(r, &error, limits[i].message, i);
        }
}

static void test_signals(void) {
        static const struct {
                const char *text;
                int number;
        } names[] = {
                { "SIGTERM", SIGTERM }, { "term", SIGTERM },       { "15", 15 },
                { "sigKill", SIGKILL }, { "RTMIN", 34 },           { "SIGRTMIN+3", 37 },
                { "RTMAX", 64 },        { "rtmax-14", 50 },        { "64", 64 },
                { "0", -EINVAL },       { "65", -EINVAL },         { "", -EINVAL },
                { "SIG", -EINVAL },     { "SIGSIGTERM", -EINVAL }, { "TERM ", -EINVAL },
                { "-9", -EINVAL },      { "RTMIN+31", -EINVAL },   { "RTMIN-1", -EINVAL },
                { "RTMAX+1", -EINVAL }, { "RTMINx", -EINVAL },
        };

        FOREACH_ELEMENT(n, names)
                if (signal_from_string(n->text) != n->number)
                        test_fail(__FILE__, __LINE__, "%s is %d", n->text, signal_from_string(n->text));

        /* Every signal has a number of the CRI, and comes back from it. */
        for (int i = 1; i <= 64; i++)
                if (i < 32 || i >= 34)
                        ASSERT_EQ(signal_from_cri(signal_to_cri(i)), i);
        ASSERT_EQ(signal_to_cri(SIGTERM), 23);
        ASSERT_EQ(signal_to_cri(SIGKILL), 13);
        ASSERT_EQ(signal_from_cri(0), -EINVAL);
        ASSERT_EQ(signal_from_cri(66), -EINVAL);
        ASSERT_EQ(signal_to_cri(0), -EINVAL);
}

TEST_MAIN(TEST(test_pods),
          TEST(test_containers),
          TEST(test_arguments),
          TEST(test_limits),
          TEST(test_signals));
