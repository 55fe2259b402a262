/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CreateContainer. As in pod-run.c, the outer operation takes back what the inner one could not finish, by
 * removing the container.
 */

#include <fcntl.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/number.h"
#include "basic/path.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/config-check.h"
#include "core/container-check.h"
#include "core/container-log.h"
#include "core/container-spec.h"
#include "core/container.h"
#include "core/images.h"
#include "core/manager.h"
#include "core/mount-sources.h"
#include "core/pod.h"
#include "core/runtime.h"
#include "image/store.h"
#include "oci/annotation.h"
#include "peer/iod.h"
#include "unit/cgroup.h"
#include "unit/unit-spec.h"

#define PIDFILE_MAX 32

struct ContainerCreate {
        Manager *manager;
        Container *container; /* NULL once it is being removed again */
        Operation operation, make;
        OperationWaiter removal;
        SystemdCall *call;
        IodCall *iod;
        int stdio[3];
        bool cancelled;
        int result;
        Error error;
};

static void close_stdio(ContainerCreate *x) {
        for (size_t i = 0; i < ELEMENTSOF(x->stdio); i++)
                x->stdio[i] = close_fd(x->stdio[i]);
}

ContainerCreate *container_create_free(ContainerCreate *x) {
        if (!x)
                return NULL;

        x->call = systemd_call_cancel(x->call);
        x->iod = iod_call_cancel(x->iod);
        close_stdio(x);
        operation_leave(&x->removal);
        operation_done(&x->make);
        operation_done(&x->operation);
        error_done(&x->error);
        free(x);
        return NULL;
}

static int make_step_image(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);
        Container *c = x->container;
        const StoreImage *image;
        int r;

        images_refresh(x->manager->images);
        image = store_find_image(x->manager->store, c->config.image);
        if (!image)
                return error_set(
                                &op->error,
                                -ENOENT,
                                STATUS_NOT_FOUND,
                                "image %.300s is not in the store, pull it first",
                                c->config.image);
        r = mount_sources_check(&c->config, &op->error);
        if (r < 0)
                return r;
        c->image_id = strdup(image->id);
        c->image_ref = image_format_ref(image);
        if (!c->image_id || !c->image_ref ||
            str_replace(&c->image_stop_signal, image->config.stop_signal) < 0)
                return -ENOMEM;
        return container_write_spec(c, image, &op->error);
}

static int make_step_layer(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);
        Container *c = x->container;
        _cleanup_free_ char *metadata = NULL;
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_json_ json_t *json =
                        json_pack("{s:s, s:s, s:s, s:s, s:s}",
                                  "pod-name",
                                  c->pod->config.name,
                                  "pod-id",
                                  c->pod->id,
                                  "image-name",
                                  c->config.image,
                                  "image-id",
                                  c->image_id,
                                  "metadata-name",
                                  c->config.name);
        int r;

        metadata = json ? json_dumps(json, JSON_COMPACT) : NULL;
        if (!metadata)
                return -ENOMEM;
        r = store_create_container(
                        x->manager->store,
                        &(StoreNewContainer){ .id = c->id,
                                              .name = c->id,
                                              .image_id = c->image_id,
                                              .metadata = metadata },
                        false,
                        &error);
        if (r == -EAGAIN)
                return STEP_AGAIN;
        error_move(&op->error, &error);
        return r < 0 ? r : STEP_DONE;
}

static void stdio_on_open(int r, const int *fds, const Error *error, void *userdata) {
        ContainerCreate *x = userdata;

        x->iod = NULL;
        if (r >= 0)
                memcpy(x->stdio, fds, sizeof(x->stdio));
        else
                error_copy(&x->make.error, error);
        operation_resume(&x->make, r);
}

static int make_step_stdio(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);
        _cleanup_(container_log_done) ContainerLog log = CONTAINER_LOG_INIT;
        const Config *config = x->manager->config;
        _cleanup_strv_ char **fields = NULL;
        Container *c = x->container;
        int r;

        r = container_log_open(c, true, &log, &op->error);
        if (r >= 0)
                r = container_log_format_line_fields(c, &fields);
        if (r < 0)
                return r;
        r = iod_open(x->manager->iod,
                     &(IodOpen){ .id = c->id,
                                 .log_fd = log.fd,
                                 .log_dir_fd = log.dir_fd,
                                 .log_name = log.name,
                                 .stdin_open = c->config.stdin_open,
                                 .journal = config->log_to_journald,
                                 .log_size_max = config->log_size_max,
                                 .fields = (const char *const *) fields },
                     stdio_on_open,
                     x,
                     &x->iod,
                     &op->error);
        return r < 0 ? r : STEP_WAIT;
}

