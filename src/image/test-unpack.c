/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layers, honest and hostile. Nothing may appear outside of the layer's directory, and what was unpacked can
 * be put together again to the archive it came from. Needs root: layers have owners, devices and whiteouts.
 */

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include "basic/fd.h"
#include "basic/number.h"
#include "basic/path.h"
#include "format/json-field.h"
#include "format/test-tar.h"
#include "image/unpack.h"

#define LISTING_MAX (1 * MIB)
#define SPLIT_MAX (16 * MIB)

typedef struct Layer {
        char base[32], dir[64];
        int base_fd, dir_fd, split_fd;
        UnpackResult result;
        Error error;
} Layer;

static void layer_init(Layer *l) {
        *l = (Layer){ .base = "/tmp/test-unpack-XXXXXX" };
        ASSERT_TRUE(mkdtemp(l->base));
        l->base_fd = open_at(AT_FDCWD, l->base, O_PATH | O_DIRECTORY, 0);
        ASSERT_TRUE(l->base_fd >= 0);
        ASSERT_EQ(mkdirat(l->base_fd, "layer", 0755), 0);
        ASSERT_EQ(write_file_atomic_at(l->base_fd, "outside", "secret", 6, 0600, 0), 0);
        (void) snprintf(l->dir, sizeof(l->dir), "%s/layer", l->base); /* fits */
        l->dir_fd = open_at(l->base_fd, "layer", O_RDONLY | O_DIRECTORY, 0);
        l->split_fd = open_at(l->base_fd, "split", O_RDWR | O_CREAT | O_EXCL, 0600);
        ASSERT_TRUE(l->dir_fd >= 0 && l->split_fd >= 0);
}

static void layer_done(Layer *l) {
        close_fd(l->dir_fd);
        close_fd(l->split_fd);
        close_fd(l->base_fd);
        unpack_result_done(&l->result);
        error_done(&l->error);
        (void) rm_rf_at(AT_FDCWD, l->base);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dot(const struct dirent *de) {
        return !streq(de->d_name, ".") && !streq(de->d_name, "..");
}

static void list(Buffer *b, const char *dir, const char *below);

static void list_entry(Buffer *b, const char *path, const char *name) {
        char value[64] = {}, target[256] = {};
        struct stat st;

        ASSERT_EQ(lstat(path, &st), 0);
        (void) buffer_addf(b, "%s", name);
        if (S_ISDIR(st.st_mode))
                (void) buffer_addc(b, '/');
        if (S_ISLNK(st.st_mode)) {
                ASSERT_TRUE(readlink(path, target, sizeof(target) - 1) >= 0);
                (void) buffer_addf(b, " -> %s", target);
        } else
                (void) buffer_addf(b, " %o", st.st_mode & 07777);
        if (st.st_uid || st.st_gid)
                (void) buffer_addf(b, " %u:%u", st.st_uid, st.st_gid);
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                (void) buffer_addf(
                                b,
                                " %c%u,%u",
                                S_ISCHR(st.st_mode) ? 'c' : 'b',
                                major(st.st_rdev),
                                minor(st.st_rdev));
        if (S_ISFIFO(st.st_mode))
                (void) buffer_adds(b, " pipe");
        if (S_ISREG(st.st_mode) && st.st_nlink > 1)
                (void) buffer_addf(b, " *%u", (unsigned) st.st_nlink);
        if (S_ISREG(st.st_mode) && st.st_size > 0)
                (void) buffer_addf(b, " =%u", (unsigned) st.st_size);
        if (lgetxattr(path, "trusted.overlay.opaque", value, sizeof(value)) > 0)
                (void) buffer_addf(b, " opaque");
        if (lgetxattr(path, "trusted.overlay.redirect", value, sizeof(value)) > 0)
                (void) buffer_addf(b, " FORGED");
        memset(value, 0, sizeof(value));
        if (lgetxattr(path, "user.x", value, sizeof(value)) > 0)
                (void) buffer_addf(b, " user.x=%s", value);
        (void) buffer_addc(b, '\n');
        if (S_ISDIR(st.st_mode))
                list(b, path, name);
}

static void list(Buffer *b, const char *dir, const char *below) {
        struct dirent **entries;
        int n = scandir(dir, &entries, not_dot, by_name);

        ASSERT_TRUE(n >= 0);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = path_join(dir, entries[i]->d_name);
                _cleanup_free_ char *name = isempty(below) ? strdup(entries[i]->d_name) :
                                                             path_join(below, entries[i]->d_name);

                ASSERT_TRUE(path && name);
                list_entry(b, path, name);
                free(entries[i]);
        }
        free(entries);
}

