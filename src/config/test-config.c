/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "config/config.h"
#include "config/flag.h"
#include "config/schema.h"

#define FILE_MAX (1 * MIB)

typedef struct Place {
        char dir[32], conf[64], drop[64];
        int fd;
} Place;

static void place_init(Place *p) {
        *p = (Place){ .dir = "/tmp/test-config-XXXXXX", .fd = -EBADF };
        ASSERT_TRUE(mkdtemp(p->dir));
        (void) snprintf(p->conf, sizeof(p->conf), "%s/crio.conf", p->dir); /* both fit */
        (void) snprintf(p->drop, sizeof(p->drop), "%s/crio.conf.d", p->dir);
        p->fd = open_at(AT_FDCWD, p->dir, O_PATH | O_DIRECTORY, 0);
        ASSERT_TRUE(p->fd >= 0);
}

static void place_done(Place *p) {
        (void) rm_rf_at(AT_FDCWD, p->dir);
        close_fd(p->fd);
}

static void place_write(Place *p, const char *path, const char *text) {
        ASSERT_EQ(mkdir_parents_at(p->fd, path, 0755), 0);
        ASSERT_EQ(write_file_atomic_at(p->fd, path, text, strlen(text), 0644, 0), 0);
}

static Config *load(Place *p) {
        _cleanup_(error_done) Error error = {};
        Config *c = NULL;
        int r;

        ASSERT_EQ(config_new(&c), 0);
        r = config_load(c, p->conf, false, p->drop, &error);
        if (r < 0)
                test_fail(__FILE__, __LINE__, "%s", error_get_text(&error, r));
        return c;
}

static void check_list(char *const *list, const char *joined) {
        _cleanup_free_ char *text = strv_join(list, " ");

        ASSERT_STREQ(text, joined);
}

static void test_defaults(void) {
        _cleanup_(config_freep) Config *c = NULL;

        ASSERT_OK(config_new(&c));
        ASSERT_STREQ(c->default_runtime, "crun");
        ASSERT_STREQ(c->cgroup_manager, "systemd");
        ASSERT_EQ(c->pids_limit, -1);
        ASSERT_EQ(c->grpc_max_recv_msg_size, 80 * MIB);
        ASSERT_FALSE(c->read_only);
        ASSERT_TRUE(strv_contains(c->default_capabilities, "CHOWN"));
        ASSERT_EQ(strv_length(c->without_effect), 0);
}

/* Every row of the schema is whole: a default of its type, a help, a name that is there once. */
static void test_schema(void) {
        for (const ConfigKey *k = config_keys; k->name; k++) {
                ASSERT_TRUE(startswith(k->table, "crio") && k->initial && k->help);
                ASSERT_TRUE(config_find_key(k->table, k->name) == k);
                ASSERT_TRUE(k->help[strlen(k->help) - 1] == '.');
        }
        ASSERT_NULL(config_find_key("crio", "no_such_key"));
        ASSERT_NULL(config_find_key("crio.api", "root"));
}

/* Main file, then drop-ins by name, into directories, whatever their ending; lists are replaced as a whole.
 */
static void test_drop_ins(void) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(place_done) Place p;

        place_init(&p);
        place_write(&p,
                    "crio.conf",
                    "[crio]\nlog_dir='/main'\n[crio.runtime]\npids_limit=1\ndefault_env=['A=1','B=1']\nread_only=true\n");
        place_write(&p, "crio.conf.d/10-a.conf", "[crio.runtime]\npids_limit=10\n");
        place_write(&p, "crio.conf.d/20-b/deep/x", "[crio.runtime]\npids_limit=20\nlog_level='debug'\n");
        place_write(&p, "crio.conf.d/30-c.bak", "[crio.runtime]\ndefault_env=['C=1']\n");
        place_write(&p, "crio.conf.d/20-b.conf", "[crio.runtime]\nlog_level='warn'\n"); /* behind 20-b/ */
        c = load(&p);
        ASSERT_STREQ(c->log_dir, "/main");
        ASSERT_EQ(c->pids_limit, 20);
        ASSERT_STREQ(c->log_level, "warn");
        check_list(c->default_env, "C=1");
        ASSERT_TRUE(c->read_only);
}

