/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "image/manifest.h"

/* A manifest, an index or a config: whatever it is taken for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;
        _cleanup_free_ char *created = NULL;
        Descriptor chosen;
        Manifest m = {};
        Digest ids[2], d;
        int index, image, config;

        index = manifest_is_index(text, size, NULL);
        image = manifest_parse(text, size, &m, NULL);
        config = config_parse_diff_ids(text, size, 2, ids, &created, NULL);
        if (image >= 0) {
                ASSERT_EQ(index, 0);
                ASSERT_TRUE(m.n_layers <= MANIFEST_LAYERS_MAX);
                for (size_t i = 0; i < m.n_layers; i++)
                        ASSERT_EQ(digest_parse(m.layers[i].digest.text, &d), 0);
        }
        if (index == 1 && index_choose(text, size, "amd64", NULL, &chosen, NULL) >= 0)
                ASSERT_EQ(digest_parse(chosen.digest.text, &d), 0);
        manifest_done(&m);
        fuzz_verdict(index == 1 || image >= 0 || config >= 0 ? 0 : -EINVAL);
        return 0;
}
