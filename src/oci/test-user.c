/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <sys/stat.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "oci/capability.h"
#include "oci/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "\n"
                             "broken:x:notanumber:0::/:\n"
                             "short:x:5\n"
                             "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
                             "user:x:1000:100:A User,,,:/home/user:/bin/sh\n"
                             "1234:x:77:78::/number:/bin/sh\n"
                             "huge:x:4294967295:0::/:\n"
                             "nohome:x:8:9";

static const char group[] = "root:x:0:\n"
                            "users:x:100:user,other\n"
                            "broken:x:abc:user\n"
                            "wheel:x:10:root,user\n"
                            "mail:x:8:userx,xuser\n"
                            "five:x:5:user:more\n"
                            "noline:x";

static void test_find(void) {
        static const struct {
                const char *name; /* NULL: by uid */
                uint32_t id, uid, gid;
                const char *home;
                int r;
        } cases[] = {
                { "root", 0, 0, 0, "/root", 0 },      { "user", 0, 1000, 100, "/home/user", 0 },
                { "1234", 0, 77, 78, "/number", 0 },  { "nohome", 0, 8, 9, NULL, 0 },
                { "broken", 0, 0, 0, NULL, -ENOENT }, { "short", 0, 0, 0, NULL, -ENOENT },
                { "huge", 0, 0, 0, NULL, -ENOENT },   { "use", 0, 0, 0, NULL, -ENOENT },
                { "", 0, 0, 0, NULL, -ENOENT },       { NULL, 1000, 1000, 100, "/home/user", 0 },
                { NULL, 5, 0, 0, NULL, -ENOENT },
        };
        uint32_t gid;

        FOREACH_ELEMENT(c, cases) {
                _cleanup_free_ char *name = NULL, *home = NULL;
                uint32_t uid = 99;

                gid = 99;
                ASSERT_EQ(passwd_find(passwd, c->name, c->id, &uid, &gid, &name, &home), c->r);
                ASSERT_EQ(uid, c->r == 0 ? c->uid : 99); /* outputs only on success */
                ASSERT_EQ(gid, c->r == 0 ? c->gid : 99);
                ASSERT_TRUE(streq_null(home, c->home));
        }
        ASSERT_EQ(group_find(group, "wheel", &gid), 0);
        ASSERT_EQ(gid, 10);
        ASSERT_EQ(group_find(group, "broken", &gid), -ENOENT);
        ASSERT_EQ(group_find(group, "noline", &gid), -ENOENT);
        ASSERT_EQ(group_find("", "root", &gid), -ENOENT);
}

/* An image whose files are in two layers; what is missing in the upper one comes from the lower one. */
typedef struct Image {
        char dir[32], upper[64], lower[64];
        char *layers[3];
} Image;

static void write_text(const char *dir, const char *path, const char *text) {
        _cleanup_close_ int fd = open_at(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);

        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(mkdir_parents_at(fd, path, 0755), 0);
        ASSERT_EQ(write_file_atomic_at(fd, path, text, strlen(text), 0644, 0), 0);
}

static void image_init(Image *i) {
        *i = (Image){ .dir = "/tmp/test-user-XXXXXX" };
        ASSERT_TRUE(mkdtemp(i->dir));
        (void) snprintf(i->upper, sizeof(i->upper), "%s/upper", i->dir); /* all fit */
        (void) snprintf(i->lower, sizeof(i->lower), "%s/lower", i->dir);
        ASSERT_EQ(mkdir(i->upper, 0755), 0);
        ASSERT_EQ(mkdir(i->lower, 0755), 0);
        i->layers[0] = i->upper;
        i->layers[1] = i->lower;
}

static void image_done(Image *i) {
        (void) rm_rf_at(AT_FDCWD, i->dir);
}

static char *describe(const OciUser *u) {
        char *text = NULL;

        ASSERT_TRUE(asprintf(&text, "%u:%u %s", u->uid, u->gid, u->home ?: "-") >= 0);
        for (size_t i = 0; i < u->n_groups; i++) {
                char *longer;

                ASSERT_TRUE(asprintf(&longer, "%s %u", text, u->groups[i]) >= 0);
                FREE_AND_REPLACE(text, longer);
        }
        return text;
}

#define NO .run_as_user = UNSET, .run_as_group = UNSET

static int64_t more[] = { 10, 55, 55, 100 }, negative[] = { -1 }, large[] = { 4294967295 };

