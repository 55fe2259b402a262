/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>

#include "basic/fd.h"
#include "basic/fuzz.h"
#include "basic/str.h"
#include "unit/cgroup.h"

/* Any text in every file that is read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const files[] = { "cpu.stat",   "memory.stat",  "memory.current",
                                             "memory.max", "pids.current", "cpu.pressure" };
        _cleanup_free_ char *in = fuzz_string(data, size), *path = NULL;
        char dir[] = "/tmp/fuzz-cgroup-XXXXXX";
        _cleanup_close_ int fd = -EBADF;
        CgroupStats stats;

        ASSERT_TRUE(mkdtemp(dir));
        fd = open_at(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
        ASSERT_TRUE(fd >= 0);
        FOREACH_ELEMENT(f, files)
                ASSERT_EQ(write_file_atomic_at(fd, *f, data, size, 0600, 0), 0);
        ASSERT_EQ(cgroup_read_stats_at(fd, &stats), 0);
        ASSERT_TRUE(stats.cpu_pressure.known);
        (void) rm_rf_at(AT_FDCWD, dir);

        if (cgroup_path_from_slice(in, &path) >= 0)
                ASSERT_TRUE(streq(path, "") ||
                            (path[0] == '/' && !strstr(path, "//") && !strstr(path, "/../")));
        return 0;
}
