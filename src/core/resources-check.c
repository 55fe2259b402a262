/* SPDX-License-Identifier: Apache-2.0 */
#include "core/resources-check.h"

#include <inttypes.h>
#include <unistd.h>

#include "basic/number.h"
#include "basic/path.h"
#include "basic/str.h"
#include "core/config-check.h"

#define OOM_SCORE_ADJ_MAX 1000
#define SHARES_MAX 262144
/* Of the kernel's bandwidth control, in µs. */
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define QUOTA_MIN 1000
#define QUOTA_MAX (INT64_C(1) << 44)
#define MEMORY_NODES_MAX 1024
#define CPUSET_TEXT_MAX (8 * KIB)
#define UNIFIED_VALUE_MAX 1024

static int check_numbers(const ContainerResources *r, Error *error) {
        const struct {
                const char *what;
                int64_t value, unset, min, max; /* unset: also allowed, beside 0 */
        } rows[] = {
                { "cpu_period", r->cpu_period_usec, 0, PERIOD_MIN, PERIOD_MAX },
                { "cpu_quota", r->cpu_quota_usec, -1, QUOTA_MIN, QUOTA_MAX },
                { "cpu_shares", r->cpu_shares, 0, 1, SHARES_MAX },
                { "memory_limit_in_bytes", r->memory_limit_bytes, -1, MEMORY_LIMIT_MIN, INT64_MAX },
                { "memory_swap_limit_in_bytes", r->memory_swap_limit_bytes, -1, 1, INT64_MAX },
                { "oom_score_adj", r->oom_score_adj, 0, -OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MAX },
        };

        FOREACH_ELEMENT(row, rows) {
                if (row->value == 0 || row->value == row->unset ||
                    (row->value >= row->min && row->value <= row->max))
                        continue;
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "%s %" PRIi64 " is out of range, it may be %" PRIi64 " to %" PRIi64,
                                row->what,
                                row->value,
                                row->min,
                                row->max);
        }
        if (r->memory_limit_bytes > 0 && r->memory_swap_limit_bytes > 0 &&
            r->memory_swap_limit_bytes < r->memory_limit_bytes)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "memory_swap_limit_in_bytes %" PRIi64
                                " is below memory_limit_in_bytes %" PRIi64 ", which it includes",
                                r->memory_swap_limit_bytes,
                                r->memory_limit_bytes);
        return 0;
}

/* "0-3,7" with numbers below @n, in rising ranges. */
static bool is_number_list(const char *s, uint64_t n) {
        _cleanup_strv_ char **parts = NULL;

        if (strlen(s) > CPUSET_TEXT_MAX || !str_in_charset(s, STR_DIGITS ",-") || strstr(s, ",,") ||
            *s == ',' || endswith(s, ",") || strv_split(s, ",", &parts) < 0)
                return false;
        STRV_FOREACH(part, parts) {
                char *dash = strchr(*part, '-');
                uint64_t first, last;

                if (dash)
                        *dash = '\0';
                if (parse_u64(*part, n - 1, &first) < 0 ||
                    parse_u64(dash ? dash + 1 : *part, n - 1, &last) < 0 || first > last)
                        return false;
        }
        return true;
}

static int check_sets(const ContainerResources *r, Error *error) {
        long n = sysconf(_SC_NPROCESSORS_CONF);

        if (!isempty(r->cpuset_cpus) && !is_number_list(r->cpuset_cpus, (uint64_t) MAX(n, 1L)))
                return config_refuse(
                                error,
                                "cpuset_cpus",
                                r->cpuset_cpus,
                                "has to be a list of CPUs of this node such as \"0-1,3\"");
        if (!isempty(r->cpuset_mems) && !is_number_list(r->cpuset_mems, MEMORY_NODES_MAX))
                return config_refuse(
                                error,
                                "cpuset_mems",
                                r->cpuset_mems,
                                "has to be a list of memory nodes such as \"0\"");
        return 0;
}

/* Files of controllers. Those of the group itself ("cgroup.procs", "cgroup.kill") would reach past it. */
static bool is_controller_file(const char *name) {
        static const char *const prefixes[] = { "cpu.",  "cpuset.",  "memory.", "io.",
                                                "pids.", "hugetlb.", "rdma.",   "misc." };

        if (!path_is_component(name) || text_has_control(name))
                return false;
        FOREACH_ELEMENT(p, prefixes) {
                const char *rest = startswith(name, *p);

                if (rest)
                        return *rest != '\0';
        }
        return false;
}

static int check_unified(char *const *unified, Error *error) {
        PAIRS_FOREACH(p, unified) {
                if (!is_controller_file(p[0]))
                        return config_refuse(
                                        error,
                                        "unified",
                                        p[0],
                                        "has to be a file of a cgroup controller such as \"memory.high\"");
                if (strlen(p[1]) > UNIFIED_VALUE_MAX || text_has_control(p[1]))
                        return config_refuse(
                                        error,
                                        "unified",
                                        p[0],
                                        "has a value that is not one short line");
        }
        return 0;
}

/* "2MB", as the kubelet and the runtimes write it. */
static bool is_page_size(const char *s) {
        size_t n = strspn(s, STR_DIGITS);

        return n > 0 && n <= 4 && (streq(s + n, "KB") || streq(s + n, "MB") || streq(s + n, "GB"));
}

int resources_check(const ContainerResources *res, Error *error) {
        int r;

        r = check_numbers(res, error);
        if (r >= 0)
                r = check_sets(res, error);
        if (r >= 0)
                r = check_unified(res->unified, error);
        for (size_t i = 0; i < res->n_hugepage_limits && r >= 0; i++)
                if (!is_page_size(strempty(res->hugepage_limits[i].page_size)))
                        r =
                                        config_refuse(error,
                                                      "huge page size",
                                                      res->hugepage_limits[i].page_size,
                                                      "has to be a number with KB, MB or GB");
        return r;
}
