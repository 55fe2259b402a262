/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/str.h"
#include "basic/test.h"
#include "oci/annotation.h"

static void test_gates(void) {
        static const char *const gated[] = {
                "org.systemd.property.ExecStart", "run.oci.handler",      "bundle",
                "io.kubernetes.cri-o.Devices",    "shm-size.crio.io",     "unified-cgroup.crio.io/main",
                "io.kubernetes.cri-o.",           "run.oci.hooks.stderr",
        };
        static const char *const open[] = {
                "io.kubernetes.container.hash", "", "org.systemd", "a.run.oci.",
                "kubernetes.io/config.source",
        };

        FOREACH_ELEMENT(key, gated)
                ASSERT_TRUE(annotation_is_gated(*key));
        FOREACH_ELEMENT(key, open)
                ASSERT_FALSE(annotation_is_gated(*key));
}

static void test_filter(void) {
        static const char *const allowed[] = { "", "devices.crio.io", NULL };
        static const char *const pairs[] = {
                "run.oci.handler",
                "krun",
                "a",
                "1",
                "devices.crio.io",
                "/dev/fuse",
                "devices.crio.io/main",
                "/dev/kvm",
                "b",
                "2",
                "io.kubernetes.cri-o.Devices",
                "/dev/mem",
        };
        _cleanup_strv_ char **l = NULL;
        _cleanup_free_ char *text = NULL;

        annotations_filter(NULL, NULL);
        FOREACH_ELEMENT(s, pairs)
                ASSERT_OK(strv_extend(&l, *s));
        annotations_filter(l, (char *const *) allowed);
        text = strv_join(l, " ");
        ASSERT_STREQ(text, "a 1 devices.crio.io /dev/fuse devices.crio.io/main /dev/kvm b 2");
        annotations_filter(l, NULL);
        free(text);
        text = strv_join(l, " ");
        ASSERT_STREQ(text, "a 1 b 2");
}

TEST_MAIN(TEST(test_gates), TEST(test_filter));