static void test_links(void) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(place_done) Place p;

        place_init(&p);
        place_write(&p, "elsewhere", "[crio.runtime]\npids_limit=7\n");
        place_write(&p, "crio.conf.d/a", "");
        ASSERT_EQ(symlinkat("../elsewhere", p.fd, "crio.conf.d/b"), 0);
        ASSERT_EQ(symlinkat("nowhere", p.fd, "crio.conf.d/c"), 0);
        ASSERT_EQ(symlinkat(".", p.fd, "crio.conf.d/loop"), 0);
        ASSERT_EQ(mkfifoat(p.fd, "crio.conf.d/pipe", 0644), 0);
        c = load(&p);
        ASSERT_EQ(c->pids_limit, 7);
}

/* What is named and missing is an error; what may be missing is not. */
static void test_missing(void) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(place_done) Place p;

        place_init(&p);
        ASSERT_EQ(config_new(&c), 0);
        ASSERT_EQ(config_load(c, p.conf, false, p.drop, NULL), 0);
        ASSERT_EQ(config_load(c, p.conf, true, NULL, NULL), -ENOENT);
        ASSERT_EQ(config_load(c, "", true, "", NULL), 0);
        ASSERT_EQ(config_load(c, p.dir, true, NULL, NULL), -EISDIR);
}

/* Exceptions to "the later wins". */
static void test_kept_values(void) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(place_done) Place p;

        place_init(&p);
        place_write(&p,
                    "crio.conf",
                    "[crio]\nroot='/a'\nrunroot='/b'\nlog_dir='/c'\nstorage_option=['x','y','x']\n");
        place_write(&p,
                    "crio.conf.d/1",
                    "[crio]\nroot=''\nrunroot=''\nstorage_driver=''\nstorage_option=['z','y']\nlog_dir='/d'\n");
        c = load(&p);
        ASSERT_STREQ(c->root, "/a");
        ASSERT_STREQ(c->runroot, "/b");
        ASSERT_STREQ(c->storage_driver, "overlay");
        ASSERT_STREQ(c->log_dir, "/d");
        check_list(c->storage_options, "x z y");
}

/* A later file replaces a runtime handler as a whole, and leaves the others. */
static void test_runtimes(void) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(error_done) Error error = {};
        _cleanup_(place_done) Place p;
        const ConfigRuntime *r;

        place_init(&p);
        place_write(&p,
                    "crio.conf",
                    "[crio.runtime]\ndefault_runtime='one'\n"
                    "[crio.runtime.runtimes.one]\nruntime_path='/bin/true'\nruntime_root='/run/one'\nallowed_annotations=['a','b']\n"
                    "[crio.runtime.runtimes.two]\nruntime_path='/bin/sh'\nmonitor_path='/x'\n"
                    "[crio.runtime.runtimes.gone]\nruntime_path='/no/such/program'\n"
                    "[crio.runtime.runtimes.kata]\nruntime_path='/bin/true'\nruntime_type='vm'\n");
        place_write(&p, "crio.conf.d/1", "[crio.runtime.runtimes.one]\nruntime_path='/bin/sh'\n");
        c = load(&p);
        ASSERT_EQ(config_check(c, &error), 0);
        r = config_find_runtime(c, "");
        ASSERT_TRUE(r && streq(r->name, "one"));
        ASSERT_STREQ(r->runtime_path, "/bin/sh");
        ASSERT_STREQ(r->runtime_root, "/run/crun"); /* the default again */
        ASSERT_NULL(r->allowed_annotations);
        r = config_find_runtime(c, "two");
        ASSERT_TRUE(r && streq(r->runtime_type, "oci"));
        ASSERT_NULL(config_find_runtime(c, "gone")); /* handlers that can not work are left out */
        ASSERT_NULL(config_find_runtime(c, "kata"));
        ASSERT_NULL(config_find_runtime(c, "three"));
        check_list(c->without_effect, "crio.runtime.runtimes.two.monitor_path");
}

