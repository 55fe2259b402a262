/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config-check.h"

#include "basic/path.h"
#include "basic/str.h"
#include "format/json-field.h"

int config_refuse(Error *error, const char *what, const char *value, const char *why) {
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "%s \"%.200s\" %s",
                        what,
                        strempty(value),
                        why);
}

bool text_has_control(const char *s) {
        for (; *s; s++)
                if ((uint8_t) *s < ' ' || *s == 0x7f)
                        return true;
        return false;
}

int config_check_name(const char *what, const char *name, size_t max, Error *error) {
        if (isempty(name))
                return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "%s is missing", what);
        if (strlen(name) > max)
                return config_refuse(
                                error,
                                what,
                                name,
                                "is too long, Kubernetes names have at most 253 bytes");
        if (text_has_control(name) || strpbrk(name, "/;") || streq(name, ".") || streq(name, ".."))
                return config_refuse(
                                error,
                                what,
                                name,
                                "must not have '/', ';' or control characters, nor be \".\" or \"..\"");
        return 0;
}

int config_check_path(const char *what, const char *path, Error *error) {
        if (isempty(path) || !path_is_safe(path))
                return config_refuse(error, what, path, "has to be an absolute path without \"..\"");
        return 0;
}

bool errno_is_of_path(int r) {
        return r == -ENOENT || r == -ENOTDIR || r == -EEXIST || r == -ELOOP || r == -ENAMETOOLONG;
}

int config_check_labels(char *const *labels, Error *error) {
        PAIRS_FOREACH(p, labels) {
                if (isempty(p[0]))
                        return config_refuse(error, "label", p[1], "has no key");
                if (strlen(p[0]) + strlen(p[1]) > LABEL_MAX_BYTES)
                        return config_refuse(
                                        error,
                                        "label",
                                        p[0],
                                        "is longer than 4096 bytes with its value");
        }
        return 0;
}

int config_check_annotations(char *const *annotations, Error *error) {
        size_t size = 0;

        PAIRS_FOREACH(p, annotations) {
                if (isempty(p[0]))
                        return config_refuse(error, "annotation", p[1], "has no key");
                size += strlen(p[0]) + strlen(p[1]);
                if (size > ANNOTATIONS_MAX)
                        return config_refuse(
                                        error,
                                        "annotation",
                                        p[0],
                                        "is too much, all together may have 1 MiB");
        }
        return 0;
}
