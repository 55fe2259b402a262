/* SPDX-License-Identifier: Apache-2.0 */

/*
 * crio-pin: makes, pins and unpins the namespaces of pods. See README.md beside this file.
 *
 *   crio-pin init
 *   crio-pin create ID [--net FILE] [--ipc] [--uts HOSTNAME] [--shm BYTES] [--sysctl NAME=VALUE]…
 *   crio-pin remove ID [--net FILE]
 *
 * A failed create leaves nothing behind that remove does not take away.
 */

#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/id.h"
#include "basic/path.h"
#include "basic/str.h"
#include "peer/place.h"

static const char *arg_net, *arg_uts, *arg_shm;
static char **arg_sysctls;
static bool arg_ipc;

static int fail(int r, const char *what, const char *which) {
        (void) fprintf(stderr, "%s %s: %s\n", what, which, STRERROR(r));
        return r;
}

static int bind_file(const char *source, const char *target) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = mkdir_parents_at(AT_FDCWD, target, 0755);
        if (r < 0)
                return r;
        fd = open_at(AT_FDCWD, target, O_RDONLY | O_CREAT | O_EXCL, 0444);
        if (fd < 0)
                return fd;
        return mount(source, target, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int unpin(const char *path) {
        while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) >= 0)
                ;
        if (errno != EINVAL && errno != ENOENT)
                return -errno;
        return rm_rf_at(AT_FDCWD, path);
}

/* The private tmpfs; mounts in it stay where they are made. */
static int init_tmpfs(void) {
        int r;

        r = mkdir_p_at(AT_FDCWD, PRIVATE_DIR, 0700);
        if (r < 0)
                return r;
        if (mount("crio", PRIVATE_DIR, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=16m") < 0 ||
            mount(NULL, PRIVATE_DIR, NULL, MS_PRIVATE, NULL) < 0)
                return -errno;
        r = mkdir_p_at(AT_FDCWD, PRIVATE_ROOTFS, 0700);
        return r < 0 ? r : mkdir_p_at(AT_FDCWD, PRIVATE_PODS, 0700);
}

/* Runs us on one processor; negative: on any. */
static void use_processor(int processor) {
        cpu_set_t set;

        if (processor < 0)
                return;
        CPU_ZERO(&set);
        CPU_SET(processor, &set);
        (void) sched_setaffinity(0, sizeof(set), &set); /* then on any */
}

/* A child holds the new mount namespace while we pin it from outside. */
static int pin_mount_namespace(int processor) {
        char path[sizeof("/proc//ns/mnt") + DECIMAL_MAX], byte;
        int ready[2], done[2], r;
        pid_t pid;

        if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                close_fd(done[1]);
                use_processor(processor);
                if (unshare(CLONE_NEWNS) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(EXIT_FAILURE);
                _exit(read(done[0], &byte, 1) == 0 ?
                                      EXIT_SUCCESS :
                                      EXIT_FAILURE); /* the end of the pipe is all that counts */
        }

        close_fd(ready[1]);
        (void) snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid); /* fits by construction */
        r = read(ready[0], &byte, 1) == 1 ? bind_file(path, PRIVATE_MNT_NS) : -EPERM;
        close_fd(ready[0]);
        close_fd(done[0]);
        close_fd(done[1]);
        (void) waitpid(pid, NULL, 0);
        if (r < 0)
                (void) unlink(PRIVATE_MNT_NS); /* the next try makes it */
        return r;
}

/* The kernel pins a mount namespace only where its number is above that of the namespace we are in.
 * Since 6.18 each processor numbers out of a range of its own, so the one that made our own namespace has to
 * be found. */
static int init_mount_namespace(void) {
        int n = get_nprocs_conf(), r = -EINVAL;

        for (int processor = -1; processor < n && r == -EINVAL; processor++)
                r = pin_mount_namespace(processor);
        return r;
}

static int init(void) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = open_at(AT_FDCWD, PRIVATE_MNT_NS, O_RDONLY, 0);
        if (fd >= 0 && setns(fd, CLONE_NEWNS) >= 0)
                return 0; /* of a daemon before us */

        while (umount2(PRIVATE_DIR, MNT_DETACH | UMOUNT_NOFOLLOW) >= 0)
                ;
        r = init_tmpfs();
        if (r < 0)
                return fail(r, "set up", PRIVATE_DIR);
        r = init_mount_namespace();
        return r < 0 ? fail(r, "pin a mount namespace at", PRIVATE_MNT_NS) : 0;
}

static int enter_private(void) {
        _cleanup_close_ int fd = -EBADF;

        fd = open_at(AT_FDCWD, PRIVATE_MNT_NS, O_RDONLY, 0);
        if (fd < 0)
                return fd;
        return setns(fd, CLONE_NEWNS) < 0 ? -errno : 0;
}

