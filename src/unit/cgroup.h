/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Cgroup: the control groups of units, read and killed through /sys/fs/cgroup.
 *
 * Version 2 only. Small bounded reads and writes that the kernel answers at once. Sources: cgroup-v2.rst of
 * the kernel; systemd.slice(5) for names.
 */

#include "basic/error.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* "/a.slice/a-b.slice" from "a-b.slice"; "" from "-.slice". -EINVAL for anything else than a slice name. */
int cgroup_path_from_slice(const char *slice, char **ret);

/* Path below CGROUP_ROOT of a unit in a slice. */
int cgroup_path_from_unit(const char *slice, const char *unit, char **ret);

/* Descriptor of the directory (O_PATH), or negative errno. */
int cgroup_open(const char *path);

/* Control group of a process; owned by the caller. 0 or negative errno (-ENOENT: no such process). */
int cgroup_path_from_pid(pid_t pid, char **ret);

/* Whether PID 1's tree is version 2. */
bool cgroup_is_unified(void);

/* Names of the controllers that units of this node can have; owned by the caller. 0 or negative errno. */
int cgroup_read_controllers(char ***ret);

/* SIGKILL to everything in it and below. 0 also when it is gone. */
int cgroup_kill(const char *path);

/* Value of a key in a file of "key value" lines. -ENOENT: no such file or key. */
int cgroup_read_key(const char *path, const char *file, const char *key, uint64_t *ret);

/* Pressure stall information of one resource; percent and µs, as the kernel has them. */
typedef struct CgroupPressure {
        bool known;
        double some_avg[3], full_avg[3]; /* over 10, 60 and 300 s */
        uint64_t some_total_usec, full_total_usec;
} CgroupPressure;

#define CGROUP_UNKNOWN UINT64_MAX /* the controller or the file is not there */
#define CGROUP_NO_LIMIT (UINT64_MAX - 1)

/* What a control group uses, in the words of cgroup-v2.rst. */
typedef struct CgroupStats {
        uint64_t cpu_usage_usec;
        uint64_t memory_current, memory_max, memory_inactive_file, memory_anon, memory_pgfault,
                        memory_pgmajfault;
        uint64_t swap_current, swap_max;
        uint64_t pids_current;
        CgroupPressure cpu_pressure, memory_pressure, io_pressure;
} CgroupStats;

/* 0; -ENOENT when the group is gone. */
int cgroup_read_stats(const char *path, CgroupStats *ret);

/* The same of an open directory. What is not there is CGROUP_UNKNOWN. 0. */
int cgroup_read_stats_at(int fd, CgroupStats *ret);
