/* SPDX-License-Identifier: Apache-2.0 */

/*
 * crio: the service. Takes the socket that systemd passes, finds out what its predecessor left, serves.
 */

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "cli/cli.h"
#include "core/manager.h"
#include "cri/service.h"
#include "daemon/inspect.h"
#include "grpc/server.h"

#define LISTEN_BACKLOG 4096
/* How long calls that run may still take when we are asked to end. */
#define DRAIN_TIMEOUT_USEC (10 * USEC_PER_SEC)
/* Blocks from here on go back to the kernel when they are freed; without a limit that is said, the one of
 * malloc grows with the largest message. */
#define LARGE_BLOCK (256 * KIB)
/* Each keeps a configuration of a few KiB. */
#define RELOADS_MAX 4096
#define DRAIN_LOOK_USEC (20 * USEC_PER_MSEC)

typedef struct Daemon {
        sd_event *event;
        const Cli *cli;
        Config *config;
        Config **replaced; /* of reloads */
        size_t n_replaced;
        Manager *manager;
        GrpcServer *server;
        sd_event_source *drain_timer;
        uint64_t drain_deadline_usec;
        int listen_fd;
} Daemon;

static void daemon_done(Daemon *d) {
        d->drain_timer = sd_event_source_disable_unref(d->drain_timer);
        grpc_server_free(d->server);
        manager_free(d->manager);
        config_free(d->config);
        for (size_t i = 0; i < d->n_replaced; i++)
                config_free(d->replaced[i]);
        free(d->replaced);
        close_fd(d->listen_fd);
        sd_event_unref(d->event);
}

/* A socket of our own, for a person who starts us by hand. */
static int listen_on(const char *path, Error *error) {
        union {
                struct sockaddr sa;
                struct sockaddr_un un;
        } address = { .un.sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;
        int r;

        path = startswith(path, "unix://") ?: path;
        if (strlen(path) >= sizeof(address.un.sun_path))
                return error_set(
                                error,
                                -ENAMETOOLONG,
                                STATUS_INVALID_ARGUMENT,
                                "listen: %s is too long",
                                path);
        memcpy(address.un.sun_path, path, strlen(path) + 1);
        r = mkdir_parents_at(AT_FDCWD, path, 0755);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "listen on %s: %s", path, STRERROR(r));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && (connect(fd, &address.sa, sizeof(address.un)) >= 0 || errno == EAGAIN))
                return error_set(
                                error,
                                -EADDRINUSE,
                                STATUS_FAILED_PRECONDITION,
                                "already existing connection on %s: another crio or crio.socket listens there",
                                path);
        if (fd < 0 || (unlink(path) < 0 && errno != ENOENT) ||
            bind(fd, &address.sa, sizeof(address.un)) < 0 || chmod(path, 0660) < 0 ||
            listen(fd, LISTEN_BACKLOG) < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "listen on %s: %s", path, STRERROR(errno));
        return TAKE_FD(fd);
}

static int open_socket(const Config *config, Error *error) {
        int n = sd_listen_fds(/* unset_environment= */ 1), r;

        if (n < 0)
                return error_set(error, n, STATUS_INTERNAL, "sockets of systemd: %s", STRERROR(n));
        if (n == 0)
                return listen_on(config->listen, error);
        r = sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_STREAM, 1);
        if (n > 1 || r <= 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "systemd passed %d descriptors, expected one listening stream socket",
                                n);
        r = fd_set_nonblock(SD_LISTEN_FDS_START, true);
        return r < 0 ? r : SD_LISTEN_FDS_START;
}

static int on_drain_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Daemon *d = userdata;
        int r;

        if (!d->server || grpc_server_is_drained(d->server) || usec >= d->drain_deadline_usec)
                return sd_event_exit(d->event, 0);
        r = sd_event_source_set_time(source, usec + DRAIN_LOOK_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return r;
}

/* No new calls; those that run are answered. Containers go on. */
static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;
        uint64_t now;
        int r;

        if (d->drain_timer)
                return 0;
        log_info("ending, containers go on");
        (void) sd_notify(/* unset_environment= */ 0, "STOPPING=1"); /* nobody may listen */
        if (d->server)
                grpc_server_drain(d->server);
        r = sd_event_now(d->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return sd_event_exit(d->event, 0);
        d->drain_deadline_usec = now + DRAIN_TIMEOUT_USEC;
        r = sd_event_add_time(d->event, &d->drain_timer, CLOCK_MONOTONIC, now, 0, on_drain_timer, d);
        return r < 0 ? sd_event_exit(d->event, 0) : 0;
}

