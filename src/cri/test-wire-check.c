/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/str.h"
#include "basic/test.h"
#include "cri/wire-check.h"
#include "proto/cri.pb-c.h"

#define S(text) text, sizeof(text) - 1

/* Requests as bytes, and the path of the field that is refused; NULL: fine. */
static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *data;
        size_t size;
        const char *path;
} cases[] = {
        { &runtime__v1__version_request__descriptor, S(""), NULL },
        { &runtime__v1__version_request__descriptor, S("\x0a\x02v1"), NULL },
        { &runtime__v1__version_request__descriptor,
          S("\x0a\x03v\0"
            "1"),
          "version has a NUL" },
        { &runtime__v1__version_request__descriptor, S("\x0a\x02v\xff"), "version is not UTF-8" },
        { &runtime__v1__version_request__descriptor, S("\x0a\x02\xc3\xbc"), NULL },
        /* overlong, surrogate, beyond the last character */
        { &runtime__v1__version_request__descriptor, S("\x0a\x02\xc0\x80"), "version is not UTF-8" },
        { &runtime__v1__version_request__descriptor, S("\x0a\x03\xed\xa0\x80"), "version is not UTF-8" },
        { &runtime__v1__version_request__descriptor, S("\x0a\x04\xf4\x90\x80\x80"), "version is not UTF-8" },
        /* unknown fields of every type are skipped */
        { &runtime__v1__version_request__descriptor,
          S("\x7a\x01\xff\x78\x05\x79"
            "12345678\x7d"
            "1234\x0a\x01v"),
          NULL },
        /* config.metadata.name */
        { &runtime__v1__run_pod_sandbox_request__descriptor,
          S("\x0a\x05\x0a\x03\x0a\x01\x80"),
          "config.metadata.name is not UTF-8" },
        /* config.labels: the key of an entry */
        { &runtime__v1__run_pod_sandbox_request__descriptor,
          S("\x0a\x05\x32\x03\x0a\x01\x80"),
          "config.labels.key is not UTF-8" },
        /* config.envs.value is bytes */
        { &runtime__v1__create_container_request__descriptor,
          S("\x12\x0a\x32\x08\x0a\x01K\x12\x03\xff\0\xfe"),
          NULL },
};

static void test_cases(void) {
        FOREACH_ELEMENT(c, cases) {
                _cleanup_error_ Error error = ERROR_INIT;
                int r = wire_check(c->descriptor, c->data, c->size, &error);

                ASSERT_EQ(r, c->path ? -EINVAL : 0);
                if (c->path)
                        ASSERT_TRUE(startswith(error_get_text(&error, r), c->path));
        }
}

/* It only sees what protobuf-c took, but must not read beyond the end of anything. */
static void test_cut_short(void) {
        FOREACH_ELEMENT(c, cases)
                for (size_t n = 0; n < c->size; n++) {
                        _cleanup_free_ char *part = malloc(n + 1);

                        ASSERT_TRUE(part);
                        memcpy(part, c->data, n);
                        ASSERT_TRUE(wire_check(c->descriptor, part, n, NULL) <= 0);
                }
}

TEST_MAIN(TEST(test_cases), TEST(test_cut_short));
