/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "basic/str.h"
#include "image/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *in = fuzz_string(data, size);
        Challenge c = {};
        int r = challenge_parse(in, &c);

        fuzz_verdict(r);
        if (r >= 0 && c.bearer)
                ASSERT_TRUE(startswith(c.realm, "https://") || startswith(c.realm, "http://"));
        challenge_done(&c);
        return 0;
}
