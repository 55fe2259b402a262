/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>

#include "basic/buffer.h"
#include "basic/error.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/id.h"
#include "basic/number.h"
#include "basic/path.h"
#include "basic/str.h"
#include "basic/test.h"

static void test_error(void) {
        _cleanup_error_ Error error = ERROR_INIT, copy = ERROR_INIT;

        ASSERT_EQ(error_get_status(&error, -ENOENT), STATUS_INTERNAL);
        ASSERT_EQ(error_get_status(NULL, -ETIMEDOUT), STATUS_DEADLINE_EXCEEDED);
        ASSERT_EQ(error_set(&error, -ENOENT, STATUS_NOT_FOUND, "layer %s is not in the store", "x"),
                  -ENOENT);
        ASSERT_EQ(error_set(&error, -EIO, STATUS_INTERNAL, "later"), -EIO);
        ASSERT_EQ(error_prefix(&error, -ENOENT, "root of container %s", "c"), -ENOENT);
        ASSERT_EQ(error.status, STATUS_NOT_FOUND);
        if (test_allocation_failed())
                return;
        ASSERT_STREQ(error.text, "root of container c: layer x is not in the store");
        error_copy(&copy, &error);
        if (!test_allocation_failed())
                ASSERT_STREQ(copy.text, error.text);
        ASSERT_EQ(error_set(NULL, -EIO, STATUS_INTERNAL, "nobody listens"), -EIO);
}

static void test_error_long(void) {
        _cleanup_error_ Error error = ERROR_INIT;
        char text[2 * ERROR_TEXT_MAX];

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        (void) error_set(&error, -EIO, STATUS_INTERNAL, "%s", text);
        ASSERT_EQ(strlen(error.text), ERROR_TEXT_MAX);
        ASSERT_TRUE(endswith(error.text, "…"));
}

static void test_buffer(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(12);
        _cleanup_free_ char *text = NULL;

        ASSERT_OK(buffer_adds(&b, "hello"));
        ASSERT_OK(buffer_addf(&b, ", %s", "you"));
        ASSERT_EQ(b.size, 10);
        ASSERT_EQ(buffer_addf(&b, "%s", "abc"), -E2BIG);
        ASSERT_EQ(buffer_addc(&b, 'x'), -E2BIG); /* keeps its first failure */
        ASSERT_EQ(buffer_take(&b, &text), -E2BIG);
        buffer_reset(&b);
        ASSERT_OK(buffer_adds(&b, "abcdef"));
        buffer_consume(&b, 2);
        ASSERT_OK(buffer_take(&b, &text));
        ASSERT_STREQ(text, "cdef");
        ASSERT_EQ(b.size, 0);
}

static void test_hashmap(void) {
        _cleanup_(hashmap_freep) Hashmap *m = NULL;
        static char keys[1000][8];
        size_t n = 0;
        char *v;

        ASSERT_OK(hashmap_new(&m));
        ASSERT_NULL(hashmap_get(m, "absent"));
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                (void) snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
                ASSERT_OK(hashmap_put(m, keys[i], keys[i]));
        }
        ASSERT_EQ(hashmap_put(m, "k7", NULL), -EEXIST);
        for (size_t i = 0; i < ELEMENTSOF(keys); i += 2)
                ASSERT_TRUE(hashmap_remove(m, keys[i]) == keys[i]);
        ASSERT_NULL(hashmap_remove(m, "k0"));
        ASSERT_EQ(hashmap_size(m), 500);
        ASSERT_STREQ(hashmap_get(m, "k999"), "k999");
        ASSERT_STREQ(hashmap_first(m), "k1");
        HASHMAP_FOREACH(v, m) {
                ASSERT_STREQ(v, keys[2 * n + 1]); /* in order of insertion */
                ASSERT_TRUE(hashmap_remove(m, v) == v);
                n++;
        }
        ASSERT_EQ(n, 500);
        ASSERT_EQ(hashmap_size(m), 0);
        ASSERT_OK(hashmap_put(m, "k0", keys[0]));
        ASSERT_STREQ(hashmap_get(m, "k0"), "k0");
}

static void test_strv(void) {
        _cleanup_strv_ char **l = NULL, **copy = NULL;
        _cleanup_free_ char *joined = NULL;

        ASSERT_OK(strv_split(",a,,bc,d", ",", &l));
        ASSERT_EQ(strv_length(l), 3);
        copy = strv_copy(l);
        ASSERT_OK(copy ? 0 : -ENOMEM);
        ASSERT_TRUE(strv_equal(l, copy));
        ASSERT_OK(strv_extend_strv(&l, copy));
        ASSERT_OK(strv_env_set(&l, "X=1"));
        ASSERT_OK(strv_env_set(&l, "X=2"));
        ASSERT_STREQ(strv_env_get(l, "X"), "2");
        joined = strv_join(l, "+");
        ASSERT_OK(joined ? 0 : -ENOMEM);
        ASSERT_STREQ(joined, "a+bc+d+a+bc+d+X=2");
}

