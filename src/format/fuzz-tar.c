/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "format/test-tar.h"

typedef struct Reader {
        TestStream stream; /* first: it is the userdata */
        size_t n_raw;
} Reader;

static int on_raw(void *userdata, const void *data, size_t size) {
        ((Reader *) userdata)->n_raw += size;
        return 0;
}

/* Every byte of an archive is content or raw, and no entry is larger than we say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Reader reader = { .stream = { .data = (const char *) data, .size = size, .chunk = 300 } };
        size_t n_content = 0;
        ssize_t n = 0;
        Tar t;
        int r;

        tar_init(&t, test_stream_read, on_raw, &reader);
        while ((r = tar_next(&t, NULL)) > 0) {
                char block[200];
                uint64_t left = t.entry.size;

                ASSERT_TRUE(strlen(t.entry.path) <= TAR_PATH_MAX && strlen(t.entry.link) <= TAR_PATH_MAX);
                ASSERT_TRUE(t.entry.n_xattrs <= TAR_XATTRS_MAX && t.entry.mode <= 07777);
                ASSERT_TRUE(t.entry.uid != UINT32_MAX && t.entry.gid != UINT32_MAX);
                ASSERT_TRUE(t.entry.type == TAR_REGULAR || t.entry.size == 0);
                while ((n = tar_read(&t, block, sizeof(block), NULL)) > 0) {
                        n_content += (size_t) n;
                        left -= (size_t) n;
                }
                if (n < 0)
                        break;
                ASSERT_EQ(left, 0);
        }
        if (r == 0)
                ASSERT_EQ(n_content + reader.n_raw, size);
        tar_done(&t);
        fuzz_verdict(n < 0 ? (int) n : r);
        return 0;
}
