/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "basic/str.h"
#include "format/http-head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        HttpHead h = {};
        size_t end = http_head_find_end((const char *) data, size);
        int r;

        ASSERT_TRUE(end <= size);
        if (end == 0) {
                fuzz_verdict(-EAGAIN);
                return 0;
        }
        r = http_head_parse((const char *) data, end, &h);
        fuzz_verdict(r);
        if (r < 0)
                return 0;
        ASSERT_TRUE(h.path && h.body_bytes <= HTTP_BODY_MAX && h.method < _HTTP_METHOD_MAX);
        http_head_done(&h);
        return 0;
}
