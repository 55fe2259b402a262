/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mount-sources.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/fd.h"
#include "basic/str.h"

#define MOUNTINFO "/proc/self/mountinfo"
#define MOUNTINFO_MAX (16 * MIB)

/* The optional fields of a mount, behind the sixth field: "shared:1 master:2 -". NULL: no such mount. */
static const char *find_optional(const char *mountinfo, uint64_t id) {
        char key[DECIMAL_MAX + 1];
        const char *line = mountinfo;

        (void) snprintf(key, sizeof(key), "%" PRIu64 " ", id); /* fits */
        for (; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
                if (!startswith(line, key))
                        continue;
                for (unsigned i = 0; i < 6 && line; i++) {
                        line = strchr(line, ' ');
                        line = line ? line + 1 : NULL;
                }
                return line;
        }
        return NULL;
}

static bool has_word(const char *optional, const char *word) {
        const char *end = strstr(optional, "- "), *found = strstr(optional, word);

        return found && (!end || found < end);
}

static int check_source(const ContainerMount *m, const char *mountinfo, Error *error) {
        const char *optional;
        struct statx st;
        bool shared;

        if (statx(AT_FDCWD, m->host_path, AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "mount source %.300s: %s",
                                m->host_path,
                                STRERROR(errno));
        optional = find_optional(mountinfo, st.stx_mnt_id);
        if (!optional)
                return 0; /* gone this moment; the runtime will say so */
        shared = has_word(optional, "shared:");
        if (shared || (m->propagation == PROPAGATION_HOST_TO_CONTAINER && has_word(optional, "master:")))
                return 0;
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "mount source %.300s is not on a %s mount, as its propagation needs; try mount --make-rshared",
                        m->host_path,
                        m->propagation == PROPAGATION_BIDIRECTIONAL ? "shared" : "shared or slave");
}

int mount_sources_check(const ContainerConfig *config, Error *error) {
        _cleanup_free_ char *mountinfo = NULL;
        int r = 0;

        for (size_t i = 0; i < config->n_mounts && r >= 0; i++) {
                const ContainerMount *m = config->mounts + i;

                if (m->propagation == PROPAGATION_PRIVATE)
                        continue;
                if (!mountinfo)
                        r = read_file_at(AT_FDCWD, MOUNTINFO, MOUNTINFO_MAX, &mountinfo, NULL);
                if (r < 0)
                        return error_set(error, r, STATUS_INTERNAL, "read " MOUNTINFO ": %s", STRERROR(r));
                r = check_source(m, mountinfo, error);
        }
        return r;
}