static int loopback_up(void) {
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        _cleanup_close_ int fd = -EBADF;

        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* "net.ipv4.ip_forward=1"; a slash stands for itself, so both spellings of sysctl(8) work. */
static int apply_sysctl(const char *assignment) {
        const char *equals = strchr(assignment, '=');
        _cleanup_free_ char *name = equals ? strndup(assignment, (size_t) (equals - assignment)) : NULL,
                            *path = NULL;

        if (!equals)
                return -EINVAL;
        if (!name)
                return -ENOMEM;
        if (!strchr(name, '/'))
                for (char *p = name; *p; p++)
                        *p = *p == '.' ? '/' : *p;
        path = str_join("/proc/sys/", name, NULL);
        if (!path)
                return -ENOMEM;
        return path_is_safe(path) ? write_string_at(AT_FDCWD, path, equals + 1) : -EINVAL;
}

static int create_namespaces(void) {
        int flags = (arg_net ? CLONE_NEWNET : 0) | (arg_ipc ? CLONE_NEWIPC : 0) |
                        (arg_uts ? CLONE_NEWUTS : 0);
        int r;

        if (flags && unshare(flags) < 0)
                return fail(-errno, "make namespaces", "of the pod");
        if (arg_uts && sethostname(arg_uts, strlen(arg_uts)) < 0)
                return fail(-errno, "set host name", arg_uts);
        r = arg_net ? loopback_up() : 0;
        if (r < 0)
                return fail(r, "set up", "loopback");
        STRV_FOREACH(s, arg_sysctls) {
                r = apply_sysctl(*s);
                if (r < 0) {
                        (void) fail(r, "set sysctl", *s);
                        return -EBADRQC; /* the request's fault, told by the exit code */
                }
        }
        return 0;
}

static int mount_shm(const char *target) {
        _cleanup_free_ char *options = str_join("mode=1777,size=", arg_shm, NULL);
        int r;

        if (!options)
                return -ENOMEM;
        r = mkdir_p_at(AT_FDCWD, target, 01777);
        if (r < 0)
                return r;
        return mount("shm", target, "tmpfs", MS_NOEXEC | MS_NOSUID | MS_NODEV, options) < 0 ? -errno : 0;
}

static int create(const char *id) {
        _cleanup_free_ char *ipc = str_join(PRIVATE_PODS "/", id, "/ipc", NULL),
                            *uts = str_join(PRIVATE_PODS "/", id, "/uts", NULL),
                            *shm = str_join(PRIVATE_PODS "/", id, "/shm", NULL);
        int r;

        if (!ipc || !uts || !shm)
                return -ENOMEM;
        r = create_namespaces();
        if (r < 0)
                return r;
        r = arg_net ? bind_file("/proc/self/ns/net", arg_net) : 0;
        if (r < 0)
                return fail(r, "pin the network namespace at", arg_net);
        r = enter_private();
        if (r < 0)
                return fail(r, "enter", PRIVATE_MNT_NS);
        r = arg_ipc ? bind_file("/proc/self/ns/ipc", ipc) : 0;
        if (r >= 0 && arg_uts)
                r = bind_file("/proc/self/ns/uts", uts);
        if (r < 0)
                return fail(r, "pin namespaces below", PRIVATE_PODS);
        r = arg_shm ? mount_shm(shm) : 0;
        return r < 0 ? fail(r, "mount", shm) : 0;
}

static int remove_pins(const char *id) {
        static const char *const pins[] = { "ipc", "uts", "shm" };
        _cleanup_free_ char *dir = path_join(PRIVATE_PODS, id);
        int r;

        if (!dir)
                return -ENOMEM;
        r = arg_net ? unpin(arg_net) : 0;
        if (r < 0)
                return fail(r, "unpin", arg_net);
        r = enter_private();
        if (r < 0)
                return fail(r, "enter", PRIVATE_MNT_NS);
        FOREACH_ELEMENT(p, pins) {
                _cleanup_free_ char *path = path_join(dir, *p);

                r = path ? unpin(path) : -ENOMEM;
                if (r < 0)
                        return fail(r, "unpin", *p);
        }
        r = rm_rf_at(AT_FDCWD, dir);
        return r < 0 ? fail(r, "remove", dir) : 0;
}

static int parse_options(int argc, char **argv) {
        static const struct option options[] = {
                { "net", required_argument, NULL, 'n' },    { "ipc", no_argument, NULL, 'i' },
                { "uts", required_argument, NULL, 'u' },    { "shm", required_argument, NULL, 's' },
                { "sysctl", required_argument, NULL, 'c' }, {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'n':
                        arg_net = optarg;
                        break;
                case 'i':
                        arg_ipc = true;
                        break;
                case 'u':
                        arg_uts = optarg;
                        break;
                case 's':
                        arg_shm = optarg;
                        break;
                case 'c':
                        if (strv_extend(&arg_sysctls, optarg) < 0)
                                return -ENOMEM;
                        break;
                default:
                        return -EINVAL;
                }
        return argc - optind;
}

int main(int argc, char **argv) {
        int n = parse_options(argc, argv), r = -EINVAL;
        const char *verb = n > 0 ? argv[optind] : "", *id = n > 1 ? argv[optind + 1] : "";

        (void) umask(0); /* modes are said where files are made */
        if (n == 1 && streq(verb, "init"))
                r = init();
        else if (n == 2 && id_is_valid(id) && streq(verb, "create"))
                r = create(id);
        else if (n == 2 && id_is_valid(id) && streq(verb, "remove"))
                r = remove_pins(id);
        else
                (void) fprintf(stderr,
                               "usage: crio-pin init | create ID [OPTION]… | remove ID [--net FILE]\n");
        strv_free(arg_sysctls);
        return r == -EBADRQC ? PIN_EXIT_SYSCTL : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
