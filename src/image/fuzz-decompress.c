/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "format/test-tar.h"
#include "image/decompress.h"

#define OUT_MAX (4 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        TestStream stream = { .data = (const char *) data, .size = size, .chunk = 37 };
        _cleanup_(decompress_freep) Decompress *d = NULL;
        char block[4096];
        size_t all = 0;
        ssize_t n;

        ASSERT_EQ(decompress_new(test_stream_read, &stream, &d), 0);
        while ((n = decompress_read(d, block, sizeof(block))) > 0 && all < OUT_MAX) {
                ASSERT_TRUE((size_t) n <= sizeof(block));
                all += (size_t) n;
        }
        if (n == 0 && decompress_get_compression(d) == COMPRESSION_NONE)
                ASSERT_EQ(all, size);
        fuzz_verdict((int) MIN(n, 0));
        return 0;
}