static void make_undo_stdio(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);

        x->iod = iod_call_cancel(x->iod);
        close_stdio(x);
}

/* Why the runtime refused, in its own words where it has any, with our hint where those say little. */
static int explain_failure(ContainerCreate *x, int r, const Error *error) {
        const Container *c = x->container;
        _cleanup_free_ char *message = runtime_take_error(c);

        for (size_t i = 0; i < c->config.n_mounts; i++)
                if (access(c->config.mounts[i].host_path, F_OK) < 0)
                        return error_set(
                                        &x->make.error,
                                        r,
                                        STATUS_INVALID_ARGUMENT,
                                        "mount source %.300s: %s",
                                        c->config.mounts[i].host_path,
                                        STRERROR(errno));
        if (message)
                return error_set(&x->make.error, r, STATUS_INTERNAL, "OCI runtime create: %s", message);
        error_copy(&x->make.error, error);
        return r;
}

static void unit_on_started(int r, const Error *error, void *userdata) {
        ContainerCreate *x = userdata;

        x->call = NULL;
        close_stdio(x);
        if (r < 0)
                r = explain_failure(x, r, error);
        operation_resume(&x->make, r);
}

/* Command line of the service: crio-launch and behind it the runtime's create. */
static int unit_format_command(const Container *c, char ***ret, Error *error) {
        _cleanup_strv_ char **argv = NULL, **runtime = NULL;
        _cleanup_free_ char *options = NULL, *directory = NULL, *bundle = container_get_directory(c, NULL),
                            *pid_file = container_get_directory(c, "pidfile"),
                            *log = container_get_directory(c, "runtime.log");
        int r;

        if (!bundle || !pid_file || !log)
                return -ENOMEM;
        r = store_mount_options(c->manager->store, c->id, &options, &directory, error);
        if (r >= 0)
                r = runtime_format_command(c, "create", &runtime);
        if (r < 0)
                return r;
        const char *const head[] = { CRIO_LIBEXECDIR "/crio-launch", log, directory, options };

        for (size_t i = 0; i < ELEMENTSOF(head) && r >= 0; i++)
                r = strv_extend(&argv, head[i]);
        if (r >= 0)
                r = strv_extend_strv(&argv, runtime);
        if (r >= 0)
                r = strv_extendf(&argv, "--bundle=%s", bundle);
        if (r >= 0)
                r = strv_extendf(&argv, "--pid-file=%s", pid_file);
        if (r >= 0 && c->manager->config->no_pivot)
                r = strv_extend(&argv, "--no-pivot");
        if (r >= 0)
                r = strv_extend(&argv, c->id);
        if (r >= 0)
                *ret = TAKE_PTR(argv);
        return r;
}

static int make_step_unit(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);
        Container *c = x->container;
        _cleanup_strv_ char **argv = NULL, **fields = NULL;
        _cleanup_free_ char *unit = container_get_service(c), *description = NULL,
                            *pid_file = container_get_directory(c, "pidfile"),
                            *pause = pod_get_pause_unit(c->pod);
        /* At shutdown containers end as they are told to, before the first process of their namespace, and
         * what they say then gets into their logs. */
        const char *const after[] = { "crio-iod.service", pod_has_pause(c->pod) ? pause : NULL, NULL };
        UnitSpec spec = UNIT_SPEC_INIT;
        int r;

        if (!unit || !pid_file || !pause ||
            asprintf(&description,
                     "%s in %s/%s",
                     c->config.name,
                     c->pod->config.namespace,
                     c->pod->config.name) < 0)
                return -ENOMEM;
        r = unit_format_command(c, &argv, &op->error);
        if (r >= 0)
                r = container_log_format_fields(c, &fields);
        if (r >= 0)
                r = container_watch(c, &op->error);
        if (r < 0)
                return r;
        spec.description = description;
        spec.type = "forking";
        spec.pid_file = pid_file;
        spec.remain_after_exit = 1;
        spec.exec_start = (const char *const *) argv;
        spec.stdin_fd = x->stdio[0];
        spec.stdout_fd = x->stdio[1];
        spec.stderr_fd = x->stdio[2];
        spec.after = after;
        spec.kill_mode = "mixed";
        spec.log_extra_fields = (const char *const *) fields;
        r = systemd_start_unit(x->manager->systemd, unit, &spec, unit_on_started, x, &x->call, &op->error);
        return systemd_step(r, &op->error);
}

