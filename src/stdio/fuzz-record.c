/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "stdio/record.h"

#define OUT_MAX (4 * MIB)

/* The records of some output hold that output, and nothing else. */
static void check_format(const char *data, size_t size) {
        _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX), back = BUFFER_INIT(OUT_MAX);
        RecordRun run = {};
        size_t n = 0;

        ASSERT_EQ(record_format(&out, RECORD_STDERR, 1, data, size, &run), 0);
        for (const char *p = out.data; p && p < out.data + out.size; n++) {
                const char *end = memchr(p, '\n', (size_t) (out.data + out.size - p));
                Record record;

                ASSERT_TRUE(end);
                ASSERT_EQ(record_parse(p, (size_t) (end - p), &record), 0);
                ASSERT_TRUE(record.stream == RECORD_STDERR && record.size <= RECORD_CONTENT_MAX);
                (void) buffer_add(&back, record.content, record.size); /* far from its limit */
                if (!record.partial)
                        (void) buffer_addc(&back, '\n');
                p = end + 1;
        }
        ASSERT_EQ(n, run.n);
        ASSERT_EQ(back.size, size);
        ASSERT_TRUE(size == 0 || memcmp(back.data, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;
        Record record;
        int r;

        if (size > 64 * KIB)
                return 0;
        check_format(text, size);
        for (size_t max = 1; max < 40; max += 13)
                for (size_t done = 0, n; done < size; done += n) {
                        n = record_slice(text + done, size - done, max);
                        ASSERT_TRUE(n >= 1 && n <= max + 1 && n <= size - done);
                }
        r = record_parse(text, size, &record);
        fuzz_verdict(r);
        if (r >= 0)
                ASSERT_TRUE(record.content >= text && record.content + record.size == text + size);
        return 0;
}
