/* SPDX-License-Identifier: Apache-2.0 */

#include "format/test-tar.h"

typedef struct Reader {
        TestStream stream; /* first: it is the userdata */
        Buffer raw, listing;
} Reader;

static int on_raw(void *userdata, const void *data, size_t size) {
        Reader *r = userdata;

        return buffer_add(&r->raw, data, size);
}

static void list_entry(Reader *r, const TarEntry *e) {
        (void) buffer_addf(&r->listing, "%c %s", e->type, e->path);
        if (!isempty(e->link))
                (void) buffer_addf(&r->listing, " -> %s", e->link);
        (void) buffer_addf(&r->listing, " %o %u:%u", e->mode, e->uid, e->gid);
        if (e->major || e->minor)
                (void) buffer_addf(&r->listing, " %u,%u", e->major, e->minor);
        if (e->mtime_nsec)
                (void) buffer_addf(&r->listing, " @%lld", (long long) e->mtime_nsec);
        for (size_t i = 0; i < e->n_xattrs; i++) {
                (void) buffer_addf(&r->listing, " %s=", e->xattrs[i].name);
                for (size_t n = 0; n < e->xattrs[i].size; n++)
                        (void) buffer_addc(&r->listing, ((const char *) e->xattrs[i].value)[n] ?: '.');
        }
}

/* Lists an archive; what was raw and what was content must add up to all of it. */
static int list(const Buffer *archive, size_t chunk, Reader *r, Error *error) {
        uint64_t content = 0;
        Tar t;
        int e;

        *r = (Reader){ .stream = { .data = archive->data, .size = archive->size, .chunk = chunk },
                       .raw = BUFFER_INIT(TEST_TAR_MAX),
                       .listing = BUFFER_INIT(TEST_TAR_MAX) };
        tar_init(&t, test_stream_read, on_raw, r);
        while ((e = tar_next(&t, error)) > 0) {
                char data[1000];
                ssize_t n;

                list_entry(r, &t.entry);
                if (t.entry.type == TAR_REGULAR)
                        (void) buffer_addc(&r->listing, ' ');
                while ((n = tar_read(&t, data, sizeof(data), error)) > 0) {
                        (void) buffer_add(&r->listing, data, (size_t) n);
                        content += (uint64_t) n;
                }
                if (n < 0) {
                        e = (int) n;
                        break;
                }
                (void) buffer_addc(&r->listing, '\n');
        }
        if (e == 0)
                ASSERT_EQ(content + r->raw.size, archive->size);
        tar_done(&t);
        return e;
}

static void reader_done(Reader *r) {
        buffer_done(&r->raw);
        buffer_done(&r->listing);
}

/* The same whatever the size of the pieces it comes in. */
static void check_listing(const Buffer *archive, const char *expected) {
        static const size_t chunks[] = { 0, 1, 7, 511, 512, 513 };

        FOREACH_ELEMENT(chunk, chunks) {
                _cleanup_(reader_done) Reader r = {};
                _cleanup_(error_done) Error error = {};
                int e = list(archive, *chunk, &r, &error);

                if (e < 0 && !test_allocation_failed())
                        test_fail(__FILE__, __LINE__, "%s", error_get_text(&error, e));
                ASSERT_OK(e);
                ASSERT_STREQ(strempty(r.listing.data), expected);
        }
}

static void check_refused(const Buffer *archive, int expected, const char *message) {
        _cleanup_(reader_done) Reader r = {};
        _cleanup_(error_done) Error error = {};
        int e = list(archive, 0, &r, &error);

        ASSERT_EQ(e, expected);
        if (!strstr(error_get_text(&error, e), message))
                test_fail(__FILE__,
                          __LINE__,
                          "expected \"%s\", found \"%s\"",
                          message,
                          error_get_text(&error, e));
}

