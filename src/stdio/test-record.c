/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/str.h"
#include "basic/test.h"
#include "stdio/record.h"

#define OUT_MAX (1 * MIB)
#define TIME 1234567890123456789 /* 2009-02-13T23:31:30.123456789Z */
#define STAMP "2009-02-13T23:31:30.123456789Z "

static const struct {
        RecordStream stream;
        const char *in, *out;
        size_t n;
        bool partial;
} cases[] = {
        { RECORD_STDOUT, "", "", 0, false },
        { RECORD_STDOUT, "x\n", STAMP "stdout F x\n", 1, false },
        { RECORD_STDERR, "x\n", STAMP "stderr F x\n", 1, false },
        { RECORD_STDOUT, "\n", STAMP "stdout F \n", 1, false },
        { RECORD_STDOUT, "\n\n", STAMP "stdout F \n" STAMP "stdout F \n", 2, false },
        { RECORD_STDOUT, "x", STAMP "stdout P x\n", 1, true },
        { RECORD_STDOUT, "a\nb", STAMP "stdout F a\n" STAMP "stdout P b\n", 2, true },
        { RECORD_STDOUT, " a \r\n", STAMP "stdout F  a \r\n", 1, false },
        { RECORD_STDOUT, "\xff\xfe\x01\n", STAMP "stdout F \xff\xfe\x01\n", 1, false }, /* bytes, not text */
};

static void test_format(void) {
        FOREACH_ELEMENT(c, cases) {
                _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX);
                RecordRun run = { .n = 99 };

                ASSERT_OK(record_format(&out, c->stream, TIME, c->in, strlen(c->in), &run));
                ASSERT_STREQ(strempty(out.data), c->out);
                ASSERT_EQ(run.n, c->n);
                ASSERT_EQ(run.partial, c->partial);
        }
}

static void test_times(void) {
        static const struct {
                int64_t nsec;
                const char *text;
        } times[] = {
                { 0, "1970-01-01T00:00:00.000000000Z stdout F \n" },
                { 1, "1970-01-01T00:00:00.000000001Z stdout F \n" },
                { 951782400000000000, "2000-02-29T00:00:00.000000000Z stdout F \n" },
                { 4102444799999999999, "2099-12-31T23:59:59.999999999Z stdout F \n" },
        };

        FOREACH_ELEMENT(c, times) {
                _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX);
                RecordRun run;

                ASSERT_OK(record_format(&out, RECORD_STDOUT, c->nsec, "\n", 1, &run));
                ASSERT_STREQ(out.data, c->text);
        }
}

/* The next record of a log; how long its content is, and whether the line goes on. */
static size_t next_record(const char **log, bool *ret_partial) {
        const char *end = strchr(*log, '\n');
        Record record;

        ASSERT_TRUE(end);
        ASSERT_EQ(record_parse(*log, (size_t) (end - *log), &record), 0);
        *ret_partial = record.partial;
        *log = end + 1;
        return record.size;
}

/* Lines around the largest record: no byte is lost, and none is made. */
static void test_long_lines(void) {
        static const struct {
                size_t size; /* of the line, its newline not counted */
                bool newline;
                size_t n;
                bool partial;
        } lines[] = {
                { RECORD_CONTENT_MAX - 1, true, 1, false }, { RECORD_CONTENT_MAX, true, 1, false },
                { RECORD_CONTENT_MAX + 1, true, 2, false }, { RECORD_CONTENT_MAX, false, 1, true },
                { 2 * RECORD_CONTENT_MAX, true, 2, false }, { 2 * RECORD_CONTENT_MAX + 1, false, 3, true },
        };

        FOREACH_ELEMENT(c, lines) {
                _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX);
                _cleanup_free_ char *line = malloc(c->size + 1);
                bool partial = false;
                const char *p;
                RecordRun run;
                size_t n = 0;

                ASSERT_TRUE(line);
                memset(line, 'x', c->size);
                line[c->size] = '\n';
                ASSERT_OK(record_format(&out, RECORD_STDERR, TIME, line, c->size + c->newline, &run));
                ASSERT_EQ(run.n, c->n);
                ASSERT_EQ(run.partial, c->partial);
                p = out.data;
                for (size_t i = 0; i < run.n; i++) {
                        size_t size = next_record(&p, &partial);

                        ASSERT_TRUE(size <= RECORD_CONTENT_MAX);
                        ASSERT_TRUE(i + 1 == run.n || (partial && size == RECORD_CONTENT_MAX));
                        n += size;
                }
                ASSERT_STREQ(p, "");
                ASSERT_EQ(n, c->size);
                ASSERT_EQ(partial, c->partial);
        }
}

static void test_slice(void) {
        static const struct {
                const char *in;
                size_t max, n;
        } slices[] = {
                { "", 5, 0 },
                { "abc", 5, 3 },
                { "abcde", 5, 5 },
                { "ab\ncdef", 5, 3 }, /* ends with the last whole line */
                { "a\nb\ncdef", 5, 4 },
                { "abcdefgh", 5, 5 }, /* no line ends within it */
                { "abcde\nf", 5, 6 }, /* its newline may come along */
                { "\n\n\n\n\n\n", 5, 5 },
                { "abc", 1, 1 },
        };

        FOREACH_ELEMENT(c, slices)
                ASSERT_EQ(record_slice(c->in, strlen(c->in), c->max), c->n);
}

static void test_parse(void) {
        static const struct {
                const char *line;
                RecordStream stream;
                bool partial;
                const char *content;
        } good[] = {
                { STAMP "stdout F x", RECORD_STDOUT, false, "x" },
                { STAMP "stderr P  x ", RECORD_STDERR, true, " x " },
                { STAMP "stdout F ", RECORD_STDOUT, false, "" },
                { STAMP "stdout P:more:tags y", RECORD_STDOUT, true, "y" },
        };
        static const char *const bad[] = {
                "",
                "x",
                STAMP,
                STAMP "stdout",
                STAMP "stdout F",
                STAMP "stdin F x",
                STAMP "stdout G x",
                STAMP "stdout FF x",
                STAMP "stdout  F x",
                " stdout F x",
                "x stdout F x",
                STAMP "stdoutx F x",
        };
        Record record;

        FOREACH_ELEMENT(c, good) {
                ASSERT_EQ(record_parse(c->line, strlen(c->line), &record), 0);
                ASSERT_EQ(record.stream, c->stream);
                ASSERT_EQ(record.partial, c->partial);
                ASSERT_EQ(record.size, strlen(c->content));
                ASSERT_EQ(memcmp(record.content, c->content, record.size), 0);
        }
        FOREACH_ELEMENT(line, bad)
                ASSERT_EQ(record_parse(*line, strlen(*line), &record), -EINVAL);
}

static void test_no_room(void) {
        _cleanup_buffer_ Buffer small = BUFFER_INIT(60), none = BUFFER_INIT(OUT_MAX);
        RecordRun run;
        int r;

        r = record_format(&small, RECORD_STDOUT, TIME, "a\nb\n", 4, &run);
        ASSERT_TRUE(r == -E2BIG || (r == -ENOMEM && test_allocation_failed()));
        ASSERT_OK(record_format(&none, RECORD_STDOUT, TIME, "a\nb\n", 4, &run));
}

TEST_MAIN(TEST(test_format),
          TEST(test_times),
          TEST(test_long_lines),
          TEST(test_slice),
          TEST(test_parse),
          TEST_ALLOC(test_no_room));