static void make_undo_call(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);

        x->call = systemd_call_cancel(x->call);
}

int container_read_pid(Container *c) {
        _cleanup_free_ char *path = container_get_directory(c, "pidfile"), *text = NULL;
        uint64_t pid;
        int r;

        r = path ? read_file_at(AT_FDCWD, path, PIDFILE_MAX, &text, NULL) : -ENOMEM;
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = '\0';
        r = parse_u64(text, INT32_MAX, &pid);
        if (r < 0)
                return r;
        c->pid = (int) pid;
        free(c->process_cgroup);
        c->process_cgroup = NULL;
        (void) cgroup_path_from_pid(c->pid, &c->process_cgroup); /* it ended: nothing runs in it any more */
        return 0;
}

static int make_step_publish(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);
        Container *c = x->container;
        int r;

        r = container_read_pid(c);
        if (r < 0)
                return error_set(
                                &op->error,
                                r,
                                STATUS_INTERNAL,
                                "the runtime left no process id: %s",
                                STRERROR(r));
        (void) container_open_process(c); /* it may have ended: its unit tells */
        /* Only for the journal's "unit of"; nobody waits for it. */
        (void) iod_set_pid(x->manager->iod, c->id, c->pid, NULL, NULL, NULL, NULL);
        c->created_at_nsec = now_realtime_nsec();
        c->state = CONTAINER_CREATED;
        r = container_save(c, &op->error);
        if (r < 0)
                c->state = CONTAINER_CREATING;
        return r;
}

static const OperationStep make_steps[] = {
        { "image", make_step_image, NULL },
        { "layer", make_step_layer, NULL },
        { "stdio", make_step_stdio, make_undo_stdio },
        { "unit", make_step_unit, make_undo_call },
        { "publish", make_step_publish, NULL },
        {},
};

static void make_on_done(Operation *op, int r) {
        ContainerCreate *x = container_of(op, ContainerCreate, make);

        x->result = r;
        error_move(&x->error, &op->error);
        operation_resume(&x->operation, 0);
}

int container_create_cancel(Container *c, OperationWaiter *w) {
        ContainerCreate *x = c->create;

        if (!x)
                return 1;
        x->cancelled = true;
        if (!operation_is_running(&x->make))
                return 1;
        (void) error_set(
                        &x->make.error,
                        -ECANCELED,
                        STATUS_CANCELLED,
                        "container %s was removed meanwhile",
                        c->id);
        operation_cancel(&x->make, -ECANCELED);
        operation_join(&x->make, w);
        return 0;
}

static int create_step_make(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, operation);
        int r;

        if (x->cancelled) {
                x->result =
                                error_set(&x->error,
                                          -ECANCELED,
                                          STATUS_CANCELLED,
                                          "container was removed meanwhile");
                return STEP_DONE;
        }
        r =
                        operation_start(&x->make,
                                        "make container",
                                        x->manager->event,
                                        make_steps,
                                        CONTAINER_TIMEOUT_USEC,
                                        make_on_done);
        if (r >= 0)
                return STEP_WAIT;
        x->result = r;
        return STEP_DONE; /* the next step takes back what there is */
}

static void removal_on_done(OperationWaiter *w, int r, const Error *error) {
        ContainerCreate *x = container_of(w, ContainerCreate, removal);

        if (r < 0)
                log_warning("a container that could not be created is not gone yet: %s, trying again when it "
                            "is removed",
                            error_get_text(error, r));
        error_move(&x->operation.error, &x->error);
        operation_resume(&x->operation, x->result);
}