static void test_types(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX);

        test_tar_add(&b, &(TestEntry){ .path = "d/", .type = '5', .mode = 01777 });
        test_tar_add(&b,
                     &(TestEntry){ .path = "d/f",
                                   .content = "hello",
                                   .uid = 1000,
                                   .gid = 100,
                                   .mode = 04755 });
        test_tar_add(&b, &(TestEntry){ .path = "old", .content = "x", .type = 0 });
        test_tar_add(&b, &(TestEntry){ .path = "old-directory/" });
        test_tar_add(&b, &(TestEntry){ .path = "h", .link = "d/f", .type = '1' });
        test_tar_add(&b, &(TestEntry){ .path = "s", .link = "../x", .type = '2', .mode = 0777 });
        test_tar_add(&b, &(TestEntry){ .path = "c", .type = '3', .major = 1, .minor = 3 });
        test_tar_add(&b, &(TestEntry){ .path = "b", .type = '4', .major = 8 });
        test_tar_add(&b, &(TestEntry){ .path = "p", .type = '6', .mtime = 5 });
        test_tar_end(&b);
        check_listing(&b,
                      "5 d/ 1777 0:0\n"
                      "0 d/f 4755 1000:100 hello\n"
                      "0 old 644 0:0 x\n"
                      "5 old-directory/ 644 0:0\n"
                      "1 h -> d/f 644 0:0\n"
                      "2 s -> ../x 777 0:0\n"
                      "3 c 644 0:0 1,3\n"
                      "4 b 644 0:0 8,0\n"
                      "6 p 644 0:0 @5000000000\n");
}

static void test_sizes(void) {
        static const size_t sizes[] = { 1, 511, 512, 513, 1024, 5000 };
        _cleanup_free_ char *content = malloc(5001);

        ASSERT_TRUE(content);
        FOREACH_ELEMENT(size, sizes) {
                _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX), expected = BUFFER_INIT(TEST_TAR_MAX);

                memset(content, 'z', *size);
                content[*size] = '\0';
                test_tar_add(&b, &(TestEntry){ .path = "f", .content = content });
                test_tar_add(&b, &(TestEntry){ .path = "empty" });
                test_tar_end(&b);
                (void) buffer_addf(&expected, "0 f 644 0:0 %s\n0 empty 644 0:0 \n", content);
                check_listing(&b, expected.data);
        }
}

static void test_pax(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX);
        static const char many[] = "18 path=a/b/c/d/e\n10 uid=70\n13 gid=80000\n"
                                   "28 SCHILY.xattr.user.x=a=b\n\n13 unknown=x\n22 mtime=1234567890.5\n";

        test_tar_extend(&b, 'g', "19 comment=nothing\n", 0);
        test_tar_extend(&b, 'x', many, 0);
        test_tar_add(&b, &(TestEntry){ .path = "short", .content = "1" });
        test_tar_add(&b, &(TestEntry){ .path = "next", .content = "2" }); /* has nothing of it */
        test_tar_pax(&b, "linkpath", "far/away", 8);
        test_tar_pax(&b, "path", "x", 1);
        test_tar_add(&b, &(TestEntry){ .path = "s", .link = "near", .type = '2' });
        test_tar_pax(&b, "mtime", "-1.25", 5);
        test_tar_add(&b, &(TestEntry){ .path = "before-1970" });
        test_tar_pax(&b, "SCHILY.xattr.security.capability", "\1\0\0\2", 4);
        test_tar_add(&b, &(TestEntry){ .path = "x" });
        test_tar_pax(&b, "size", "3", 1);
        test_tar_add(&b, &(TestEntry){ .path = "size", .content = "abc", .size_text = "0" });
        test_tar_end(&b);

        check_listing(&b,
                      "0 a/b/c/d/e 644 70:80000 @1234567890500000000 user.x=a=b\n 1\n"
                      "0 next 644 0:0 2\n"
                      "2 x -> far/away 644 0:0\n"
                      "0 before-1970 644 0:0 @-1250000000 \n"
                      "0 x 644 0:0 security.capability=\1..\2 \n"
                      "0 size 644 0:0 abc\n");
}