/* The file beside the layer is as it was, and nothing else came there. */
static void check_outside(const Layer *l) {
        _cleanup_free_ char *text = NULL;
        struct stat st;
        struct dirent **entries;
        int n = scandir(l->base, &entries, not_dot, by_name);

        ASSERT_EQ(n, 3); /* layer, outside, split */
        for (int i = 0; i < n; i++)
                free(entries[i]);
        free(entries);
        ASSERT_EQ(read_file_at(l->base_fd, "outside", 100, &text, NULL), 0);
        ASSERT_STREQ(text, "secret");
        ASSERT_EQ(fstatat(l->base_fd, "outside", &st, AT_SYMLINK_NOFOLLOW), 0);
        ASSERT_EQ(st.st_mode & 07777, 0600);
        ASSERT_EQ(st.st_nlink, 1);
        ASSERT_EQ(st.st_uid, 0);
}

static int run(Layer *l, const Buffer *archive) {
        TestStream stream = { .data = archive->data, .size = archive->size, .chunk = 700 };
        int r;

        layer_init(l);
        r = unpack(test_stream_read, &stream, l->dir_fd, l->split_fd, &l->result, &l->error);
        check_outside(l);
        return r;
}

static void add_base64(Buffer *b, const char *text) {
        size_t size = strlen(text),
               padding = size >= 2 ? (size_t) (text[size - 1] == '=') + (text[size - 2] == '=') : 0;
        _cleanup_free_ char *bytes = malloc(size + 1);

        ASSERT_TRUE(bytes);
        ASSERT_TRUE(EVP_DecodeBlock((uint8_t *) bytes, (const uint8_t *) text, (int) size) >= 0);
        ASSERT_EQ(buffer_add(b, bytes, size / 4 * 3 - padding), 0);
}

static void add_content(Buffer *b, const Layer *l, const char *name) {
        _cleanup_free_ char *data = NULL, *absolute = str_join("/", name, NULL),
                            *clean = path_clean(absolute);
        _cleanup_close_ int fd = -EBADF;
        size_t size;

        ASSERT_TRUE(clean);
        fd = open_in_root(l->dir_fd, clean, O_RDONLY, 0);
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(read_file_fd(fd, SPLIT_MAX, &data, &size), 0);
        ASSERT_EQ(buffer_add(b, data, size), 0);
}

/* Makes the archive again of tar-split's lines and the files, as who pushes the image would. */
static void check_split(const Layer *l, const Buffer *archive) {
        _cleanup_buffer_ Buffer again = BUFFER_INIT(SPLIT_MAX);
        static char line[4 * MIB];
        int position = 0;
        gzFile in;

        ASSERT_EQ(lseek(l->split_fd, 0, SEEK_SET), 0);
        in = gzdopen(dup(l->split_fd), "rb");
        ASSERT_TRUE(in);
        while (gzgets(in, line, sizeof(line))) {
                _cleanup_json_ json_t *json = NULL;
                const char *payload, *name;

                ASSERT_EQ(json_parse("split", line, strlen(line), &json, NULL), 0);
                ASSERT_EQ(json_integer_value(json_object_get(json, "position")), position++);
                payload = json_string_value(json_object_get(json, "payload"));
                name = json_string_value(json_object_get(json, "name"));
                if (json_integer_value(json_object_get(json, "type")) == 2)
                        add_base64(&again, payload);
                else if (json_integer_value(json_object_get(json, "size")) > 0)
                        add_content(&again, l, name);
        }
        ASSERT_EQ(gzclose(in), Z_OK);
        ASSERT_EQ(again.size, archive->size);
        ASSERT_EQ(memcmp(again.data, archive->data, again.size), 0);
}

#define ENTRIES_MAX 6

/* type 'x': a PAX record for the next entry, path and content being key and value. */
typedef struct Case {
        TestEntry entries[ENTRIES_MAX];
        const char *listing; /* NULL: refused */
} Case;

static void check_case(const Case *c) {
        _cleanup_buffer_ Buffer archive = BUFFER_INIT(TEST_TAR_MAX), listing = BUFFER_INIT(LISTING_MAX);
        _cleanup_(layer_done) Layer l;
        int r;

        for (size_t i = 0; i < ENTRIES_MAX && c->entries[i].path; i++)
                if (c->entries[i].type == 'x')
                        test_tar_pax(&archive,
                                     c->entries[i].path,
                                     c->entries[i].content,
                                     strlen(c->entries[i].content));
                else
                        test_tar_add(&archive, &c->entries[i]);
        test_tar_end(&archive);
        r = run(&l, &archive);
        if (!c->listing) {
                if (r >= 0)
                        test_fail(__FILE__, __LINE__, "accepted: %s, ...", c->entries[0].path);
                ASSERT_TRUE(startswith(error_get_text(&l.error, r), "unpack: "));
                return;
        }
        if (r < 0)
                test_fail(__FILE__,
                          __LINE__,
                          "%s, ...: %s",
                          c->entries[0].path,
                          error_get_text(&l.error, r));
        list(&listing, l.dir, "");
        ASSERT_STREQ(strempty(listing.data), c->listing);
        ASSERT_EQ(l.result.size, archive.size);
        check_split(&l, &archive);
}

