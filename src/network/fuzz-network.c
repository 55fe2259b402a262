/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "network/network-list.h"
#include "network/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_json_ json_t *list = NULL;
        json_t *plugins;
        int r = network_list_parse("x", (const char *) data, size, &list, NULL);

        fuzz_verdict(r);
        if (r < 0)
                return 0;
        plugins = json_object_get(list, "plugins");
        ASSERT_TRUE(json_is_string(json_object_get(list, "name")));
        ASSERT_TRUE(json_array_size(plugins) >= 1 && json_array_size(plugins) <= NETWORK_PLUGINS_MAX);
        for (size_t i = 0; i < json_array_size(plugins); i++) {
                const char *type = json_string_value(json_object_get(json_array_get(plugins, i), "type"));

                ASSERT_TRUE(type && *type && !strchr(type, '/')); /* it names a program */
        }
        return 0;
}