static void test_utf8(void) {
        static const struct {
                const char *text;
                bool valid;
        } cases[] = {
                { "", true },
                { "plain", true },
                { "äöü €", true },
                { "\xf0\x9f\x90\xb3", true },
                { "\xc0\x80", false },         /* overlong NUL */
                { "\xed\xa0\x80", false },     /* surrogate */
                { "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
                { "\xe2\x82", false },         /* cut short */
                { "\xff", false },
        };

        FOREACH_ELEMENT(c, cases)
                ASSERT_EQ(utf8_is_valid(c->text, strlen(c->text)), c->valid);
}

static void test_numbers(void) {
        static const struct {
                const char *text;
                int r;
        } cases[] = {
                { "0", 0 },           { "65535", 0 },
                { "", -EINVAL },      { "-1", -EINVAL },
                { " 80", -EINVAL },   { "80x", -EINVAL },
                { "65536", -ERANGE }, { "99999999999999999999999", -ERANGE },
        };
        uint8_t bytes[2];
        uint64_t u;
        int64_t i;
        bool b;

        FOREACH_ELEMENT(c, cases)
                ASSERT_EQ(parse_u64(c->text, UINT16_MAX, &u), c->r);
        ASSERT_OK(parse_u64("18446744073709551615", UINT64_MAX, &u));
        ASSERT_TRUE(u == UINT64_MAX);
        ASSERT_OK(parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i));
        ASSERT_TRUE(i == INT64_MIN);
        ASSERT_EQ(parse_i64("-11", -10, 10, &i), -ERANGE);
        ASSERT_OK(parse_base("755", 8, 07777, &u));
        ASSERT_EQ(u, 0755);
        ASSERT_EQ(parse_base("758", 8, 07777, &u), -EINVAL);
        ASSERT_OK(parse_bool("T", &b));
        ASSERT_TRUE(b);
        ASSERT_EQ(parse_bool("yes", &b), -EINVAL);
        ASSERT_OK(hex_decode("00fF", bytes, 2));
        ASSERT_EQ(bytes[1], 0xff);
        ASSERT_EQ(hex_decode("00f", bytes, 2), -EINVAL);
        ASSERT_EQ(hex_decode("00ff0", bytes, 2), -EINVAL);
}

static void test_paths(void) {
        static const struct {
                const char *in, *simple, *clean;
        } cases[] = {
                { "/", "/", "/" },
                { "//a//b/", "/a/b", "/a/b" },
                { "/a/./b/../c", "/a/b/../c", "/a/c" },
                { "/../..", "/../..", "/" },
                { "a/../..", "a/../..", ".." },
                { "../../a", "../../a", "../../a" },
                { "", ".", "." },
        };

        FOREACH_ELEMENT(c, cases) {
                _cleanup_free_ char *simple = path_simplify(c->in), *clean = path_clean(c->in);

                ASSERT_OK(simple && clean ? 0 : -ENOMEM);
                ASSERT_STREQ(simple, c->simple);
                ASSERT_STREQ(clean, c->clean);
        }
        ASSERT_TRUE(path_is_safe("/a/..b"));
        ASSERT_FALSE(path_is_safe("/a/.."));
        ASSERT_FALSE(path_is_safe("a"));
        ASSERT_TRUE(path_is_below("/a/b", "/a"));
        ASSERT_FALSE(path_is_below("/ab", "/a"));
        ASSERT_FALSE(path_is_component("a/b"));
}

static void test_id(void) {
        Id a, b;

        ASSERT_OK(id_generate(&a));
        ASSERT_OK(id_generate(&b));
        ASSERT_TRUE(id_is_valid(a.text));
        ASSERT_FALSE(streq(a.text, b.text));
        ASSERT_FALSE(id_is_valid("../../etc"));
        ASSERT_TRUE(id_is_prefix("abc"));
        ASSERT_FALSE(id_is_prefix(""));
}

static void test_files(void) {
        char dir[] = "/tmp/test-basic.XXXXXX";
        _cleanup_free_ char *data = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t size;

        ASSERT_TRUE(mkdtemp(dir));
        fd = open_at(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
        ASSERT_OK(fd);
        ASSERT_OK(mkdir_p_at(fd, "a/b/c", 0755));
        ASSERT_OK(mkdir_p_at(fd, "a/b/c", 0755));
        ASSERT_OK(write_file_atomic_at(fd, "a/b/f", "one", 3, 0600, WRITE_SYNC));
        ASSERT_OK(write_file_atomic_at(fd, "a/b/f", "two", 3, 0600, WRITE_APPEND_NL));
        ASSERT_OK(read_file_at(fd, "a/b/f", 4, &data, &size));
        ASSERT_EQ(size, 4);
        ASSERT_STREQ(data, "two\n");
        ASSERT_EQ(read_file_at(fd, "a/b/f", 3, &data, NULL), -E2BIG);
        ASSERT_EQ(mkdir_p_at(fd, "a/b/f", 0755), -ENOTDIR);
        ASSERT_OK(symlinkat("../../../../etc", fd, "a/out"));
        ASSERT_EQ(open_beneath(fd, "a/out", O_PATH, 0), -EXDEV);
        ASSERT_EQ(open_in_root(fd, "a/out/passwd", O_PATH, 0), -ENOENT);
        ASSERT_OK(rm_rf_at(fd, "a"));
        ASSERT_OK(rm_rf_at(fd, "a"));
        ASSERT_EQ(faccessat(fd, "a", F_OK, 0), -1);
        ASSERT_OK(rmdir(dir));
}

TEST_MAIN(TEST_ALLOC(test_error),
          TEST(test_error_long),
          TEST_ALLOC(test_buffer),
          TEST_ALLOC(test_hashmap),
          TEST_ALLOC(test_strv),
          TEST(test_utf8),
          TEST(test_numbers),
          TEST_ALLOC(test_paths),
          TEST(test_id),
          TEST(test_files));
