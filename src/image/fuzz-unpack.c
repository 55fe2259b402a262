/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/fuzz.h"
#include "format/test-tar.h"
#include "image/unpack.h"

/* Names in a directory, joined. */
static void list(const char *dir, Buffer *b) {
        struct dirent *de;
        DIR *d = opendir(dir);

        ASSERT_TRUE(d);
        while ((de = readdir(d)))
                if (de->d_name[0] != '.')
                        (void) buffer_addf(b, "%s ", de->d_name);
        (void) closedir(d);
}

/* Whatever the archive says: beside the layer nothing comes and nothing changes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        TestStream stream = { .data = (const char *) data, .size = size };
        _cleanup_buffer_ Buffer before = BUFFER_INIT(KIB), after = BUFFER_INIT(KIB);
        _cleanup_close_ int base_fd = -EBADF, dir_fd = -EBADF, split_fd = -EBADF;
        char base[] = "/tmp/fuzz-unpack-XXXXXX";
        UnpackResult result = {};
        struct stat st, now;
        int r;

        if (geteuid() != 0 || size > 64 * KIB)
                return 0;
        ASSERT_TRUE(mkdtemp(base));
        base_fd = open_at(AT_FDCWD, base, O_PATH | O_DIRECTORY, 0);
        ASSERT_EQ(mkdirat(base_fd, "layer", 0755), 0);
        ASSERT_EQ(write_file_atomic_at(base_fd, "outside", "x", 1, 0600, 0), 0);
        dir_fd = open_at(base_fd, "layer", O_RDONLY | O_DIRECTORY, 0);
        split_fd = open_at(base_fd, "split", O_RDWR | O_CREAT, 0600);
        ASSERT_TRUE(dir_fd >= 0 && split_fd >= 0);
        ASSERT_EQ(fstatat(base_fd, "outside", &st, 0), 0);
        list(base, &before);

        r = unpack(test_stream_read, &stream, dir_fd, split_fd, &result, NULL);
        list(base, &after);
        ASSERT_STREQ(after.data, before.data);
        ASSERT_EQ(fstatat(base_fd, "outside", &now, 0), 0);
        ASSERT_TRUE(now.st_mode == st.st_mode && now.st_nlink == 1 && now.st_uid == st.st_uid &&
                    now.st_size == 1);
        if (r >= 0)
                ASSERT_EQ(result.size, size);
        unpack_result_done(&result);
        (void) rm_rf_at(AT_FDCWD, base);
        fuzz_verdict(r);
        return 0;
}
