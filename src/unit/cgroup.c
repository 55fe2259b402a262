/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/number.h"
#include "basic/path.h"
#include "basic/str.h"

#define CGROUP_FILE_MAX (64 * KIB)
#define SLICE_NAME_MAX 255

int cgroup_path_from_slice(const char *slice, char **ret) {
        _cleanup_buffer_ Buffer path = BUFFER_INIT(PATH_MAX);
        const char *suffix = endswith(slice, ".slice");
        size_t size;

        if (!suffix || strlen(slice) > SLICE_NAME_MAX || !path_is_component(slice))
                return -EINVAL;
        size = (size_t) (suffix - slice);
        if (size == 1 && slice[0] == '-') {
                (void) buffer_adds(&path, "");
                return buffer_take(&path, ret);
        }

        for (size_t i = 0; i <= size; i++) {
                if (i < size && slice[i] != '-')
                        continue;
                if (i == 0 || slice[i - 1] == '-') /* an empty part */
                        return -EINVAL;
                (void) buffer_addf(&path, "/%.*s.slice", (int) i, slice);
        }
        return buffer_take(&path, ret);
}

int cgroup_path_from_unit(const char *slice, const char *unit, char **ret) {
        _cleanup_free_ char *parent = NULL;
        int r;

        r = cgroup_path_from_slice(slice, &parent);
        if (r < 0)
                return r;
        *ret = str_join(parent, "/", unit, NULL);
        return *ret ? 0 : -ENOMEM;
}

int cgroup_path_from_pid(pid_t pid, char **ret) {
        _cleanup_free_ char *file = NULL, *text = NULL;
        int r;

        if (asprintf(&file, "/proc/%d/cgroup", (int) pid) < 0)
                return -ENOMEM;
        r = read_file_at(AT_FDCWD, file, CGROUP_FILE_MAX, &text, NULL);
        if (r < 0)
                return r;
        for (const char *line = text; *line;) {
                size_t size = strcspn(line, "\n");
                const char *path = startswith(line, "0::"); /* the unified hierarchy */

                if (path) {
                        *ret = strndup(path, (size_t) (line + size - path));
                        return *ret ? 0 : -ENOMEM;
                }
                line += size + (line[size] == '\n');
        }
        return -ENOENT;
}

int cgroup_open(const char *path) {
        _cleanup_free_ char *whole = str_join(CGROUP_ROOT, path, NULL);

        return whole ? open_at(AT_FDCWD, whole, O_PATH | O_DIRECTORY, 0) : -ENOMEM;
}

int cgroup_read_controllers(char ***ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(AT_FDCWD, CGROUP_ROOT "/cgroup.controllers", CGROUP_FILE_MAX, &text, NULL);
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = '\0';
        return strv_split(text, " ", ret);
}

bool cgroup_is_unified(void) {
        struct statfs s;

        return statfs(CGROUP_ROOT, &s) == 0 && s.f_type == CGROUP2_SUPER_MAGIC;
}

int cgroup_kill(const char *path) {
        _cleanup_close_ int fd = cgroup_open(path);
        int r;

        if (fd == -ENOENT)
                return 0;
        r = fd < 0 ? fd : write_string_at(fd, "cgroup.kill", "1");
        return r == -ENOENT || r == -ENODEV ? 0 : r;
}

int cgroup_read_key(const char *path, const char *file, const char *key, uint64_t *ret) {
        _cleanup_close_ int fd = cgroup_open(path);
        _cleanup_free_ char *text = NULL;
        size_t size = strlen(key);
        int r;

        r = fd < 0 ? fd : read_file_at(fd, file, CGROUP_FILE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENODEV ? -ENOENT : r;

        for (char *line = text, *next; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                if (strncmp(line, key, size) == 0 && line[size] == ' ')
                        return parse_u64(line + size + 1, UINT64_MAX, ret);
        }
        return -ENOENT;
}