static void test_without_effect(void) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(place_done) Place p;

        place_init(&p);
        place_write(&p,
                    "crio.conf",
                    "[crio]\nimagestore=''\ninternal_wipe=false\nnonsense=1\n[other]\nx=1\n"
                    "[crio.api]\nstream_port='0'\n[crio.runtime.workloads.w]\nactivation_annotation='x'\n");
        c = load(&p);
        /* Those that say the default are no news. */
        check_list(c->without_effect,
                   "crio.internal_wipe crio.nonsense crio.runtime.workloads.w.activation_annotation");
}

static void test_refused(void) {
        static const struct {
                const char *text, *message;
        } refused[] = {
                { "[crio]\nroot=1\n", "/crio.conf:2:1: root: expected a string, found integer" },
                { "[crio]\nroot=\"a\\u0000b\"\n", "/crio.conf:2:1: root: expected a string" },
                { "[crio.runtime]\nread_only='true'\n",
                  "/crio.conf:2:1: read_only: expected true or false, found string" },
                { "[crio.runtime]\npids_limit=1.0\n",
                  "/crio.conf:2:1: pids_limit: expected an integer, found float" },
                { "[crio.runtime]\ndefault_env='x'\n",
                  "/crio.conf:2:1: default_env: expected an array of strings" },
                { "[crio.runtime]\ndefault_env=['x', 1]\n",
                  "/crio.conf:2:1: default_env: expected an array of strings" },
                { "crio = 1\n", "/crio.conf:1:1: crio: expected a table, found integer" },
                { "[crio.runtime.runtimes]\none = 'x'\n",
                  "/crio.conf:2:1: one: expected a table, found string" },
                { "[crio.runtime]\nruntimes = 'x'\n",
                  "/crio.conf:2:1: runtimes: expected a table, found string" },
                { "[crio.runtime.runtimes.one]\nruntime_path = []\n",
                  "/crio.conf:2:1: runtime_path: expected a string" },
                { "[crio]\nroot='/a'\nroot='/b'\n", "/crio.conf:3:1: key \"root\" is already defined" },
                { "[crio\n", "/crio.conf:1:6: " },
                { "\xff", "/crio.conf:1:1: not valid UTF-8" },
        };
        _cleanup_(place_done) Place p;

        place_init(&p);
        FOREACH_ELEMENT(row, refused) {
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(error_done) Error error = {};
                int r;

                place_write(&p, "crio.conf", row->text);
                ASSERT_EQ(config_new(&c), 0);
                r = config_load(c, p.conf, false, NULL, &error);
                ASSERT_EQ(r, -EINVAL);
                if (!strstr(error_get_text(&error, r), row->message))
                        test_fail(__FILE__, __LINE__, "%s", error_get_text(&error, r));
        }
        /* A broken drop-in counts, too. */
        place_write(&p, "crio.conf", "");
        place_write(&p, "crio.conf.d/x", "=");
        _cleanup_(config_freep) Config *c = NULL;
        ASSERT_EQ(config_new(&c), 0);
        ASSERT_EQ(config_load(c, p.conf, false, p.drop, NULL), -EINVAL);
}

static const ConfigKey *key(const char *table, const char *name) {
        const ConfigKey *k = config_find_key(table, name);

        ASSERT_TRUE(k);
        return k;
}

/* What the command line says. */
static void test_set(void) {
        _cleanup_(config_freep) Config *c = NULL;

        ASSERT_EQ(config_new(&c), 0);
        ASSERT_EQ(config_set(c, key("crio", "root"), "/x", NULL), 0);
        ASSERT_STREQ(c->root, "/x");
        ASSERT_EQ(config_set(c, key("crio.runtime", "default_env"), "A=1,B=2", NULL), 0);
        check_list(c->default_env, "A=1 B=2");
        ASSERT_EQ(config_set(c, key("crio.runtime", "read_only"), "T", NULL), 0);
        ASSERT_TRUE(c->read_only);
        ASSERT_EQ(config_set(c, key("crio.runtime", "read_only"), "yes", NULL), -EINVAL);
        ASSERT_EQ(config_set(c, key("crio.runtime", "pids_limit"), "-7", NULL), 0);
        ASSERT_EQ(c->pids_limit, -7);
        ASSERT_EQ(config_set(c, key("crio.runtime", "pids_limit"), "7x", NULL), -EINVAL);
        ASSERT_EQ(config_set(c, key("crio.runtime", "pids_limit"), "9223372036854775808", NULL), -ERANGE);
        ASSERT_EQ(config_set(c, key("crio", "internal_wipe"), "false", NULL), 0);
        check_list(c->without_effect, "crio.internal_wipe");
}