static void test_gnu(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX), expected = BUFFER_INIT(TEST_TAR_MAX);
        char name[301] = {}, target[251] = {};

        memset(name, 'n', sizeof(name) - 1);
        memset(target, 't', sizeof(target) - 1);
        test_tar_extend(&b, 'L', name, sizeof(name)); /* GNU counts the NUL */
        test_tar_extend(&b, 'K', target, sizeof(target));
        test_tar_add(&b, &(TestEntry){ .path = "cut", .link = "cut", .type = '2' });
        test_tar_end(&b);
        (void) buffer_addf(&expected, "2 %s -> %s 644 0:0\n", name, target);
        check_listing(&b, expected.data);
}

/* Changes a header that was just added. */
static char *last_header(Buffer *b) {
        return b->data + b->size - TAR_BLOCK;
}

static void test_numbers(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX);

        test_tar_add(&b, &(TestEntry){ .path = "base256" });
        memcpy(last_header(&b) + 108, "\200\0\0\0\1\0\0\0", 8); /* uid 2^24 */
        memcpy(last_header(&b) + 136, "\377\377\377\377\377\377\377\377\377\377\377\376", 12);
        test_tar_sum(last_header(&b));
        test_tar_add(&b, &(TestEntry){ .path = "spaces" });
        memcpy(last_header(&b) + 100, "   644 \0", 8);
        memcpy(last_header(&b) + 108, "        ", 8);
        test_tar_sum(last_header(&b));
        test_tar_add(&b, &(TestEntry){ .path = "f" });
        memcpy(last_header(&b) + 345, "prefix/of/it", 12);
        test_tar_sum(last_header(&b));
        test_tar_end(&b);
        check_listing(&b,
                      "0 base256 644 16777216:0 @-2000000000 \n"
                      "0 spaces 644 0:0 \n"
                      "0 prefix/of/it/f 644 0:0 \n");
}

/* Ends that are good enough, and what stands behind them. */
static void test_ends(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX), empty = BUFFER_INIT(TEST_TAR_MAX);

        test_tar_add(&b, &(TestEntry){ .path = "f", .content = "x" });
        check_listing(&b, "0 f 644 0:0 x\n"); /* none at all */
        test_tar_end(&b);
        check_listing(&b, "0 f 644 0:0 x\n");
        ASSERT_EQ(buffer_adds(&b, "something else, not looked at"), 0);
        check_listing(&b, "0 f 644 0:0 x\n");

        check_listing(&empty, "");
        test_tar_end(&empty);
        check_listing(&empty, "");
}

/* Every prefix that ends inside of something is refused. */
static void test_cut_short(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX);

        test_tar_pax(&b, "path", "long", 4);
        test_tar_add(&b, &(TestEntry){ .path = "f", .content = "hello" });
        for (size_t size = 1; size < b.size; size++) {
                Buffer prefix = { .data = b.data, .size = size };

                check_refused(&prefix, -EBADMSG, "cut short");
        }
}

static void test_refused(void) {
        static const struct {
                TestEntry entry;
                const char *message;
        } entries[] = {
                { { .path = "f", .type = '7' }, "type that is not supported" },
                { { .path = "f", .type = 'S' }, "type that is not supported" },
                { { .path = "f", .type = 'V' }, "type that is not supported" },
                { { .path = "f", .size_text = "12x" }, "number that is none" },
                { { .path = "f", .size_text = "8" }, "number that is none" },
                { { .path = "f", .size_text = "\377\377\377\377\377\377\377\377\377\377\377\377" },
                  "out of range" },
                { { .path = "f", .size_text = "\200\377\377\377\377\377\377\377\377\377\377\377" },
                  "number that is none" },
                { { .path = "f", .size_text = "\200\001\001\001\377\377\377\377\377\377\377\377" }, "" },
                { { .path = "x", .type = 'x', .content = "5 a=b\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "x a=b\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "7 a=b\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "6 a=b" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "6 abb\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "6 =bb\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "99999999999999999999 a=b\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "0 a=b\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "-6 a=b\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "10 path=\0\n", .size = 10 }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "9 size=x\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "10 uid=-1\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "18 uid=4294967295\n" }, "bad PAX record" },
                { { .path = "x", .type = 'x', .content = "22 GNU.sparse.major=1\n" }, "sparse" },
                { { .path = "x", .type = 'x', .size_text = "00000000000" }, NULL },
        };

        FOREACH_ELEMENT(c, entries) {
                _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX);

                test_tar_add(&b, &c->entry);
                test_tar_add(&b, &(TestEntry){ .path = "f" });
                test_tar_end(&b);
                if (c->message)
                        check_refused(&b, -EBADMSG, c->message);
                else
                        check_listing(&b, "0 f 644 0:0 \n");
        }
}

