/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "network/network-list.h"

typedef struct File {
        const char *name, *text;
} File;

#define FILES_MAX 4

#define LIST(name, type)                                                                                    \
        "{\"cniVersion\":\"1.0.0\",\"name\":\"" name "\",\"plugins\":[{\"type\":\"" type "\"}]}"
#define CONF(name, type) "{\"cniVersion\":\"0.3.1\",\"name\":\"" name "\",\"type\":\"" type "\"}"

static const struct {
        File files[FILES_MAX];
        const char *name;
        const char *found;   /* name of the network, and the number of its plugins */
        const char *message; /* in place of it */
} cases[] = {
        /* what is a configuration */
        { { { "a.conflist", LIST("net", "bridge") } }, "", "net 1.0.0 bridge", NULL },
        { { { "a.conf", CONF("net", "bridge") } }, "", "net 0.3.1 bridge", NULL },
        { { { "a.json", CONF("net", "bridge") } }, "", "net 0.3.1 bridge", NULL },
        { { { "a.conf", "{\"name\":\"n\",\"type\":\"t\"}" } }, "", "n 0.4.0 t", NULL }, /* no version */
        { { { "a.conf", LIST("net", "bridge") } }, "", "net 1.0.0 bridge", NULL }, /* the content tells */
        { { { "a.yaml", LIST("net", "bridge") }, { "b", LIST("net", "bridge") } },
          "",
          NULL,
          "no CNI configuration in " },
        { { { NULL, NULL } }, "", NULL, "no CNI configuration in " },
        { { { "a.conflist", "{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"},{\"type\":\"b\"}]}" } },
          "",
          "n - a b",
          NULL },
        /* the order of names decides, whatever the ending */
        { { { "20-b.conf", CONF("b", "t") }, { "10-a.conflist", LIST("a", "t") } }, "", "a 1.0.0 t", NULL },
        { { { "10-b.conf", CONF("b", "t") }, { "10-a.conflist", LIST("a", "t") } }, "", "a 1.0.0 t", NULL },
        /* loopback is everybody's and not a network */
        { { { "10-l.conf", CONF("lo", "loopback") }, { "20-a.conf", CONF("a", "t") } },
          "",
          "a 0.3.1 t",
          NULL },
        { { { "10-l.conf", CONF("lo", "loopback") } }, "", NULL, "no CNI configuration in " },
        /* a wanted name */
        { { { "10-a.conf", CONF("a", "t") }, { "20-b.conf", CONF("b", "u") } }, "b", "b 0.3.1 u", NULL },
        { { { "10-a.conf", CONF("a", "t") } }, "b", NULL, "no CNI configuration of network b in " },
        /* broken files are passed over, and blamed when nothing is left */
        { { { "10-a.conf", "{" }, { "20-b.conf", CONF("b", "t") } }, "", "b 0.3.1 t", NULL },
        { { { "a.conf", "" } }, "", NULL, "a.conf:1:" },
        { { { "a.conf", "[]" } }, "", NULL, "a.conf: /name: expected the name of the network" },
        { { { "a.conf", "{\"type\":\"t\"}" } }, "", NULL, "a.conf: /name: " },
        { { { "a.conf", "{\"name\":\"\",\"type\":\"t\"}" } }, "", NULL, "a.conf: /name: " },
        { { { "a.conf", "{\"name\":1,\"type\":\"t\"}" } }, "", NULL, "a.conf: /name: " },
        { { { "a.conf", "{\"name\":\"../x\",\"type\":\"t\"}" } }, "", NULL, "a.conf: /name: " },
        { { { "a.conf", "{\"name\":\"n\"}" } },
          "",
          NULL,
          "a.conf: /plugins/0/type: expected the name of a plugin" },
        { { { "a.conf", "{\"name\":\"n\",\"type\":\"../../bin/sh\"}" } },
          "",
          NULL,
          "a.conf: /plugins/0/type: " },
        { { { "a.conflist", "{\"name\":\"n\",\"plugins\":[]}" } },
          "",
          NULL,
          "a.conflist: /plugins: expected 1 to 32" },
        { { { "a.conflist", "{\"name\":\"n\",\"plugins\":{}}" } }, "", NULL, "a.conflist: /plugins: " },
        { { { "a.conflist", "{\"name\":\"n\",\"plugins\":[1]}" } },
          "",
          NULL,
          "a.conflist: /plugins/0/type: " },
};

static char *describe(json_t *list) {
        const char *version = json_string_value(json_object_get(list, "cniVersion"));
        char *text = str_join(json_string_value(json_object_get(list, "name")), " ", version ?: "-", NULL);
        json_t *plugin;
        size_t i;

        json_array_foreach(json_object_get(list, "plugins"), i, plugin) {
                char *longer = str_join(text, " ", json_string_value(json_object_get(plugin, "type")), NULL);

                ASSERT_TRUE(longer);
                FREE_AND_REPLACE(text, longer);
        }
        return text;
}

static void check_case(size_t i, const char *dir, int dir_fd) {
        _cleanup_(error_done) Error error = {};
        _cleanup_json_ json_t *list = NULL;
        _cleanup_free_ char *found = NULL;
        int r;

        for (const File *f = cases[i].files; f < cases[i].files + FILES_MAX && f->name; f++)
                ASSERT_OK(write_file_atomic_at(dir_fd, f->name, f->text, strlen(f->text), 0644, 0));
        r = network_list_load(dir, cases[i].name, &list, &error);
        for (const File *f = cases[i].files; f < cases[i].files + FILES_MAX && f->name; f++)
                ASSERT_EQ(unlinkat(dir_fd, f->name, 0), 0);

        if (cases[i].found) {
                ASSERT_OK(r);
                found = describe(list);
                ASSERT_STREQ(found, cases[i].found);
                return;
        }
        ASSERT_EQ(r, -ENOENT);
        ASSERT_EQ(error_get_status(&error, r), STATUS_FAILED_PRECONDITION);
        if (!strstr(error_get_text(&error, r), cases[i].message))
                test_fail(__FILE__, __LINE__, "case %zu: %s", i, error_get_text(&error, r));
}

static void test_lists(void) {
        char dir[] = "/tmp/test-network-XXXXXX";
        _cleanup_close_ int fd = -EBADF;

        ASSERT_TRUE(mkdtemp(dir));
        fd = open_at(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
        ASSERT_OK(fd);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_case(i, dir, fd);

        /* A file that is too large is not read, one that is a directory neither. */
        _cleanup_free_ char *large = malloc(2 * MIB);
        _cleanup_json_ json_t *list = NULL;
        ASSERT_TRUE(large);
        memset(large, ' ', 2 * MIB);
        ASSERT_OK(write_file_atomic_at(fd, "10.conf", large, 2 * MIB, 0644, 0));
        ASSERT_EQ(mkdirat(fd, "20.conf", 0755), 0);
        ASSERT_OK(write_file_atomic_at(fd, "30.conf", CONF("n", "t"), strlen(CONF("n", "t")), 0644, 0));
        ASSERT_OK(network_list_load(dir, "", &list, NULL));
        ASSERT_OK(rm_rf_at(AT_FDCWD, dir));
        ASSERT_EQ(network_list_load(dir, "", &list, NULL), -ENOENT);
}

TEST_MAIN(TEST(test_lists));
