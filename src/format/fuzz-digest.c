/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "format/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *in = fuzz_string(data, size);
        Digest d;
        int r = digest_parse(in, &d);

        fuzz_verdict(r);
        if (r >= 0)
                ASSERT_STREQ(d.text, in); /* what we accept, we print back unchanged */
        return 0;
}
