/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/resources.h"

#include <inttypes.h>

#include "basic/number.h"
#include "basic/str.h"
#include "format/json-build.h"

/* cgroup v1 shares 2..262144 as v2 weight 1..10000, as the kubelet and the runtimes convert. */
#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MAX 10000
#define DEFAULT_PERIOD_USEC 100000

static const char *const controllers[_OCI_CONTROLLER_MAX] = {
        [OCI_CONTROLLER_CPU] = "cpu",       [OCI_CONTROLLER_CPUSET] = "cpuset",
        [OCI_CONTROLLER_MEMORY] = "memory", [OCI_CONTROLLER_PIDS] = "pids",
        [OCI_CONTROLLER_IO] = "io",         [OCI_CONTROLLER_HUGETLB] = "hugetlb",
};

/* Which part of "linux.resources" needs what. */
static const struct {
        const char *object, *key; /* key NULL: the whole object */
        OciController controller;
} parts[] = {
        { "cpu", "shares", OCI_CONTROLLER_CPU },  { "cpu", "quota", OCI_CONTROLLER_CPU },
        { "cpu", "period", OCI_CONTROLLER_CPU },  { "cpu", "cpus", OCI_CONTROLLER_CPUSET },
        { "cpu", "mems", OCI_CONTROLLER_CPUSET }, { "memory", NULL, OCI_CONTROLLER_MEMORY },
        { "pids", NULL, OCI_CONTROLLER_PIDS },    { "hugepageLimits", NULL, OCI_CONTROLLER_HUGETLB },
};

const char *oci_controller_to_string(OciController controller) {
        return controllers[controller];
}

unsigned oci_controllers_parse(char *const *names) {
        unsigned mask = 0;

        for (size_t i = 0; i < _OCI_CONTROLLER_MAX; i++)
                if (strv_contains(names, controllers[i]))
                        mask |= OCI_CONTROLLER(i);
        return mask;
}

static int cpu_new(const ContainerResources *res, json_t **ret) {
        _cleanup_json_ json_t *cpu = json_object();
        int r;

        r = json_set_unless_zero(cpu, "shares", res->cpu_shares);
        if (r >= 0)
                r = json_set_unless_zero(cpu, "quota", res->cpu_quota_usec);
        if (r >= 0)
                r = json_set_unless_zero(cpu, "period", res->cpu_period_usec);
        if (r >= 0 && !isempty(res->cpuset_cpus))
                r = json_set(cpu, "cpus", json_string(res->cpuset_cpus));
        if (r >= 0 && !isempty(res->cpuset_mems))
                r = json_set(cpu, "mems", json_string(res->cpuset_mems));
        if (r >= 0)
                *ret = TAKE_PTR(cpu);
        return r;
}

static int memory_new(const ContainerResources *res, json_t **ret) {
        _cleanup_json_ json_t *memory = json_object();
        int r;

        r = json_set_unless_zero(memory, "limit", res->memory_limit_bytes);
        if (r >= 0)
                r = json_set_unless_zero(memory, "swap", res->memory_swap_limit_bytes);
        if (r >= 0)
                *ret = TAKE_PTR(memory);
        return r;
}