static void test_check(void) {
        static const struct {
                const char *table, *name, *value, *message; /* NULL: fine */
        } checks[] = {
                { "crio.runtime", "cgroup_manager", "cgroupfs", "cgroup_manager" },
                { "crio", "log_dir", "logs", "crio.log_dir: logs is not absolute" },
                { "crio", "storage_driver", "vfs", "crio.storage_driver: \"vfs\" is not supported" },
                { "crio", "storage_driver", "overlay", NULL },
                { "crio.runtime", "log_size_max", "0", "log size max should be negative or >= 8192" },
                { "crio.runtime", "log_size_max", "8191", "log size max should be negative or >= 8192" },
                { "crio.runtime", "log_size_max", "8192", NULL },
                { "crio.runtime", "log_size_max", "-1", NULL },
                { "crio.runtime", "log_level", "loud", "not a valid logrus Level: \"loud\"" },
                { "crio.runtime",
                  "default_runtime",
                  "none-such",
                  "runtime handler none-such: no such program in $PATH" },
        };

        FOREACH_ELEMENT(row, checks) {
                _cleanup_(config_freep) Config *c = NULL;
                _cleanup_(error_done) Error error = {};
                int r;

                ASSERT_EQ(config_new(&c), 0);
                ASSERT_EQ(config_set(c, key("crio.runtime", "default_runtime"), "true", NULL), 0);
                ASSERT_EQ(config_set(c, key(row->table, row->name), row->value, NULL), 0);
                r = config_check(c, &error);
                if (row->message ? !strstr(error_get_text(&error, r), row->message) : r < 0)
                        test_fail(__FILE__, __LINE__, "%s: %s", row->name, error_get_text(&error, r));
        }
}

static void test_ranges(void) {
        _cleanup_(config_freep) Config *c = NULL;

        ASSERT_EQ(config_new(&c), 0);
        ASSERT_EQ(config_set(c, key("crio.runtime", "default_runtime"), "true", NULL), 0);
        ASSERT_EQ(config_set(c, key("crio.runtime", "ctr_stop_timeout"), "-5", NULL), 0);
        ASSERT_EQ(config_set(c, key("crio.api", "grpc_max_recv_msg_size"), "-5", NULL), 0);
        ASSERT_EQ(config_check(c, NULL), 0);
        ASSERT_EQ(c->ctr_stop_timeout_sec, 30);
        ASSERT_EQ(c->grpc_max_recv_msg_size, 80 * MIB);
}

/* What is printed is read back as the same, whatever is in it. */
static void test_round_trip(void) {
        _cleanup_(config_freep) Config *c = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL, *other = NULL;
        _cleanup_(place_done) Place p;

        place_init(&p);
        place_write(&p,
                    "crio.conf",
                    "[crio]\nroot=\"/a \\\"b\\\\ \\n\\u0001\\u00e9\"\n[crio.runtime]\ndefault_env=['A=\"1\"', '']\npids_limit=-9\nread_only=true\n"
                    "[crio.runtime.runtimes.\"a b\\\"\"]\nruntime_path='/x\"y'\nallowed_annotations=['q\"']\n"
                    "[crio.runtime.runtimes.plain]\n");
        c = load(&p);
        ASSERT_EQ(config_format(c, false, &text), 0);
        place_write(&p, "crio.conf", text);
        again = load(&p);
        ASSERT_EQ(config_format(again, false, &other), 0);
        ASSERT_STREQ(other, text);
        ASSERT_STREQ(again->root, c->root);
        ASSERT_EQ(again->n_runtimes, 2);
        ASSERT_STREQ(again->runtimes[0].name, "a b\"");
        ASSERT_STREQ(again->runtimes[0].runtime_path, "/x\"y");
        check_list(again->runtimes[0].allowed_annotations, "q\"");
}