static const Case honest[] = {
        { { { NULL } }, "" }, /* an empty layer */
        { { { .path = "f", .content = "hello", .uid = 1000, .gid = 100 } }, "f 644 1000:100 =5\n" },
        { { { .path = "d/", .type = '5', .mode = 0711 }, { .path = "d/f" } }, "d/ 711\nd/f 644\n" },
        { { { .path = "d/f" }, { .path = "d", .type = '5', .mode = 0700, .uid = 5 } },
          "d/ 700 5:0\nd/f 644\n" },
        { { { .path = "a/b/c/f" } }, "a/ 755\na/b/ 755\na/b/c/ 755\na/b/c/f 644\n" }, /* parents are made */
        { { { .path = "./", .type = '5', .mode = 0700 }, { .path = "./f" } }, "f 644\n" },
        { { { .path = "su", .mode = 06755, .uid = 7, .gid = 8 } }, "su 6755 7:8\n" },
        { { { .path = "t/", .type = '5', .mode = 01777 } }, "t/ 1777\n" },
        { { { .path = "s", .link = "/etc/passwd", .type = '2', .uid = 3 } }, "s -> /etc/passwd 3:0\n" },
        { { { .path = "s", .link = "../../../outside", .type = '2' } }, "s -> ../../../outside\n" },
        { { { .path = "f", .content = "x" }, { .path = "h", .link = "f", .type = '1' } },
          "f 644 *2 =1\nh 644 *2 =1\n" },
        { { { .path = "f" }, { .path = "h", .link = "/f", .type = '1' } }, "f 644 *2\nh 644 *2\n" },
        { { { .path = "s", .link = "x", .type = '2' }, { .path = "h", .link = "s", .type = '1' } },
          "h -> x\ns -> x\n" },
        { { { .path = "c", .type = '3', .major = 1, .minor = 5 }, { .path = "b", .type = '4', .major = 7 } },
          "b 644 b7,0\nc 644 c1,5\n" },
        { { { .path = "p", .type = '6' } }, "p 644 pipe\n" },
        { { { .path = "new\nline \xff" } }, "new\nline \xff 644\n" },
        { { { .path = "SCHILY.xattr.user.x", .type = 'x', .content = "v" }, { .path = "f" } },
          "f 644 user.x=v\n" },
        /* parents that are links are followed, inside */
        { { { .path = "usr/lib/", .type = '5' },
            { .path = "lib", .link = "usr/lib", .type = '2' },
            { .path = "lib/x" } },
          "lib -> usr/lib\nusr/ 755\nusr/lib/ 755\nusr/lib/x 644\n" },
        /* whiteouts */
        { { { .path = ".wh.gone" } }, "gone 0 c0,0\n" },
        { { { .path = "d/.wh.gone" } }, "d/ 755\nd/gone 0 c0,0\n" },
        { { { .path = ".wh.f" }, { .path = "f", .content = "x" } },
          "f 644 =1\n" }, /* a file of the layer wins */
        { { { .path = ".wh.d" }, { .path = "d/.wh.x" } }, "d 0 c0,0\n" },
        { { { .path = "d/.wh..wh..opq" } }, "d/ 755 opaque\n" },
        { { { .path = ".wh..wh.plnk/x" } }, ".wh..wh.plnk/ 755\n.wh..wh.plnk/x 644\n" }, /* just names */
        { { { .path = ".wh..wh.aufs" }, { .path = "f" } }, "f 644\n" },
        { { { .path = "w", .type = '3' } }, "w 644 c0,0\n" }, /* as others make it */
};