static const struct {
        const char *image_user;
        ContainerConfig config;
        const char *user;    /* "uid:gid home groups..." */
        const char *message; /* in place of it */
} cases[] = {
        { "", { NO }, "0:0 /root 0 10", NULL },
        { "user", { NO }, "1000:100 /home/user 100 10 5", NULL },
        { "1000", { NO }, "1000:100 /home/user 100 10 5", NULL },
        { "user:wheel", { NO }, "1000:10 /home/user 10 100 5", NULL },
        { "user:77", { NO }, "1000:77 /home/user 77 100 10 5", NULL },
        { ":wheel", { NO }, "0:10 /root 10", NULL },
        { "5000", { NO }, "5000:0 - 0", NULL },
        { "5000:6000", { NO }, "5000:6000 - 6000", NULL },
        { "1234", { NO }, "77:78 /number 78", NULL }, /* a name that looks like a number is a name */
        { "nobody", { NO }, NULL, "user \"nobody\" is not in /etc/passwd of the image" },
        { "user:nogroup", { NO }, NULL, "group \"nogroup\" is not in /etc/group of the image" },
        { "-1", { NO }, NULL, "user \"-1\" is not in" },
        { "4294967295", { NO }, NULL, "user \"4294967295\" is not in" },
        { "0:4294967295", { NO }, NULL, "group \"4294967295\" is not in" },
        /* the request wins over the image, as a whole */
        { "user:wheel", { .run_as_user = 1, .run_as_group = UNSET }, "1:1 /usr/sbin 1", NULL },
        { "user", { .run_as_user = 1, .run_as_group = 2 }, "1:2 /usr/sbin 2", NULL },
        { "", { .run_as_user = 1234, .run_as_group = UNSET }, "1234:0 - 0", NULL }, /* and is a number */
        { "", { NO, .run_as_username = (char *) "user" }, "1000:100 /home/user 100 10 5", NULL },
        { "",
          { .run_as_user = UNSET, .run_as_group = 3, .run_as_username = (char *) "daemon" },
          "1:3 /usr/sbin 3",
          NULL },
        { "user",
          { .run_as_user = UNSET, .run_as_group = 3 },
          NULL,
          "user group is specified without user or username" },
        { "",
          { .run_as_user = 1, .run_as_group = UNSET, .run_as_username = (char *) "user" },
          NULL,
          "both run_as_user and run_as_username" },
        { "", { NO, .run_as_username = (char *) "x\ny" }, NULL, "user \"x" },
        /* supplemental groups: merged with those of the image, or alone; each once */
        { "user",
          { NO, .supplemental_groups = more, .n_supplemental_groups = 4 },
          "1000:100 /home/user 100 10 5 55",
          NULL },
        { "user",
          { NO, .supplemental_groups = more, .n_supplemental_groups = 4, .supplemental_groups_policy = 1 },
          "1000:100 /home/user 100 10 55",
          NULL },
        { "",
          { NO, .supplemental_groups = negative, .n_supplemental_groups = 1 },
          NULL,
          "supplemental_groups: -1 is out of range" },
        { "",
          { NO, .supplemental_groups = large, .n_supplemental_groups = 1 },
          NULL,
          "supplemental_groups: 4294967295 is out of range" },
        { "", { NO, .supplemental_groups_policy = 2 }, NULL, "unknown supplemental_groups_policy 2" },
};

static void test_resolve(void) {
        _cleanup_(image_done) Image image;

        image_init(&image);
        write_text(image.upper, "etc/passwd", passwd);
        write_text(image.lower, "etc/passwd", "hidden:x:1:1::/:\n");
        write_text(image.lower, "etc/group", group);
        FOREACH_ELEMENT(c, cases) {
                _cleanup_(oci_user_done) OciUser u = {};
                _cleanup_(error_done) Error error = {};
                _cleanup_free_ char *text = NULL;
                int r = oci_user_resolve(&c->config, c->image_user, image.layers, &u, &error);

                if (c->message) {
                        ASSERT_EQ(r, -EINVAL);
                        ASSERT_EQ(error_get_status(&error, r), STATUS_INVALID_ARGUMENT);
                        if (!startswith(error_get_text(&error, r), c->message))
                                test_fail(__FILE__, __LINE__, "%s", error_get_text(&error, r));
                        continue;
                }
                if (r < 0)
                        test_fail(__FILE__, __LINE__, "%s: %s", c->image_user, error_get_text(&error, r));
                text = describe(&u);
                ASSERT_STREQ(text, c->user);
        }
}

