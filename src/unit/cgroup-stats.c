/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The numbers of a control group. See cgroup.h.
 */

#include "basic/fd.h"
#include "basic/number.h"
#include "basic/str.h"
#include "unit/cgroup.h"

#define CGROUP_FILE_MAX (64 * KIB)

typedef struct KeyRow {
        const char *key;
        size_t offset;
} KeyRow;

/* A file of one number or "max". */
static uint64_t read_number(int fd, const char *file) {
        _cleanup_free_ char *text = NULL;
        uint64_t value;

        if (read_file_at(fd, file, CGROUP_FILE_MAX, &text, NULL) < 0)
                return CGROUP_UNKNOWN;
        text[strcspn(text, "\n")] = '\0';
        if (streq(text, "max"))
                return CGROUP_NO_LIMIT;
        return parse_u64(text, INT64_MAX, &value) < 0 ? CGROUP_UNKNOWN : value;
}

/* A file of "key value" lines. */
static void read_keys(int fd, const char *file, const KeyRow *rows, size_t n, CgroupStats *s) {
        _cleanup_free_ char *text = NULL;

        if (read_file_at(fd, file, CGROUP_FILE_MAX, &text, NULL) < 0)
                return;
        for (char *line = text, *next; line; line = next) {
                char *space = strchr(line, ' ');

                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                if (!space || (next && space > next))
                        continue;
                *space = '\0';
                for (size_t i = 0; i < n; i++) {
                        uint64_t value;

                        if (streq(rows[i].key, line) && parse_u64(space + 1, UINT64_MAX, &value) >= 0)
                                *(uint64_t *) ((char *) s + rows[i].offset) = value;
                }
        }
}

/* "12.34" as the kernel writes it, without asking the locale. */
static double parse_percent(const char *s) {
        double value = 0, scale = 1;
        bool fraction = false;

        for (; *s == '.' || (*s >= '0' && *s <= '9'); s++) {
                if (*s == '.') {
                        fraction = true;
                        continue;
                }
                value = value * 10 + (*s - '0');
                if (fraction)
                        scale *= 10;
        }
        return value / scale;
}

static void parse_pressure_line(const char *line, double *avg, uint64_t *total) {
        static const char *const names[] = { "avg10=", "avg60=", "avg300=" };
        const char *value;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                value = strstr(line, names[i]);
                if (value)
                        avg[i] = parse_percent(value + strlen(names[i]));
        }
        value = strstr(line, "total=");
        if (value)
                (void) parse_u64(value + strlen("total="), UINT64_MAX, total); /* stays 0 */
}

static void read_pressure(int fd, const char *file, CgroupPressure *p) {
        _cleanup_free_ char *text = NULL;

        if (read_file_at(fd, file, CGROUP_FILE_MAX, &text, NULL) < 0)
                return;
        p->known = true;
        for (char *line = text, *next; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                if (startswith(line, "some "))
                        parse_pressure_line(line, p->some_avg, &p->some_total_usec);
                else if (startswith(line, "full "))
                        parse_pressure_line(line, p->full_avg, &p->full_total_usec);
        }
}

int cgroup_read_stats_at(int fd, CgroupStats *ret) {
        static const KeyRow cpu[] = { { "usage_usec", offsetof(CgroupStats, cpu_usage_usec) } };
        static const KeyRow memory[] = {
                { "anon", offsetof(CgroupStats, memory_anon) },
                { "inactive_file", offsetof(CgroupStats, memory_inactive_file) },
                { "pgfault", offsetof(CgroupStats, memory_pgfault) },
                { "pgmajfault", offsetof(CgroupStats, memory_pgmajfault) },
        };
        CgroupStats s = {
                .cpu_usage_usec = CGROUP_UNKNOWN,
                .memory_inactive_file = CGROUP_UNKNOWN,
                .memory_anon = CGROUP_UNKNOWN,
                .memory_pgfault = CGROUP_UNKNOWN,
                .memory_pgmajfault = CGROUP_UNKNOWN,
        };

        read_keys(fd, "cpu.stat", cpu, ELEMENTSOF(cpu), &s);
        read_keys(fd, "memory.stat", memory, ELEMENTSOF(memory), &s);
        s.memory_current = read_number(fd, "memory.current");
        s.memory_max = read_number(fd, "memory.max");
        s.swap_current = read_number(fd, "memory.swap.current");
        s.swap_max = read_number(fd, "memory.swap.max");
        s.pids_current = read_number(fd, "pids.current");
        read_pressure(fd, "cpu.pressure", &s.cpu_pressure);
        read_pressure(fd, "memory.pressure", &s.memory_pressure);
        read_pressure(fd, "io.pressure", &s.io_pressure);
        *ret = s;
        return 0;
}

int cgroup_read_stats(const char *path, CgroupStats *ret) {
        _cleanup_close_ int fd = cgroup_open(path);

        return fd < 0 ? fd : cgroup_read_stats_at(fd, ret);
}
