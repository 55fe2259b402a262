/* SPDX-License-Identifier: Apache-2.0 */
#include "core/limits.h"

#include "basic/number.h"
#include "basic/str.h"

/* One number or range; it is cut in two. */
static int parse_range(char *range, uint64_t *ret_first, uint64_t *ret_last) {
        char *dash = strchr(range, '-');
        int r;

        if (dash)
                *dash++ = '\0';
        r = parse_u64(range, LIMITS_SET_BYTES * 8 - 1, ret_first);
        if (r >= 0)
                r = parse_u64(dash ?: range, LIMITS_SET_BYTES * 8 - 1, ret_last);
        if (r >= 0 && *ret_last < *ret_first)
                r = -EINVAL;
        return r;
}

int limits_parse_set(const char *text, uint8_t *set, size_t *ret_size) {
        _cleanup_strv_ char **ranges = NULL;
        size_t size = 0;
        int r;

        r = strv_split(text, ",", &ranges);
        if (r < 0)
                return r;
        if (strv_length(ranges) == 0)
                return -EINVAL;
        memset(set, 0, LIMITS_SET_BYTES);
        for (char **range = ranges; *range; range++) {
                uint64_t first, last;

                r = parse_range(*range, &first, &last);
                if (r < 0)
                        return r;
                for (uint64_t i = first; i <= last; i++)
                        set[i / 8] |= (uint8_t) (1U << (i % 8));
                size = MAX(size, (size_t) last / 8 + 1);
        }
        *ret_size = size;
        return 0;
}

static int add_set(Limits *l, const char *property, const char *text, uint8_t *set, Error *error) {
        size_t size;
        int r;

        if (isempty(text))
                return 0;
        r = limits_parse_set(text, set, &size);
        if (r < 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "%s: \"%s\" is not a list of numbers and ranges",
                                property,
                                text);
        l->extras[l->n++] = (UnitExtra){ .name = property, .type = 'y', .bytes = { set, size } };
        return 0;
}

int limits_fill(Limits *l,
                const ContainerResources *res,
                int64_t pids_limit,
                bool cpu_weight,
                Error *error) {
        OciProperty list[OCI_PROPERTIES_MAX];
        int r;

        l->n = oci_resources_list_properties(res, pids_limit, cpu_weight, list);
        for (size_t i = 0; i < l->n; i++)
                l->extras[i] = (UnitExtra){ .name = list[i].name, .type = 't', .number = list[i].value };
        r = add_set(l, "AllowedCPUs", res->cpuset_cpus, l->cpus, error);
        return r < 0 ? r : add_set(l, "AllowedMemoryNodes", res->cpuset_mems, l->mems, error);
}

int limits_copy(const ContainerResources *from, ContainerResources *to) {
        /* By way of the table that describes both. */
        _cleanup_json_ json_t *json = json_field_save(container_resources_fields, from);

        return json ? json_field_load(container_resources_fields, json, to, NULL) : -ENOMEM;
}

int limits_merge(ContainerResources *to, const ContainerResources *from) {
        int64_t oom_score_adj = to->oom_score_adj;
        _cleanup_json_ json_t *a = json_field_save(container_resources_fields, to),
                              *b = json_field_save(container_resources_fields, from);
        ContainerResources merged = { 0 };
        const char *key;
        json_t *value;
        int r;

        if (!a || !b)
                return -ENOMEM;
        json_object_foreach(b, key, value) {
                bool zero = json_is_integer(value) && json_integer_value(value) == 0;

                if (!zero && json_object_set(a, key, value) < 0)
                        return -ENOMEM;
        }
        r = json_field_load(container_resources_fields, a, &merged, NULL);
        merged.oom_score_adj = oom_score_adj; /* of the start: an update does not change it */
        if (r < 0) {
                json_field_done(container_resources_fields, &merged);
                return r;
        }
        json_field_done(container_resources_fields, to);
        *to = merged;
        return 0;
}