static int create_step_settle(Operation *op) {
        ContainerCreate *x = container_of(op, ContainerCreate, operation);
        Container *c = x->container;
        int r;

        x->container = NULL; /* from here on the container and this go separate ways */
        c->create = NULL;
        if (x->result >= 0) {
                log_info("container %s: %s of %s/%s is created",
                         c->id,
                         c->config.name,
                         c->pod->config.namespace,
                         c->pod->config.name);
                return STEP_DONE;
        }
        x->removal.on_done = removal_on_done;
        r = container_remove(c, &x->removal, NULL);
        if (r < 0) {
                error_move(&op->error, &x->error);
                return x->result;
        }
        return STEP_WAIT;
}

static const OperationStep create_steps[] = {
        { "make", create_step_make, NULL },
        { "settle", create_step_settle, NULL },
        {},
};

static void create_on_done(Operation *op, int r) {
        ContainerCreate *x = container_of(op, ContainerCreate, operation);

        if (x->container) { /* it was stopped before it could take back anything */
                x->container->create = NULL;
                x->container->state = CONTAINER_CREATING; /* nobody was told of it */
                if (container_remove(x->container, NULL, NULL) < 0)
                        log_warning("a container that was not created stays until the next start of crio");
        }
        (void) container_create_free(x);
}

static ContainerCreate *find_running(const Pod *p, const ContainerConfig *config) {
        Container *c;

        HASHMAP_FOREACH(c, p->manager->containers)
                if (c->pod == p && c->create && c->config.attempt == config->attempt &&
                    streq_null(c->config.name, config->name))
                        return c->create;
        return NULL;
}

static int create_check(const Pod *p, const ContainerConfig *config, Error *error) {
        if (p->state != POD_READY || p->stop || p->remove)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "pod sandbox %s is not ready, run a new one",
                                p->id);
        return container_config_check(config, &p->config, error);
}

/* As in pod-run.c: exactly the one that is asked for, and it can still be of use. */
static Container *find_made(const Pod *p, const ContainerConfig *config) {
        _cleanup_free_ char *name = container_format_reservation(p, config);
        Container *c = name ? hashmap_get(p->manager->names, name) : NULL;

        if (!c || (c->state != CONTAINER_CREATED && c->state != CONTAINER_RUNNING) || c->remove)
                return NULL;
        annotations_filter(config->annotations, p->runtime->allowed_annotations); /* as it was kept */
        return json_field_equal(container_config_fields, &c->config, config) ? c : NULL;
}

int container_create(Pod *p, ContainerConfig *config, OperationWaiter *w, Id *ret_id, Error *error) {
        ContainerCreate *x;
        Container *c;
        int r;

        r = create_check(p, config, error);
        if (r >= 0 && isempty(config->user_specified_image))
                r = str_replace(&config->user_specified_image, config->image);
        if (r < 0)
                return r;
        c = find_made(p, config);
        if (c) {
                memcpy(ret_id->text, c->id, sizeof(ret_id->text));
                return 1;
        }
        x = find_running(p, config);
        if (x) {
                memcpy(ret_id->text, x->container->id, sizeof(ret_id->text));
                operation_join(&x->operation, w);
                return 0;
        }

        r = id_generate(ret_id);
        if (r < 0)
                return r;
        r = container_new(p, ret_id->text, config, &c, error);
        if (r < 0)
                return r;
        x = new0(ContainerCreate, 1);
        r = x ? container_save(c, error) : -ENOMEM;
        if (r >= 0) {
                *x = (ContainerCreate){ .manager = p->manager,
                                        .container = c,
                                        .stdio = { -EBADF, -EBADF, -EBADF } };
                r =
                                operation_start(&x->operation,
                                                "create container",
                                                p->manager->event,
                                                create_steps,
                                                USEC_INFINITY,
                                                create_on_done);
        }
        if (r < 0) {
                _cleanup_free_ char *dir = container_get_directory(c, NULL);

                if (dir)
                        (void) rm_rf_at(AT_FDCWD, dir); /* the failure that is reported is the first one */
                free(x);
                container_free(c);
                return r;
        }
        c->create = x;
        operation_join(&x->operation, w);
        return 0;
}
