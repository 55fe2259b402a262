/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/str.h"
#include "basic/test.h"
#include "format/base64.h"
#include "format/digest.h"
#include "format/json-build.h"
#include "format/json-field.h"
#include "format/reference.h"

#define HEX60 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
#define HEX64 HEX60 "cdef"

/* RFC 4648 section 10, and bytes beyond ASCII. */
static void test_base64(void) {
        static const struct {
                const char *plain, *encoded;
        } cases[] = {
                { "", "" },
                { "f", "Zg==" },
                { "fo", "Zm8=" },
                { "foo", "Zm9v" },
                { "foob", "Zm9vYg==" },
                { "fooba", "Zm9vYmE=" },
                { "foobar", "Zm9vYmFy" },
                { "\xff\xfe\xfb", "//77" },
        };
        static const char *const refused[] = { "Z",    "Zg",     "Zg=",  "Zg=a", "Zh==",    "Z===",
                                               "====", "Zm9v\n", "Zm 9", "=Zm9", "Zg==Zg==" };
        char *decoded;
        size_t size;

        FOREACH_ELEMENT(c, cases) {
                char *encoded;

                ASSERT_OK(base64_encode(c->plain, strlen(c->plain), &encoded));
                ASSERT_STREQ(encoded, c->encoded);
                free(encoded);
                ASSERT_OK(base64_decode(c->encoded, &decoded, &size));
                ASSERT_STREQ(decoded, c->plain);
                ASSERT_EQ(size, strlen(c->plain));
                free(decoded);
        }
        if (!test_allocation_failed())
                FOREACH_ELEMENT(s, refused) {
                        int r = base64_decode(*s, &decoded, &size);

                        if (r != -ENOMEM)
                                ASSERT_EQ(r, -EINVAL);
                }
}

static void test_digest(void) {
        static const struct {
                const char *in;
                int r;
        } cases[] = {
                { "sha256:" HEX64, 0 },
                { "sha256:" HEX64 "0", -EINVAL },
                { "sha256:" HEX60 "cde", -EINVAL },
                { "sha256:" HEX60 "CDEF", -EINVAL },
                { "sha256:" HEX60 "cdeg", -EINVAL },
                { "sha512:" HEX64, -EINVAL },
                { "SHA256:" HEX64, -EINVAL },
                { " sha256:" HEX64, -EINVAL },
                { HEX64, -EINVAL },
                { "sha256:", -EINVAL },
                { "", -EINVAL },
        };
        uint8_t bytes[DIGEST_SIZE];
        Digest d;

        FOREACH_ELEMENT(c, cases) {
                ASSERT_EQ(digest_parse(c->in, &d), c->r);
                if (c->r == 0) {
                        ASSERT_STREQ(d.text, c->in);
                        ASSERT_STREQ(digest_hex(&d), HEX64);
                }
        }
        memset(bytes, 0xa5, sizeof(bytes));
        digest_from_bytes(bytes, &d);
        ASSERT_STREQ(d.text, "sha256:a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");
}

static const struct {
        const char *in, *out; /* completed, NULL: refused */
} references[] = {
        { "busybox", "docker.io/library/busybox:latest" },
        { "busybox:1", "docker.io/library/busybox:1" },
        { "user/app", "docker.io/user/app:latest" },
        { "docker.io/busybox:1", "docker.io/library/busybox:1" },
        { "index.docker.io/busybox:1", "docker.io/library/busybox:1" },
        { "index.docker.io/a/b:1", "docker.io/a/b:1" },
        { HEX64 ":1", "docker.io/library/" HEX64 ":1" },
        { HEX64, NULL },
        { "quay.io/a/b/c:v1.0_x-Y", "quay.io/a/b/c:v1.0_x-Y" },
        { "localhost/x", "localhost/x:latest" },
        { "localhost:5000/x", "localhost:5000/x:latest" },
        { "127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c" },
        { "[::1]:5000/a:b", "[::1]:5000/a:b" },
        { "host:5000/a@sha256:" HEX64, "host:5000/a@sha256:" HEX64 },
        { "a:tag@sha256:" HEX64, "docker.io/library/a@sha256:" HEX64 },
        { "r.io/a__b/c-d/e.f/g---h:_t", "r.io/a__b/c-d/e.f/g---h:_t" },
        { "", NULL },
        { "a:", NULL },
        { ":a", NULL },
        { "a/", NULL },
        { "/a", NULL },
        { "a//b", NULL },
        { "A", NULL },
        { "r.io/A/b", NULL },
        { "a_-b", NULL },
        { "a___b", NULL },
        { "a-..b", NULL }, /* one kind of separator at a time */
        { "a-_b", NULL },
        { "a..b", NULL },
        { "-a", NULL },
        { "a-", NULL },
        { "a.", NULL },
        { "a b", NULL },
        { "a\nb", NULL },
        { "a:b:c", NULL },
        { "a:.b", NULL },
        { "a:-b", NULL },
        { "a:b c", NULL },
        { "a:b/c d", NULL },
        { "a@", NULL },
        { "a@sha256:" HEX60, NULL },
        { "a@sha512:" HEX64, NULL },
        { "a@sha256:" HEX64 "@sha256:" HEX64, NULL },
        { "ex ample.com/a", NULL },
        { "r.io/", NULL },
        { "r.io/../x", NULL },
        { "\xc3\xa9", NULL },
};

