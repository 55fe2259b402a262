/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "basic/str.h"
#include "oci/user.h"

/* The first line is who is looked for, the rest is passwd and group at the same time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *in = fuzz_string(data, size), *name = NULL, *home = NULL;
        uint32_t uid = 7, gid = 7, group = 7;
        char *text = strchr(in, '\n');
        int r;

        if (!text)
                return 0;
        *text++ = '\0';
        r = passwd_find(text, in, 0, &uid, &gid, &name, &home);
        if (r >= 0) {
                ASSERT_STREQ(name, in);
                ASSERT_TRUE(uid != UINT32_MAX && gid != UINT32_MAX);
                ASSERT_FALSE(strchr(name, ':') || strchr(name, '\n') || (home && strpbrk(home, ":\n")));
        } else
                ASSERT_TRUE(uid == 7 && gid == 7 && !name && !home);
        if (group_find(text, in, &group) >= 0) {
                ASSERT_TRUE(group != UINT32_MAX);
                r = 0;
        }
        fuzz_verdict(r);
        return 0;
}
