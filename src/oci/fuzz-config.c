/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/fuzz.h"
#include "format/json-build.h"
#include "oci/config.h"

/* State of a container as a file: what is read is written as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ContainerConfig c = CONTAINER_CONFIG_INIT, other = CONTAINER_CONFIG_INIT;
        _cleanup_json_ json_t *json = NULL, *saved = NULL, *again = NULL;
        int r = json_parse("x", (const char *) data, size, &json, NULL);

        if (r >= 0)
                r = json_field_load(container_config_fields, json, &c, NULL);
        fuzz_verdict(r);
        if (r >= 0) {
                saved = json_field_save(container_config_fields, &c);
                ASSERT_TRUE(saved);
                ASSERT_EQ(json_field_load(container_config_fields, saved, &other, NULL), 0);
                again = json_field_save(container_config_fields, &other);
                ASSERT_TRUE(json_equal(saved, again));
        }
        json_field_done(container_config_fields, &c);
        json_field_done(container_config_fields, &other);
        return 0;
}
