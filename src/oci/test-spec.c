/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Golden tests of config.json: each NAME.in.json below test/golden/oci/ gives NAME.json, or fails with
 * NAME.error.
 *
 * With CRIO_GOLDEN_UPDATE=1 in the environment the expected files are written instead; read their diff.
 */

#include <dirent.h>
#include <fcntl.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "oci/capability.h"
#include "oci/resources.h"
#include "oci/spec.h"

#define FILE_MAX (1 * MIB)

typedef struct GoldenDevice {
        char *path, *type, *access;
        int major, minor, mode, uid, gid;
} GoldenDevice;

/* What a case says; what it does not say is that of a common pod on a common node. */
typedef struct Golden {
        char *about;
        PodConfig pod;
        ContainerConfig container;
        char **image_env, **image_entrypoint, **image_cmd;
        char *image_working_dir;
        int uid, gid;
        int64_t *groups;
        size_t n_groups;
        char *home;
        char **default_env, **default_ulimits, **default_capabilities, **impossible_capabilities;
        bool inheritable_capabilities;
        int64_t pids_limit;
        char **controllers;
        int oom_score_adj_min;
        char *network, *ipc, *uts, *pid, *containerenv; /* "host": none */
        GoldenDevice *devices;
        size_t n_devices;
        char **annotations;
} Golden;

#define ROW(type_, struct_, field_)                                                                         \
        .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(struct_, field_)

static const JsonField device_fields[] = {
        { ROW(STRING, GoldenDevice, path) },
        { ROW(STRING, GoldenDevice, type) },
        { ROW(STRING, GoldenDevice, access) },
        { ROW(INT, GoldenDevice, major) },
        { ROW(INT, GoldenDevice, minor) },
        { ROW(INT, GoldenDevice, mode) },
        { ROW(INT, GoldenDevice, uid) },
        { ROW(INT, GoldenDevice, gid) },
        {},
};

static const JsonField golden_fields[] = {
        { ROW(STRING, Golden, about), .required = true },
        { ROW(STRUCT, Golden, pod), .fields = pod_config_fields },
        { ROW(STRUCT, Golden, container), .fields = container_config_fields },
        { ROW(STRINGS, Golden, image_env) },
        { ROW(STRINGS, Golden, image_entrypoint) },
        { ROW(STRINGS, Golden, image_cmd) },
        { ROW(STRING, Golden, image_working_dir) },
        { ROW(INT, Golden, uid) },
        { ROW(INT, Golden, gid) },
        { ROW(INT64S, Golden, groups), .n_offset = offsetof(Golden, n_groups) },
        { ROW(STRING, Golden, home) },
        { ROW(STRINGS, Golden, default_env) },
        { ROW(STRINGS, Golden, default_ulimits) },
        { ROW(STRINGS, Golden, default_capabilities) },
        { ROW(STRINGS, Golden, impossible_capabilities) },
        { ROW(BOOL, Golden, inheritable_capabilities) },
        { ROW(INT64, Golden, pids_limit) },
        { ROW(STRINGS, Golden, controllers) },
        { ROW(INT, Golden, oom_score_adj_min) },
        { ROW(STRING, Golden, network) },
        { ROW(STRING, Golden, ipc) },
        { ROW(STRING, Golden, uts) },
        { ROW(STRING, Golden, pid) },
        { ROW(STRING, Golden, containerenv) },
        { ROW(ARRAY, Golden, devices),
          .fields = device_fields,
          .size = sizeof(GoldenDevice),
          .n_offset = offsetof(Golden, n_devices) },
        { ROW(PAIRS, Golden, annotations) },
        {},
};

static const char golden_defaults[] =
                "{\"about\":\"\","
                "\"pod\":{\"name\":\"web-0\",\"uid\":\"1234\",\"namespace\":\"default\",\"hostname\":\"web-0\"},"
                "\"container\":{\"name\":\"main\",\"image\":\"registry.example/main:1\"},"
                "\"image_entrypoint\":[\"/bin/main\"],\"home\":\"/root\",\"groups\":[0],"
                "\"default_capabilities\":[\"CHOWN\",\"KILL\",\"NET_BIND_SERVICE\"],"
                "\"controllers\":[\"cpu\",\"cpuset\",\"memory\",\"pids\",\"io\",\"hugetlb\"],"
                "\"oom_score_adj_min\":-1000,"
                "\"network\":\"/run/netns/n\",\"ipc\":\"/run/crio/ipc\",\"uts\":\"/run/crio/uts\",\"pid\":\"\"}";

/* A key of a case that means nothing is a mistake in the case: what was loaded must have it when saved. */
static void check_known(const char *name, json_t *in, json_t *saved) {
        json_t *value;
        const char *key;

        json_object_foreach(in, key, value) {
                json_t *other = json_object_get(saved, key);

                if (!other && json_is_true(value))
                        test_fail(__FILE__, __LINE__, "%s: unknown key %s", name, key);
                if (json_is_object(value) && other)
                        check_known(name, value, other);
        }
}