static void check_reference(const char *in, const char *out) {
        _cleanup_(reference_done) Reference ref = {};
        _cleanup_(error_done) Error error = {};
        _cleanup_free_ char *text = NULL;
        int r;

        r = reference_parse(in, &ref, &error);
        if (!out && !test_allocation_failed()) {
                ASSERT_EQ(r, -EINVAL);
                ASSERT_EQ(error_get_status(&error, r), STATUS_INVALID_ARGUMENT);
                ASSERT_TRUE(strstr(error_get_text(&error, r), "invalid image reference"));
                return;
        }
        ASSERT_OK(r);
        text = reference_format(&ref);
        ASSERT_OK(text ? 0 : -ENOMEM);
        ASSERT_STREQ(text, out);
        ASSERT_TRUE(!ref.tag == !!ref.digest); /* one of the two */
}

static void test_reference(void) {
        FOREACH_ELEMENT(c, references) {
                check_reference(c->in, c->out);
                if (c->out)
                        check_reference(c->out, c->out); /* a whole one stays as it is */
        }
}

static void test_reference_limits(void) {
        char text[REFERENCE_MAX + 8];
        _cleanup_(reference_done) Reference ref = {};

        memset(text, 'a', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        ASSERT_EQ(reference_parse(text, &ref, NULL), -EINVAL);
        text[256] = '\0';
        ASSERT_EQ(reference_parse(text, &ref, NULL), -EINVAL);
        text[247] = '\0'; /* and "library/" */
        ASSERT_EQ(reference_parse(text, &ref, NULL), 0);
        reference_done(&ref);
        text[1] = ':';
        text[2 + 128] = '\0';
        ASSERT_EQ(reference_parse(text, &ref, NULL), 0);
        reference_done(&ref);
        text[2 + 128] = 'a';
        text[2 + 129] = '\0';
        ASSERT_EQ(reference_parse(text, &ref, NULL), -EINVAL);
}

static void test_reference_allocations(void) {
        check_reference("localhost:5000/a:b", "localhost:5000/a:b");
        check_reference("a@sha256:" HEX64, "docker.io/library/a@sha256:" HEX64);
}

typedef struct Inner {
        char *name;
        int number;
} Inner;

typedef struct Outer {
        char *string, **strings, **pairs;
        bool boolean;
        int integer;
        int64_t large, *numbers;
        uint64_t natural;
        size_t n_numbers, n_items;
        Inner inner, *items;
} Outer;

#define ROW(type_, struct_, field_)                                                                         \
        .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(struct_, field_)

static const JsonField inner_fields[] = {
        { ROW(STRING, Inner, name), .required = true },
        { ROW(INT, Inner, number) },
        {},
};

static const JsonField outer_fields[] = {
        { ROW(STRING, Outer, string) },
        { ROW(STRINGS, Outer, strings) },
        { ROW(PAIRS, Outer, pairs) },
        { ROW(BOOL, Outer, boolean) },
        { ROW(INT, Outer, integer) },
        { ROW(INT64, Outer, large) },
        { ROW(UINT64, Outer, natural) },
        { ROW(INT64S, Outer, numbers), .n_offset = offsetof(Outer, n_numbers) },
        { ROW(STRUCT, Outer, inner), .fields = inner_fields },
        { ROW(ARRAY, Outer, items),
          .fields = inner_fields,
          .size = sizeof(Inner),
          .n_offset = offsetof(Outer, n_items) },
        {},
};

static const char whole[] =
                "{\"string\":\"a\\u0001\\\"\",\"strings\":[\"x\",\"\"],\"pairs\":{\"k\":\"v\",\"\":\"w\"},\"boolean\":true,"
                "\"integer\":-5,\"large\":9223372036854775807,\"natural\":7,\"numbers\":[-1,0],"
                "\"inner\":{\"name\":\"n\",\"number\":1},\"items\":[{\"name\":\"i\"},{\"name\":\"j\",\"number\":2}]}";

static int load(const char *text, Outer *o, Error *error) {
        _cleanup_json_ json_t *json = NULL;
        int r;

        r = json_parse("x", text, strlen(text), &json, error);
        return r < 0 ? r : json_field_load(outer_fields, json, o, error);
}

static void outer_done(Outer *o) {
        json_field_done(outer_fields, o);
}

/* What is loaded is saved as it came. */
static void test_json_round_trip(void) {
        _cleanup_(outer_done) Outer o = {}, other = {};
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *json = NULL;

        ASSERT_OK(load(whole, &o, NULL));
        json = json_field_save(outer_fields, &o);
        ASSERT_OK(json ? 0 : -ENOMEM);
        ASSERT_OK(json_dump(json, &text));
        ASSERT_STREQ(text, whole);
        ASSERT_OK(load(whole, &other, NULL));
        ASSERT_TRUE(json_field_equal(outer_fields, &o, &other));
        other.items[1].number++;
        ASSERT_FALSE(json_field_equal(outer_fields, &o, &other));
}

static void test_json_errors(void) {
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "{\"string\":1}", "/string: expected a string" },
                { "{\"strings\":{}}", "/strings: expected an array of strings" },
                { "{\"strings\":[1]}", "/strings: expected an array of strings" },
                { "{\"pairs\":{\"a\":1}}", "/pairs: expected an object of strings" },
                { "{\"pairs\":[]}", "/pairs: expected an object of strings" },
                { "{\"boolean\":0}", "/boolean: expected true or false" },
                { "{\"integer\":2147483648}", "/integer: expected an integer of 32 bits" },
                { "{\"integer\":1.0}", "/integer: expected an integer" },
                { "{\"large\":\"1\"}", "/large: expected an integer" },
                { "{\"natural\":-1}", "/natural: expected an integer that is not negative" },
                { "{\"numbers\":[1,true]}", "/numbers: expected an array of integers" },
                { "{\"inner\":[]}", "/inner: expected an object" },
                { "{\"inner\":{}}", "/inner: /name: missing" },
                { "{\"items\":{}}", "/items: expected an array" },
                { "{\"items\":[{\"name\":\"x\"},{\"name\":1}]}", "/items: /1: /name: expected a string" },
                { "{\"items\":[{\"name\":null}]}", "/items: /0: /name: missing" },
                { "[]", "expected an object" },
                { "{\"a\":1,\"a\":2}", "x:1:" },
                { "{\"a\":1", "x:1:" },
                { "{\"large\":9223372036854775808}", "x:1:" },
                { "{} {}", "x:1:" },
                { "{\"string\":\"\xff\"}", "x:1:" },
                { "", "x:1:" },
        };

        FOREACH_ELEMENT(c, cases) {
                _cleanup_(outer_done) Outer o = {};
                _cleanup_(error_done) Error error = {};
                int r = load(c->text, &o, &error);

                ASSERT_EQ(r, -EINVAL);
                if (!startswith(error_get_text(&error, r), c->message))
                        test_fail(__FILE__, __LINE__, "%s: %s", c->text, error_get_text(&error, r));
        }
}