static const Case hostile[] = {
        /* ways up: they end inside */
        { { { .path = "../../outside", .content = "x" } }, "outside 644 =1\n" },
        { { { .path = "d/../../../outside", .content = "x" } }, "outside 644 =1\n" },
        { { { .path = "/outside", .content = "x" } }, "outside 644 =1\n" },
        { { { .path = "..", .type = '5', .mode = 0777 } }, "" },
        { { { .path = "..", .content = "x" } }, NULL },
        { { { .path = ".", .link = "/", .type = '2' } }, NULL },
        { { { .path = "", .content = "x" } }, NULL },
        /* through a link that points outside */
        { { { .path = "l", .link = "..", .type = '2' }, { .path = "l/outside", .content = "x" } },
          "l -> ..\noutside 644 =1\n" },
        { { { .path = "l", .link = "/", .type = '2' }, { .path = "l/outside" } }, "l -> /\noutside 644\n" },
        { { { .path = "l", .link = "../outside", .type = '2' }, { .path = "l", .content = "x" } }, NULL },
        { { { .path = "l", .link = "../outside", .type = '2' }, { .path = "l/x" } }, NULL },
        { { { .path = "l", .link = "/proc/self/root/tmp", .type = '2' }, { .path = "l/x" } }, NULL },
        { { { .path = "l", .link = "l", .type = '2' }, { .path = "l/x" } }, NULL },
        { { { .path = "a", .link = "b", .type = '2' },
            { .path = "b", .link = "..", .type = '2' },
            { .path = "a/outside" } },
          "a -> b\nb -> ..\noutside 644\n" },
        { { { .path = "l", .link = "../outside", .type = '2' }, { .path = "l", .type = '5', .mode = 0777 } },
          NULL },
        { { { .path = "l", .link = "../outside", .type = '2', .uid = 7, .mode = 0777 } },
          "l -> ../outside 7:0\n" },
        /* hard links that lead out, nowhere or to a directory */
        { { { .path = "h", .link = "../outside", .type = '1' } }, NULL },
        { { { .path = "h", .link = "../../../../etc/passwd", .type = '1' } }, NULL },
        { { { .path = "h", .link = "nothing", .type = '1' } }, NULL },
        { { { .path = "h", .link = "h", .type = '1' } }, NULL },
        { { { .path = "h", .link = "", .type = '1' } }, NULL },
        { { { .path = "d/", .type = '5' }, { .path = "h", .link = "d", .type = '1' } }, NULL },
        { { { .path = "l", .link = "..", .type = '2' }, { .path = "h", .link = "l/outside", .type = '1' } },
          NULL },
        { { { .path = "l", .link = "../outside", .type = '2' },
            { .path = "h", .link = "l", .type = '1', .mode = 0777 } },
          "h -> ../outside\nl -> ../outside\n" },
        /* the same place twice */
        { { { .path = "f" }, { .path = "f" } }, NULL },
        { { { .path = "f" }, { .path = "./f" } }, NULL },
        { { { .path = "d", .type = '5' }, { .path = "d/", .type = '5' } }, NULL },
        { { { .path = "f" }, { .path = "f", .type = '5' } }, NULL },
        { { { .path = "d", .type = '5' }, { .path = "d" } }, NULL },
        { { { .path = "d/x" }, { .path = "d" } }, NULL },
        { { { .path = "f" }, { .path = "f/x" } }, NULL },
        { { { .path = "x/../f" }, { .path = "f" } }, NULL },
        { { { .path = "l", .link = ".", .type = '2' }, { .path = "f" }, { .path = "l/f" } }, NULL },
        /* whiteouts that name nothing, or everything */
        { { { .path = ".wh." } }, NULL },
        { { { .path = ".wh.." } }, NULL },
        { { { .path = ".wh..." } }, NULL },
        { { { .path = "d/.wh..." } }, NULL },
        { { { .path = "f" }, { .path = ".wh.f" } }, NULL },
        { { { .path = "l", .link = "..", .type = '2' }, { .path = "l/.wh.outside" } },
          "l -> ..\noutside 0 c0,0\n" },
        /* metadata that is not the image's business */
        { { { .path = "SCHILY.xattr.trusted.overlay.redirect", .type = 'x', .content = "/etc" },
            { .path = "d", .type = '5' } },
          "d/ 755\n" },
        { { { .path = "SCHILY.xattr.trusted.overlay.opaque", .type = 'x', .content = "y" },
            { .path = "d", .type = '5' } },
          "d/ 755\n" },
        { { { .path = "SCHILY.xattr.security.selinux", .type = 'x', .content = "x" }, { .path = "f" } },
          "f 644\n" },
        { { { .path = "SCHILY.xattr.user.x", .type = 'x', .content = "v" },
            { .path = "l", .link = "../outside", .type = '2' } },
          "l -> ../outside\n" },
};

static void test_honest(void) {
        if (geteuid() != 0)
                test_skip("needs root");
        FOREACH_ELEMENT(c, honest)
                check_case(c);
}

static void test_hostile(void) {
        FOREACH_ELEMENT(c, hostile)
                check_case(c);
}