static uint64_t mask_of(char *const *names) {
        uint64_t mask = 0;

        STRV_FOREACH(s, names) {
                int n = capability_from_string(*s);

                ASSERT_TRUE(n >= 0);
                mask |= UINT64_C(1) << n;
        }
        return mask;
}

static const char *place(const char *path) {
        return path && streq(path, "host") ? NULL : path;
}

static OciDevice *devices_new(const Golden *g) {
        OciDevice *devices = new0(OciDevice, g->n_devices + 1);

        for (size_t i = 0; i < g->n_devices && devices; i++) {
                const GoldenDevice *d = &g->devices[i];

                devices[i] = (OciDevice){ .path = d->path,
                                          .type = d->type[0],
                                          .major = (unsigned) d->major,
                                          .minor = (unsigned) d->minor,
                                          .mode = (uint32_t) d->mode,
                                          .uid = (uint32_t) d->uid,
                                          .gid = (uint32_t) d->gid };
                memcpy(devices[i].access, d->access, MIN(strlen(d->access), sizeof(devices[i].access) - 1));
        }
        return devices;
}

static int format(const Golden *g, char **ret, Error *error) {
        _cleanup_free_ OciDevice *devices = devices_new(g);
        _cleanup_free_ uint32_t *groups = new0(uint32_t, g->n_groups + 1);
        const OciUser user = { .uid = (uint32_t) g->uid,
                               .gid = (uint32_t) g->gid,
                               .groups = groups,
                               .n_groups = g->n_groups,
                               .home = g->home };
        uint64_t possible = ((UINT64_C(1) << 41) - 1) & ~mask_of(g->impossible_capabilities), set, ambient;
        int r;

        if (!devices || !groups)
                return -ENOMEM;
        for (size_t i = 0; i < g->n_groups; i++)
                groups[i] = (uint32_t) g->groups[i];
        r = oci_spec_capabilities(&g->container, g->default_capabilities, possible, &set, &ambient, error);
        if (r < 0)
                return r;

        const OciSpecInput input = {
                .pod = &g->pod,
                .container = &g->container,
                .user = &user,
                .image_env = g->image_env,
                .image_entrypoint = g->image_entrypoint,
                .image_cmd = g->image_cmd,
                .image_working_dir = g->image_working_dir,
                .root_path = "/run/crio/rootfs/c",
                .cgroups_path = "kubepods-pod1234.slice:crio:0123456789abcdef",
                .default_env = g->default_env,
                .default_ulimits = g->default_ulimits,
                .capabilities = set,
                .ambient_capabilities = ambient,
                .inheritable_capabilities = g->inheritable_capabilities,
                .pids_limit = g->pids_limit,
                .controllers = oci_controllers_parse(g->controllers),
                .oom_score_adj_min = g->oom_score_adj_min,
                .network_path = place(g->network),
                .ipc_path = place(g->ipc),
                .uts_path = place(g->uts),
                .pid_path = place(g->pid),
                .cgroup_namespace = !g->container.privileged,
                .shm_path = "/run/crio/shm",
                .resolv_conf_path = "/run/crio/resolv.conf",
                .hostname_path = "/run/crio/hostname",
                .hosts_path = "/run/crio/hosts",
                .containerenv_path = g->containerenv,
                .devices = devices,
                .n_devices = g->n_devices,
                .annotations = g->annotations,
        };
        return oci_spec_format(&input, ret, error);
}