static int hugepages_new(const ContainerResources *res, json_t **ret) {
        _cleanup_json_ json_t *pages = json_array();

        for (size_t i = 0; i < res->n_hugepage_limits; i++) {
                const HugepageLimit *l = &res->hugepage_limits[i];

                if (l->limit_bytes > 0 &&
                    json_array_append_new(
                                    pages,
                                    json_pack("{s:s, s:I}",
                                              "pageSize",
                                              l->page_size,
                                              "limit",
                                              (json_int_t) l->limit_bytes)) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(pages);
        return *ret ? 0 : -ENOMEM;
}

int oci_resources_add(json_t *object, const ContainerResources *res, Error *error) {
        int64_t swap = res->memory_swap_limit_bytes;
        json_t *value;
        int r;

        if (res->memory_limit_bytes > 0 && swap > 0 && swap < res->memory_limit_bytes)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "memory_swap_limit_in_bytes is below memory_limit_in_bytes");
        r = cpu_new(res, &value);
        if (r >= 0)
                r = json_set_object(object, "cpu", value);
        if (r >= 0)
                r = memory_new(res, &value);
        if (r >= 0)
                r = json_set_object(object, "memory", value);
        if (r >= 0)
                r = hugepages_new(res, &value);
        if (r >= 0 && json_array_size(value) > 0)
                r = json_set(object, "hugepageLimits", value);
        else if (r >= 0)
                json_decref(value);
        if (r >= 0 && strv_length(res->unified) > 0)
                r = json_set(object, "unified", json_new_pairs(res->unified));
        return r;
}

/* "memory.high" needs memory; what belongs to no controller ("cgroup.freeze") stays. */
static bool unified_is_possible(const char *key, unsigned mask) {
        for (size_t i = 0; i < _OCI_CONTROLLER_MAX; i++) {
                const char *rest = startswith(key, controllers[i]);

                if (rest && *rest == '.')
                        return mask & OCI_CONTROLLER(i);
        }
        return true;
}

void oci_resources_drop(json_t *object, unsigned mask) {
        json_t *unified = json_object_get(object, "unified"), *value;
        const char *key;
        void *next;

        FOREACH_ELEMENT(p, parts) {
                if (mask & OCI_CONTROLLER(p->controller))
                        continue;
                (void) json_object_del(
                                p->key ? json_object_get(object, p->object) : object,
                                p->key ?: p->object);
        }
        json_object_foreach_safe(unified, next, key, value)
                if (!unified_is_possible(key, mask))
                        (void) json_object_del(unified, key); /* it is there */
}

static uint64_t weight_of_shares(int64_t shares) {
        return 1 +
                        ((uint64_t) MIN(shares, SHARES_MAX) - SHARES_MIN) * (WEIGHT_MAX - 1) /
                        (SHARES_MAX - SHARES_MIN);
}

/* Files of the container's control group whose limits systemd has properties for. */
static const struct {
        const char *file, *property;
} unified_properties[] = {
        { "memory.min", "MemoryMin" },          { "memory.low", "MemoryLow" },
        { "memory.high", "MemoryHigh" },        { "memory.max", "MemoryMax" },
        { "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
};

/* A later one replaces an earlier one of the same name. */
static void property_set(OciProperty *list, size_t *n, const char *name, uint64_t value) {
        size_t i = 0;

        while (i < *n && !streq(list[i].name, name))
                i++;
        list[i] = (OciProperty){ name, value };
        if (i == *n)
                (*n)++;
}

static void list_unified(const ContainerResources *res, OciProperty *list, size_t *n) {
        for (size_t i = 0; i < ELEMENTSOF(unified_properties); i++) {
                const char *text = pairs_get(res->unified, unified_properties[i].file);
                uint64_t value = UINT64_MAX;

                /* What the kernel would not take either is the runtime's to refuse. */
                if (text && (streq(text, "max") || parse_u64(text, UINT64_MAX - 1, &value) >= 0))
                        property_set(list, n, unified_properties[i].property, value);
        }
}

size_t oci_resources_list_properties(
                const ContainerResources *res,
                int64_t pids_limit,
                bool cpu_weight,
                OciProperty *ret) {
        uint64_t period = res->cpu_period_usec > 0 ? (uint64_t) res->cpu_period_usec : DEFAULT_PERIOD_USEC;
        int64_t memory = res->memory_limit_bytes, swap = res->memory_swap_limit_bytes;
        size_t n = 0;

        if (cpu_weight && res->cpu_shares >= SHARES_MIN)
                property_set(ret, &n, "CPUWeight", weight_of_shares(res->cpu_shares));
        if (res->cpu_quota_usec != 0) {
                property_set(ret,
                             &n,
                             "CPUQuotaPerSecUSec",
                             res->cpu_quota_usec > 0 ?
                                             (uint64_t) res->cpu_quota_usec * USEC_PER_SEC / period :
                                             UINT64_MAX);
                property_set(ret, &n, "CPUQuotaPeriodUSec", period);
        }
        if (memory != 0)
                property_set(ret, &n, "MemoryMax", memory > 0 ? (uint64_t) memory : UINT64_MAX);
        if (memory > 0 && swap != 0)
                property_set(ret,
                             &n,
                             "MemorySwapMax",
                             swap > 0 ? (uint64_t) (swap - MIN(swap, memory)) : UINT64_MAX);
        if (pids_limit != 0)
                property_set(ret, &n, "TasksMax", pids_limit > 0 ? (uint64_t) pids_limit : UINT64_MAX);
        list_unified(res, ret, &n);
        return n;
}

/* What the client was allowed to say itself stays. */
static int annotate(json_t *annotations, const char *property, uint64_t value) {
        _cleanup_free_ char *key = str_join("org.systemd.property.", property, NULL);

        if (!key)
                return -ENOMEM;
        if (json_object_get(annotations, key))
                return 0;
        return json_set(annotations, key, json_sprintf("uint64 %" PRIu64, value));
}

int oci_resources_annotate(
                const ContainerResources *res,
                int64_t pids_limit,
                unsigned mask,
                json_t *annotations) {
        bool cpu = mask & OCI_CONTROLLER(OCI_CONTROLLER_CPU);
        OciProperty list[OCI_PROPERTIES_MAX];
        size_t n = oci_resources_list_properties(res, pids_limit, !cpu, list);
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = annotate(annotations, list[i].name, list[i].value);
        return r;
}

int oci_resources_format(const ContainerResources *resources, unsigned mask, char **ret, Error *error) {
        _cleanup_json_ json_t *object = json_object();
        int r;

        r = oci_resources_add(object, resources, error);
        if (r < 0)
                return r;
        oci_resources_drop(object, mask);
        return json_dump(object, ret);
}