static void test_checksum(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX);

        test_tar_add(&b, &(TestEntry){ .path = "f" });
        b.data[0] = 'g';
        check_refused(&b, -EBADMSG, "checksum");
        test_tar_sum(b.data);
        b.data[257] = 'x'; /* neither ustar nor GNU: version 7 has no magic */
        test_tar_sum(b.data);
        check_listing(&b, "0 g 644 0:0 \n");
        memset(b.data, 'x', TAR_BLOCK);
        check_refused(&b, -EBADMSG, "checksum");
}

/* What could go on without end. */
static void test_limits(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX), zero = BUFFER_INIT(TEST_TAR_MAX);
        _cleanup_free_ char *large = calloc(1, TAR_PAX_MAX + 2);

        ASSERT_TRUE(large);
        for (unsigned i = 0; i < 20; i++)
                test_tar_pax(&b, "comment", "x", 1);
        check_refused(&b, -EBADMSG, "too many extended headers");

        buffer_reset(&b);
        memset(large, 'x', TAR_PAX_MAX + 1);
        test_tar_extend(&b, 'L', large, TAR_PAX_MAX + 1);
        check_refused(&b, -EBADMSG, "larger than 1 MiB");

        buffer_reset(&b);
        test_tar_extend(&b, 'L', large, TAR_PATH_MAX + 1);
        test_tar_add(&b, &(TestEntry){ .path = "f" });
        check_refused(&b, -EBADMSG, "longer than 4096 bytes");

        test_tar_end(&zero);
        zero.size = TAR_BLOCK;
        test_tar_add(&zero, &(TestEntry){ .path = "f" });
        check_refused(&zero, -EBADMSG, "single block of zeros");
}

/* What the stream says goes on unchanged. */
static void test_stream_fails(void) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEST_TAR_MAX);
        Reader r = { .raw = BUFFER_INIT(TEST_TAR_MAX) };
        Tar t;

        test_tar_add(&b, &(TestEntry){ .path = "f", .content = "x" });
        r.stream = (TestStream){ .data = b.data, .size = b.size, .r = -ECONNRESET };
        tar_init(&t, test_stream_read, on_raw, &r);
        ASSERT_EQ(tar_next(&t, NULL), 1);
        ASSERT_EQ(tar_next(&t, NULL), -ECONNRESET);
        tar_done(&t);
        reader_done(&r);
}

static void test_allocations(void) {
        static Buffer archive; /* made by the first run, in which nothing fails */
        Reader r;
        int e;

        if (archive.size == 0) {
                archive = BUFFER_INIT(TEST_TAR_MAX);
                test_tar_pax(&archive, "SCHILY.xattr.user.x", "v", 1);
                test_tar_add(&archive, &(TestEntry){ .path = "f", .content = "x" });
                test_tar_pax(&archive, "path", "longer", 6);
                test_tar_add(&archive, &(TestEntry){ .path = "s", .link = "t", .type = '2' });
                test_tar_pax(&archive, "mtime", "1.5", 3);
                test_tar_add(&archive, &(TestEntry){ .path = "g" });
                test_tar_end(&archive);
        }
        e = list(&archive, 0, &r, NULL);
        reader_done(&r);
        ASSERT_OK(e);
}

TEST_MAIN(TEST(test_types),
          TEST(test_sizes),
          TEST(test_pax),
          TEST(test_gnu),
          TEST(test_numbers),
          TEST(test_ends),
          TEST(test_cut_short),
          TEST(test_refused),
          TEST(test_checksum),
          TEST(test_limits),
          TEST(test_stream_fails),
          TEST_ALLOC(test_allocations));