static void golden_load(int dir_fd, const char *file, Golden *g) {
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *in = NULL, *saved = NULL, *defaults = NULL;
        _cleanup_(error_done) Error error = {};
        size_t size;
        int r;

        g->container = CONTAINER_CONFIG_INIT;
        ASSERT_OK(json_parse("defaults", golden_defaults, strlen(golden_defaults), &defaults, NULL));
        ASSERT_OK(read_file_at(dir_fd, file, FILE_MAX, &text, &size));
        r = json_parse(file, text, size, &in, &error);
        if (r >= 0 && json_object_update_recursive(defaults, in) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = json_field_load(golden_fields, defaults, g, &error);
        if (r < 0)
                test_fail(__FILE__, __LINE__, "%s: %s", file, error_get_text(&error, r));
        saved = json_field_save(golden_fields, g);
        check_known(file, in, saved);
}

/* Indented, so that a person can read the difference; the same bytes otherwise. */
static char *readable(const char *text) {
        _cleanup_json_ json_t *json = NULL;
        _cleanup_free_ char *indented = NULL, *compact = NULL;

        if (json_parse("config.json", text, strlen(text), &json, NULL) < 0)
                return NULL;
        indented = json_dumps(json, JSON_INDENT(2));
        compact = json_dumps(json, JSON_COMPACT);
        ASSERT_STREQ(compact, text);
        return str_join(indented, "\n", NULL);
}

static void compare(int dir_fd, const char *name, const char *ending, const char *other, const char *text) {
        _cleanup_free_ char *file = str_join(name, ending, NULL), *absent = str_join(name, other, NULL);
        _cleanup_free_ char *expected = NULL;
        int r;

        if (streq_null(getenv("CRIO_GOLDEN_UPDATE"), "1")) {
                ASSERT_OK(write_file_atomic_at(dir_fd, file, text, strlen(text), 0644, 0));
                (void) unlinkat(dir_fd, absent, 0); /* a case fails or does not */
                return;
        }
        r = read_file_at(dir_fd, file, FILE_MAX, &expected, NULL);
        if (r < 0)
                test_fail(__FILE__, __LINE__, "%s: %s; the result is\n%s", file, strerror(-r), text);
        if (!streq(expected, text))
                test_fail(__FILE__, __LINE__, "%s is different; the result is\n%s", file, text);
}

static void check_golden(int dir_fd, const char *file, const char *name) {
        _cleanup_free_ char *text = NULL, *again = NULL, *shown = NULL;
        _cleanup_(error_done) Error error = {};
        Golden g = {};
        int r;

        golden_load(dir_fd, file, &g);
        r = format(&g, &text, &error);
        if (r < 0) {
                shown =
                                str_join(status_to_string(error_get_status(&error, r)),
                                         ": ",
                                         error_get_text(&error, r),
                                         "\n",
                                         NULL);
                compare(dir_fd, name, ".error", ".json", shown);
        } else {
                shown = readable(text);
                ASSERT_TRUE(shown);
                compare(dir_fd, name, ".json", ".error", shown);
                ASSERT_OK(format(&g, &again, NULL));
                ASSERT_STREQ(again, text); /* the same inputs, the same bytes */
        }
        json_field_done(golden_fields, &g);
}

static void test_golden(void) {
        DIR *d = opendir(GOLDEN_DIR);
        struct dirent *de;
        unsigned n = 0;

        ASSERT_TRUE(d);
        while ((de = readdir(d))) {
                _cleanup_free_ char *name = strdup(de->d_name);
                char *ending = name ? (char *) endswith(name, ".in.json") : NULL;

                if (!ending)
                        continue;
                *ending = '\0';
                check_golden(dirfd(d), de->d_name, name);
                n++;
        }
        (void) closedir(d);
        ASSERT_TRUE(n >= 30);
}

static void *failing_malloc(size_t size) {
        return malloc(size);
}

/* jansson's own allocations fail, too. */
static void test_allocations(void) {
        char *one[] = { (char *) "A=b", NULL }, *limits[] = { (char *) "nofile=1:2", NULL };
        char *names[] = { (char *) "cpu", NULL }, *pairs[] = { (char *) "k", (char *) "v", NULL };
        ContainerMount mount = { .container_path = (char *) "/m", .host_path = (char *) "/h" };
        HugepageLimit page = { (char *) "2MB", 4096 };
        int64_t group = 5;
        GoldenDevice device = { .path = (char *) "/dev/x", .type = (char *) "c", .access = (char *) "rw" };
        const Golden g = {
                .pod = { .hostname = (char *) "h" },
                .container = { .mounts = &mount,
                               .n_mounts = 1,
                               .envs = one,
                               .masked_paths = one,
                               .annotations = pairs,
                               .resources = { .cpu_shares = 5,
                                              .memory_limit_bytes = 4096,
                                              .hugepage_limits = &page,
                                              .n_hugepage_limits = 1,
                                              .unified = pairs } },
                .image_entrypoint = one,
                .groups = &group,
                .n_groups = 1,
                .home = (char *) "/root",
                .default_ulimits = limits,
                .pids_limit = 5,
                .controllers = names,
                .network = (char *) "/n",
                .pid = (char *) "",
                .devices = &device,
                .n_devices = 1,
                .annotations = pairs,
        };
        _cleanup_free_ char *text = NULL;

        json_set_alloc_funcs(failing_malloc, free);
        ASSERT_OK(format(&g, &text, NULL));
        ASSERT_TRUE(text);
}

static void test_process(void) {
        static const char spec[] =
                        "{\"process\":{\"terminal\":true,\"args\":[\"a\"],\"cwd\":\"/x\"},\"root\":{}}";
        static const struct {
                const char *spec;
                int r;
        } refused[] = { { "", -EINVAL },
                        { "{", -EINVAL },
                        { "[]", -EINVAL },
                        { "{}", -EINVAL },
                        { "{\"process\":1}", -EINVAL } };
        char *args[] = { (char *) "b", (char *) "c d", NULL };
        _cleanup_free_ char *text = NULL, *none = NULL;

        ASSERT_OK(oci_process_format(spec, strlen(spec), args, false, &text, NULL));
        ASSERT_STREQ(text, "{\"terminal\":false,\"args\":[\"b\",\"c d\"],\"cwd\":\"/x\"}");
        FOREACH_ELEMENT(c, refused)
                ASSERT_EQ(oci_process_format(c->spec, strlen(c->spec), args, false, &none, NULL), c->r);
        ASSERT_NULL(none);
}

TEST_MAIN(TEST(test_golden), TEST(test_process), TEST_ALLOC(test_allocations));