/* What is absent, null or unknown changes nothing. */
static void test_json_absent(void) {
        _cleanup_(outer_done) Outer o = { .integer = 7 };

        ASSERT_OK(load("{\"integer\":null,\"unknown\":{\"a\":[1]},\"strings\":[]}", &o, NULL));
        ASSERT_EQ(o.integer, 7);
        ASSERT_NULL(o.string);
        ASSERT_TRUE(o.strings && !*o.strings);
}

/* Foreign documents can not exhaust the stack. */
static void test_json_depth(void) {
        enum { DEPTH = 100000 };
        _cleanup_free_ char *text = malloc(2 * DEPTH + 1);
        _cleanup_json_ json_t *json = NULL;

        ASSERT_TRUE(text);
        memset(text, '[', DEPTH);
        memset(text + DEPTH, ']', DEPTH);
        ASSERT_EQ(json_parse("x", text, 2 * DEPTH, &json, NULL), -EINVAL);
}

static void test_pairs(void) {
        _cleanup_strv_ char **pairs = NULL;

        ASSERT_NULL(pairs_get(NULL, "a"));
        ASSERT_OK(pairs_set(&pairs, "a", "1"));
        ASSERT_OK(pairs_set(&pairs, "b", "a"));
        ASSERT_OK(pairs_set(&pairs, "a", "2"));
        ASSERT_EQ(strv_length(pairs), 4);
        ASSERT_STREQ(pairs_get(pairs, "a"), "2");
        ASSERT_STREQ(pairs_get(pairs, "b"), "a");
        ASSERT_NULL(pairs_get(pairs, "1")); /* values are no keys */
}

TEST_MAIN(TEST_ALLOC(test_base64),
          TEST(test_digest),
          TEST(test_reference),
          TEST(test_reference_limits),
          TEST_ALLOC(test_reference_allocations),
          TEST_ALLOC(test_json_round_trip),
          TEST(test_json_errors),
          TEST(test_json_absent),
          TEST(test_json_depth),
          TEST_ALLOC(test_pairs));