/* The files of an image are foreign: nothing outside of it is read, and what is no list of users is none. */
static void test_hostile(void) {
        const ContainerConfig config = CONTAINER_CONFIG_INIT;
        _cleanup_(image_done) Image image;
        _cleanup_(oci_user_done) OciUser u = {};
        _cleanup_free_ char *secret = NULL, *file = NULL, *endless = malloc(OCI_USER_FILE_MAX + 2);

        image_init(&image);
        secret = str_join(image.dir, "/secret", NULL);
        file = str_join(image.upper, "/etc/passwd", NULL);
        ASSERT_TRUE(secret && file && endless);
        write_text(image.dir, "secret", "secret:x:666:666::/:\n");
        write_text(image.lower, "etc/passwd", "lower:x:5:6::/:\n");
        write_text(image.upper, "etc/x", "");

        ASSERT_EQ(oci_user_resolve(&config, "lower", image.layers, &u, NULL), 0);
        ASSERT_EQ(u.uid, 5);
        oci_user_done(&u);

        /* out by a link */
        ASSERT_EQ(symlink(secret, file), 0);
        ASSERT_EQ(oci_user_resolve(&config, "secret", image.layers, &u, NULL), -EINVAL);
        ASSERT_EQ(unlink(file), 0);
        ASSERT_EQ(symlink("../../../secret", file), 0);
        ASSERT_EQ(oci_user_resolve(&config, "secret", image.layers, &u, NULL), -EINVAL);
        ASSERT_EQ(unlink(file), 0);

        /* one that stays inside is followed */
        write_text(image.upper, "usr/share/users", "linked:x:7:7::/:\n");
        ASSERT_EQ(symlink("/usr/share/users", file), 0);
        ASSERT_EQ(oci_user_resolve(&config, "linked", image.layers, &u, NULL), 0);
        ASSERT_EQ(u.uid, 7);
        oci_user_done(&u);
        ASSERT_EQ(unlink(file), 0);

        /* a pipe does not block, a directory and a device are no lists; the layer below stays hidden */
        ASSERT_EQ(mkfifo(file, 0644), 0);
        ASSERT_EQ(oci_user_resolve(&config, "lower", image.layers, &u, NULL), -EINVAL);
        ASSERT_EQ(unlink(file), 0);
        ASSERT_EQ(mkdir(file, 0755), 0);
        ASSERT_EQ(oci_user_resolve(&config, "lower", image.layers, &u, NULL), -EINVAL);
        ASSERT_EQ(rmdir(file), 0);

        /* too large, or with a NUL */
        memset(endless, 'x', OCI_USER_FILE_MAX + 1);
        memcpy(endless, "big:x:1:1::/:\n", 14);
        endless[OCI_USER_FILE_MAX + 1] = '\0';
        write_text(image.upper, "etc/passwd", endless);
        ASSERT_EQ(oci_user_resolve(&config, "big", image.layers, &u, NULL), -EINVAL);
        ASSERT_EQ(oci_user_resolve(&config, "12", image.layers, &u, NULL),
                  0); /* numbers work without files */
}

static void test_many_groups(void) {
        _cleanup_free_ int64_t *ids = new0(int64_t, OCI_GROUPS_MAX + 1);
        ContainerConfig config = CONTAINER_CONFIG_INIT;
        _cleanup_(oci_user_done) OciUser u = {};
        char *none[] = { NULL };

        ASSERT_TRUE(ids);
        for (size_t i = 0; i <= OCI_GROUPS_MAX; i++)
                ids[i] = (int64_t) i;
        config.supplemental_groups = ids;
        config.n_supplemental_groups = OCI_GROUPS_MAX;
        ASSERT_EQ(oci_user_resolve(&config, "", none, &u, NULL), 0);
        ASSERT_EQ(u.n_groups, OCI_GROUPS_MAX);
        oci_user_done(&u);
        config.n_supplemental_groups++;
        ASSERT_EQ(oci_user_resolve(&config, "", none, &u, NULL), -E2BIG);
}

static void test_allocations(void) {
        _cleanup_free_ char *name = NULL, *home = NULL;
        ContainerConfig config = CONTAINER_CONFIG_INIT;
        _cleanup_(oci_user_done) OciUser u = {};
        char *none[] = { NULL };
        uint32_t uid, gid;

        config.supplemental_groups = more;
        config.n_supplemental_groups = ELEMENTSOF(more);
        ASSERT_OK(oci_user_resolve(&config, "7:8", none, &u, NULL));
        ASSERT_EQ(u.n_groups, 4);
        ASSERT_OK(passwd_find(passwd, "user", 0, &uid, &gid, &name, &home));
        ASSERT_OK(group_find(group, "wheel", &gid));
}

static void test_capability_names(void) {
        ASSERT_EQ(capability_from_string("CHOWN"), 0);
        ASSERT_EQ(capability_from_string("cap_net_raw"), 13);
        ASSERT_EQ(capability_from_string("Cap_Checkpoint_Restore"), 40);
        ASSERT_EQ(capability_from_string(""), -EINVAL);
        ASSERT_EQ(capability_from_string("CAP_"), -EINVAL);
        ASSERT_EQ(capability_from_string("CAP_CAP_CHOWN"), -EINVAL);
        ASSERT_EQ(capability_from_string("ALL"), -EINVAL);
        for (unsigned i = 0; i < 64; i++) {
                const char *name = capability_to_string(i);

                ASSERT_TRUE(!name == (i > 40));
                if (name)
                        ASSERT_EQ(capability_from_string(name), i);
        }
        ASSERT_EQ(capability_bounding_set() >> 41, 0);
}

TEST_MAIN(TEST(test_find),
          TEST(test_resolve),
          TEST(test_hostile),
          TEST(test_many_groups),
          TEST_ALLOC(test_allocations),
          TEST(test_capability_names));
