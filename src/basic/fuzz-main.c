/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target once for every file in the directory (or file) named on the command line, in builds
 * without libFuzzer: the samples are then ordinary tests. See fuzz.h for what their names mean.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "basic/fd.h"
#include "basic/fuzz.h"
#include "basic/path.h"
#include "basic/str.h"

#define SAMPLE_MAX (16 * MIB)

static int run_sample(int dir_fd, const char *name) {
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        r = read_file_at(dir_fd, name, SAMPLE_MAX, &data, &size);
        if (r < 0) {
                (void) fprintf(stderr, "%s: %s\n", name, STRERROR(r));
                return r;
        }
        (void) printf("%s: %zu bytes\n", name, size);
        (void) fflush(stdout);
        fuzz_verdict(0);
        r = LLVMFuzzerTestOneInput((const uint8_t *) data, size);
        if (startswith(path_basename(name), "bad-") ? fuzz_get_verdict() >= 0 : fuzz_get_verdict() < 0) {
                (void) fprintf(stderr,
                               "%s: %s\n",
                               name,
                               fuzz_get_verdict() < 0 ? STRERROR(fuzz_get_verdict()) : "accepted");
                return -EINVAL;
        }
        return r;
}

static int run_directory(const char *path) {
        DIR *d = opendir(path);
        struct dirent *de;
        int r = 0, n = 0;

        if (!d)
                return run_sample(AT_FDCWD, path);
        while (r >= 0 && (de = readdir(d)))
                if (de->d_type == DT_REG) {
                        r = run_sample(dirfd(d), de->d_name);
                        n++;
                }
        (void) closedir(d);
        if (n == 0)
                (void) fprintf(stderr, "%s: no samples\n", path);
        return n == 0 ? -ENOENT : r;
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (run_directory(argv[i]) < 0)
                        return EXIT_FAILURE;
        return EXIT_SUCCESS;
}
