/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *in = fuzz_string(data, size), *out = NULL, *again = NULL;
        _cleanup_(reference_done) Reference ref = {}, other = {};
        int r = reference_parse(in, &ref, NULL);

        fuzz_verdict(r);
        if (r < 0)
                return 0;
        ASSERT_TRUE(!ref.tag == !!ref.digest);
        ASSERT_FALSE(strchr(ref.domain, '/'));
        ASSERT_NULL(strstr(ref.repository, "..")); /* it becomes part of an URL */
        out = reference_format(&ref);
        ASSERT_TRUE(out);
        ASSERT_EQ(reference_parse(out, &other, NULL), 0); /* a whole name is its own whole name */
        again = reference_format(&other);
        ASSERT_STREQ(again, out);
        return 0;
}