/* The file that is installed is what "crio config" prints. */
static void test_installed(void) {
        _cleanup_free_ char *text = NULL, *installed = NULL;
        _cleanup_(config_freep) Config *c = NULL;

        ASSERT_EQ(config_new(&c), 0);
        ASSERT_EQ(config_format(c, true, &text), 0);
        ASSERT_EQ(read_file_at(AT_FDCWD, CRIO_CONF, FILE_MAX, &installed, NULL), 0);
        ASSERT_STREQ(installed, text);
}

static void test_allocations(void) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_free_ char *text = NULL;

        ASSERT_OK(config_new(&c));
        ASSERT_OK(config_load(c, CRIO_CONF, true, NULL, NULL));
        ASSERT_OK(config_set(c, config_find_key("crio.runtime", "default_env"), "A=1,B=2", NULL));
        ASSERT_OK(config_format(c, true, &text));
}

static void test_flags(void) {
        static const struct {
                const char *table, *name, *flag, *variable;
        } rows[] = {
                { "crio.runtime", "log_level", "log-level", "CONTAINER_LOG_LEVEL" },
                { "crio.network", "plugin_dirs", "cni-plugin-dir", "CONTAINER_CNI_PLUGIN_DIR" },
                { "crio.image", "insecure_registries", "insecure-registry", "CONTAINER_INSECURE_REGISTRY" },
                { "crio.nri", "enable_nri", "enable-nri", "" },
                { "crio.network", "plugin_dir", "", "" },
        };

        FOREACH_ELEMENT(row, rows) {
                const ConfigKey *k = key(row->table, row->name);
                char text[FLAG_NAME_MAX];

                flag_format(k, text);
                ASSERT_STREQ(text, row->flag);
                ASSERT_TRUE(flag_find_key(row->flag, strlen(row->flag)) == (*row->flag ? k : NULL));
                flag_format_variable(k, text);
                ASSERT_STREQ(text, row->variable);
        }
        /* No two keys are called alike, and each fits. */
        for (const ConfigKey *k = config_keys; k->name; k++) {
                char text[FLAG_NAME_MAX];

                flag_format(k, text);
                ASSERT_TRUE(strlen(text) < FLAG_NAME_MAX - 1);
                ASSERT_TRUE(!*text || flag_find_key(text, strlen(text)) == k);
        }
}

static void test_reload(void) {
        _cleanup_(config_freep) Config *c = NULL, *fresh = NULL;
        const ConfigRuntime *before;

        ASSERT_EQ(config_new(&c), 0);
        ASSERT_EQ(config_new(&fresh), 0);
        ASSERT_EQ(config_set(c, key("crio.runtime", "default_runtime"), "true", NULL), 0);
        ASSERT_EQ(config_set(fresh, key("crio.runtime", "default_runtime"), "true", NULL), 0);
        ASSERT_EQ(config_set(fresh, key("crio.runtime", "log_level"), "debug", NULL), 0);
        ASSERT_EQ(config_set(fresh, key("crio.runtime", "pids_limit"), "7", NULL), 0);
        ASSERT_EQ(config_set(fresh, key("crio.image", "pinned_images"), "a,b", NULL), 0);
        ASSERT_EQ(config_check(c, NULL), 0);
        ASSERT_EQ(config_check(fresh, NULL), 0);
        before = config_find_runtime(c, "");

        ASSERT_EQ(config_take_reloadable(c, fresh), 0);
        ASSERT_STREQ(c->log_level, "debug");
        check_list(c->pinned_images, "a b");
        ASSERT_EQ(c->pids_limit, -1);
        ASSERT_TRUE(config_find_runtime(c, "") == before); /* the same handlers stay where they are */
}

TEST_MAIN(TEST(test_defaults),
          TEST(test_flags),
          TEST(test_reload),
          TEST(test_schema),
          TEST(test_drop_ins),
          TEST(test_links),
          TEST(test_missing),
          TEST(test_kept_values),
          TEST(test_runtimes),
          TEST(test_without_effect),
          TEST(test_refused),
          TEST(test_set),
          TEST(test_check),
          TEST(test_ranges),
          TEST(test_round_trip),
          TEST(test_installed),
          TEST_ALLOC(test_allocations));