static int reload(Daemon *d, Error *error) {
        _cleanup_(config_freep) Config *fresh = NULL;
        Config **kept;
        int r;

        r = cli_load_files(d->cli, &fresh, error);
        if (r >= 0)
                r = config_check(fresh, error);
        if (r < 0)
                return r;
        kept = reallocarray(d->replaced, d->n_replaced + 1, sizeof(*kept));
        if (!kept)
                return -ENOMEM;
        d->replaced = kept;
        r = config_take_reloadable(d->config, fresh);
        kept[d->n_replaced++] = TAKE_PTR(fresh); /* pods may refer to its handlers */
        log_set_level(log_level_from_string(d->config->log_level));
        return r;
}

/* systemctl reload. Options and environment are not looked at again, as CRI-O has it. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        _cleanup_error_ Error error = ERROR_INIT;
        Daemon *d = userdata;
        int r;

        r = d->n_replaced < RELOADS_MAX ? reload(d, &error) :
                                          error_set(&error,
                                                    -ENOBUFS,
                                                    STATUS_RESOURCE_EXHAUSTED,
                                                    "reloaded %d times, restart crio",
                                                    RELOADS_MAX);
        if (r < 0)
                log_error("Unable to reload configuration: %s", error_get_text(&error, r));
        else
                log_info("Configuration reload completed");
        return 0;
}

/* A goroutine dump or a garbage collection in CRI-O; here they must only not end us. */
static int on_ignored(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        return 0;
}

static int add_signals(Daemon *d) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } handlers[] = { { SIGTERM, on_terminate },
                         { SIGINT, on_terminate },
                         { SIGHUP, on_reload },
                         { SIGUSR1, on_ignored },
                         { SIGUSR2, on_ignored } };
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        FOREACH_ELEMENT(h, handlers)
                sigaddset(&set, h->number);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        FOREACH_ELEMENT(h, handlers) {
                int r = sd_event_add_signal(d->event, NULL, h->number, h->handler, d);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* All that was found is in memory: from here on questions can be answered. */
static void on_started(Manager *m, int r, const Error *error, void *userdata) {
        Daemon *d = userdata;
        const GrpcServerOptions options = {
                .methods = cri_methods,
                .userdata = m,
                .http1 = inspect_handle,
                .message_max = MIN(d->config->grpc_max_recv_msg_size, (uint64_t) GRPC_MESSAGE_MAX),
        };

        if (r >= 0)
                r = grpc_server_new(d->event, TAKE_FD(d->listen_fd), &options, &d->server);
        if (r < 0) {
                log_error("start: %s", error_get_text(error, r));
                (void) sd_event_exit(d->event, r);
                return;
        }
        (void) sd_notify(/* unset_environment= */ 0, "READY=1"); /* nobody may listen */
        log_info("crio %s serves", CRIO_VERSION);
}

static int daemon_start(Daemon *d, Error *error) {
        int r;

        r = sd_event_default(&d->event);
        if (r >= 0)
                r = add_signals(d);
        if (r >= 0)
                r = sd_event_set_watchdog(d->event, true);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "event loop: %s", STRERROR(r));
        d->listen_fd = open_socket(d->config, error);
        if (d->listen_fd < 0)
                return d->listen_fd;
        r = manager_new(d->event, d->config, &d->manager, error);
        return r < 0 ? r : manager_start(d->manager, on_started, d, error);
}

static int log_ignored(const Config *c) {
        _cleanup_free_ char *known = NULL, *unknown = NULL;
        int r;

        r = config_format_ignored(c, true, &known);
        if (r >= 0)
                r = config_format_ignored(c, false, &unknown);
        if (r < 0)
                return r;
        if (!isempty(known))
                log_notice("crio.conf: without effect in this version, ignoring: %s", known);
        if (!isempty(unknown))
                log_warning("crio.conf: unknown keys, ignoring: %s", unknown);
        return 0;
}

static int run_daemon(const Cli *cli, Error *error) {
        _cleanup_(daemon_done) Daemon d = { .listen_fd = -EBADF, .cli = cli };
        int r, level;

        r = cli_load_config(cli, &d.config, error);
        if (r >= 0)
                r = config_check(d.config, error);
        if (r < 0)
                return r;
        level = log_level_from_string(d.config->log_level);
        if (level >= 0)
                log_set_level(level);
        r = log_ignored(d.config);
        if (r < 0)
                return r;
        r = daemon_start(&d, error);
        return r < 0 ? r : sd_event_loop(d.event);
}

int main(int argc, char **argv) {
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_(cli_done) Cli cli = { 0 };
        int r;

        log_open();
        fault_init();
        (void) umask(0022);
        (void) mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK); /* only costs memory otherwise */
        r = cli_parse(argc, argv, &cli, &error);
        if (r >= 0)
                r = cli.command == CLI_DAEMON ? run_daemon(&cli, &error) : cli_run(&cli, &error);
        if (r < 0) {
                log_error("%s", error_get_text(&error, r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