/* What came out, beside the files. */
static void test_result(void) {
        _cleanup_buffer_ Buffer archive = BUFFER_INIT(TEST_TAR_MAX);
        uint8_t sum[EVP_MAX_MD_SIZE];
        _cleanup_(layer_done) Layer l;
        struct stat st;
        Digest digest;

        test_tar_add(&archive, &(TestEntry){ .path = "d/", .type = '5', .mtime = 1000, .uid = 9 });
        test_tar_add(&archive, &(TestEntry){ .path = "d/f", .mtime = 2000, .content = "x", .gid = 4 });
        test_tar_add(&archive, &(TestEntry){ .path = "g", .uid = 9, .gid = 2 });
        test_tar_end(&archive);
        ASSERT_EQ(buffer_adds(&archive, "behind the end"), 0);
        ASSERT_EQ(run(&l, &archive), 0);
        check_split(&l, &archive);

        ASSERT_EQ(EVP_Digest(archive.data, archive.size, sum, NULL, EVP_sha256(), NULL), 1);
        digest_from_bytes(sum, &digest);
        ASSERT_STREQ(l.result.diff_id.text, digest.text);
        ASSERT_EQ(l.result.n_uids, 2);
        ASSERT_EQ(l.result.uids[0], 0);
        ASSERT_EQ(l.result.uids[1], 9);
        ASSERT_EQ(l.result.n_gids, 3);
        ASSERT_EQ(l.result.gids[2], 4);
        /* times of directories are not those of what was made in them */
        ASSERT_EQ(fstatat(l.dir_fd, "d", &st, 0), 0);
        ASSERT_EQ(st.st_mtime, 1000);
        ASSERT_EQ(fstatat(l.dir_fd, "d/f", &st, 0), 0);
        ASSERT_EQ(st.st_mtime, 2000);
}

/* Wherever the stream ends, breaks or turns into rubbish, the layer fails and nothing escapes. */
static void test_broken_streams(void) {
        _cleanup_buffer_ Buffer archive = BUFFER_INIT(TEST_TAR_MAX);

        test_tar_add(&archive, &(TestEntry){ .path = "d/", .type = '5' });
        test_tar_pax(&archive, "path", "d/long", 6);
        test_tar_add(&archive, &(TestEntry){ .path = "f", .content = "hello" });
        for (size_t size = 1; size < archive.size; size += 101) {
                Buffer prefix = { .data = archive.data, .size = size };
                _cleanup_(layer_done) Layer l;

                if (size % TAR_BLOCK == 0)
                        continue;
                ASSERT_TRUE(run(&l, &prefix) < 0);
        }
        for (size_t i = 0; i < 100; i++) {
                _cleanup_free_ char *copy = memcpy(malloc(archive.size), archive.data, archive.size);
                Buffer damaged = { .data = copy, .size = archive.size };
                _cleanup_(layer_done) Layer l;

                copy[i * 37 % archive.size] ^= (char) (i + 1);
                (void) run(&l, &damaged); /* refused or not: what counts is checked in there */
        }
}

/* Long names, the deepest path, and a file larger than every buffer. */
static void test_large(void) {
        _cleanup_buffer_ Buffer archive = BUFFER_INIT(TEST_TAR_MAX), longer = BUFFER_INIT(TEST_TAR_MAX);
        _cleanup_free_ char *content = malloc(700 * KIB), *path = calloc(1, TAR_PATH_MAX + 1);
        _cleanup_(layer_done) Layer l, other;

        ASSERT_TRUE(content && path);
        for (size_t i = 0; i < 700 * KIB; i++)
                content[i] = (char) (i * i >> 3);
        for (size_t i = 0; i < 500; i++)
                memcpy(path + 2 * i, "d/", 2);
        memset(path + 1000, 'n', 255);
        test_tar_pax(&archive, "path", path, strlen(path));
        test_tar_add(&archive, &(TestEntry){ .path = "x" });
        test_tar_add(&archive, &(TestEntry){ .path = "big", .content = content, .size = 700 * KIB });
        test_tar_end(&archive);
        ASSERT_EQ(run(&l, &archive), 0);
        check_split(&l, &archive);

        memset(path + 1000, 'n', 256); /* one more than a name may have */
        test_tar_pax(&longer, "path", path, strlen(path));
        test_tar_add(&longer, &(TestEntry){ .path = "x" });
        ASSERT_EQ(run(&other, &longer), -ENAMETOOLONG);
}

TEST_MAIN(TEST(test_honest),
          TEST(test_hostile),
          TEST(test_result),
          TEST(test_broken_streams),
          TEST(test_large));
