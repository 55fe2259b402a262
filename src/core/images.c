/* SPDX-License-Identifier: Apache-2.0 */
#include "core/images.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pull-unit.h"
#include "event/child.h"
#include "format/reference.h"
#include "unit/systemd.h"

#define CLEAN_TIMEOUT_USEC (10 * USEC_PER_MINUTE)
#define CLEAN_STDERR_MAX (4 * KIB)
#define REMOVE_TIMEOUT_USEC (1 * USEC_PER_MINUTE)
#define UNIT_ID_SIZE 12
/* Trees for one run of the cleaner. */
#define CLEAN_TREES_MAX 64
/* Between attempts to repair a store that others hold. */
#define REPAIR_USEC (1 * USEC_PER_SEC)

struct ImagePullWaiter {
        ImagePull *pull;
        ImagePullDone on_done;
        void *userdata;
        ImagePullWaiter *next, *previous;
};

struct ImagePull {
        Images *images;
        char *key;
        char *unit;
        char *image; /* completed name */
        PullClient *client;
        SystemdCall *call;
        ImagePullWaiter *waiters;
        Error unit_error;
};

typedef struct ImageRemoval {
        Images *images;
        Operation operation;
        char *name;
} ImageRemoval;

struct Images {
        Manager *manager;
        Hashmap *pulls; /* k: key, v: ImagePull, owned */
        Child *cleaner;
        bool clean_again;
        sd_event_source *repair_timer;
};

static void images_on_cleaned(Child *child, const ChildResult *result, void *userdata) {
        Images *i = userdata;
        _cleanup_error_ Error error = ERROR_INIT;

        bool again = i->clean_again;

        if (child_result_check(result, "removal of layers", &error) < 0)
                log_warning("%s, trying again with the next one", error_get_text(&error, 0));
        else
                again = true; /* for the rest, and to leave the place as it was */
        i->cleaner = child_free(child);
        if (again)
                images_clean(i);
}

/* Only what nobody holds: pulls, ours and of others, have their places beside it. */
void images_clean(Images *i) {
        _cleanup_strv_ char **argv = NULL;
        _cleanup_error_ Error error = ERROR_INIT;
        static const char *const command[] = { "/usr/bin/rm", "-rf", "--one-file-system", "--", NULL };
        size_t n_command = ELEMENTSOF(command) - 1, max = n_command + CLEAN_TREES_MAX;
        int r;

        i->clean_again = i->cleaner;
        if (i->cleaner)
                return;
        r = strv_extend_strv(&argv, (char *const *) command);
        if (r >= 0)
                r = store_find_garbage(i->manager->store, max, &argv);
        if (r >= 0 && strv_length(argv) > n_command) {
                i->clean_again = strv_length(argv) >= max;
                r = child_start(i->manager->event,
                                &(ChildSpec){ .argv = (const char *const *) argv,
                                              .stderr_max_bytes = CLEAN_STDERR_MAX,
                                              .timeout_usec = CLEAN_TIMEOUT_USEC },
                                images_on_cleaned,
                                i,
                                &i->cleaner,
                                &error);
        }
        if (r < 0)
                log_warning("%s, trees of removed layers stay until the next removal",
                            error_get_text(&error, r));
}

static int images_on_repair_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        images_repair(userdata);
        return 0;
}

void images_repair(Images *i) {
        _cleanup_strv_ char **alive = NULL;
        _cleanup_error_ Error error = ERROR_INIT;
        Container *c;
        int r = 0;

        i->repair_timer = sd_event_source_disable_unref(i->repair_timer);
        HASHMAP_FOREACH(c, i->manager->containers)
                if (r >= 0)
                        r = strv_extend(&alive, c->id);
        if (r >= 0)
                r = store_repair(i->manager->store, alive, &error);
        if (r == -EAGAIN)
                r = sd_event_add_time_relative(
                                i->manager->event,
                                &i->repair_timer,
                                CLOCK_MONOTONIC,
                                REPAIR_USEC,
                                REPAIR_USEC / 10,
                                images_on_repair_timer,
                                i);
        if (r < 0)
                log_warning("image store: %s, its remains stay until the next start",
                            error_get_text(&error, r));
        images_refresh(i);
        images_clean(i);
}

int images_new(Manager *m, Images **ret, Error *error) {
        _cleanup_(images_freep) Images *i = new0(Images, 1);
        int r;

        if (!i)
                return -ENOMEM;
        i->manager = m;
        r = hashmap_new(&i->pulls);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(i);
        return 0;
}

static ImagePull *pull_free(ImagePull *p) {
        ImagePullWaiter *w;

        if (!p)
                return NULL;
        if (p->key && hashmap_get(p->images->pulls, p->key) == p)
                hashmap_remove(p->images->pulls, p->key);
        while ((w = p->waiters))
                (void) images_pull_leave(w);
        p->call = systemd_call_cancel(p->call);
        pull_client_free(p->client);
        error_done(&p->unit_error);
        free(p->key);
        free(p->unit);
        free(p->image);
        free(p);
        return NULL;
}

Images *images_free(Images *i) {
        ImagePull *p;

        if (!i)
                return NULL;
        while ((p = hashmap_first(i->pulls)))
                (void) pull_free(p);
        hashmap_free(i->pulls);
        child_free(i->cleaner);
        sd_event_source_disable_unref(i->repair_timer);
        free(i);
        return NULL;
}

void images_refresh(Images *i) {
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        r = store_refresh(i->manager->store, false, &error);
        if (r < 0 && r != -EAGAIN)
                log_warning("image store: %s, going on with what is known", error_get_text(&error, r));
}

char *image_format_ref(const StoreImage *image) {
        _cleanup_(reference_done) Reference reference = { 0 };
        _cleanup_free_ char *name = NULL;

        if (isempty(image->digest) || !image->names || !*image->names ||
            reference_parse(*image->names, &reference, NULL) < 0)
                return strdup(image->id);
        name = reference_format_name(&reference);
        return name ? str_join(name, "@", image->digest, NULL) : NULL;
}

ImagePullWaiter *images_pull_leave(ImagePullWaiter *w) {
        if (!w)
                return NULL;
        if (w->next)
                w->next->previous = w->previous;
        if (w->previous)
                w->previous->next = w->next;
        else
                w->pull->waiters = w->next;
        free(w);
        return NULL;
}

static void pull_finish(ImagePull *p, int r, const char *image_id, const Error *error) {
        ImagePullWaiter *w;

        hashmap_remove(p->images->pulls, p->key); /* whoever asks from here on wants a new one */
        images_refresh(p->images);
        if (r < 0)
                log_warning("pull of %s: %s", p->image, error_get_text(error, r));
        else
                log_info("pulled %s as %s", p->image, image_id);
        if (r < 0)
                images_clean(p->images); /* it may have been killed over its work */
        while ((w = p->waiters)) {
                ImagePullDone on_done = w->on_done;
                void *userdata = w->userdata;

                (void) images_pull_leave(w);
                on_done(r, image_id, error, userdata);
        }
        (void) pull_free(p);
}

static void pull_on_done(int r, const char *image_id, const Error *error, void *userdata) {
        ImagePull *p = userdata;

        if (r == -ECONNRESET && error_is_set(&p->unit_error))
                error = &p->unit_error;
        pull_finish(p, r, image_id, error);
}

static void pull_on_unit(int r, const Error *error, void *userdata) {
        ImagePull *p = userdata;

        p->call = NULL;
        if (r < 0) {
                _cleanup_error_ Error copy = ERROR_INIT;

                error_copy(&copy, error);
                pull_finish(p, r, NULL, &copy);
        }
}

static int pull_begin(ImagePull *p, const ImageAuth *auth, Error *error) {
        Manager *m = p->images->manager;
        int fds[2];
        int r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "socketpair: %s", STRERROR(errno));
        r =
                        pull_unit_start(m,
                                        &(PullUnit){ .name = p->unit,
                                                     .image = p->image,
                                                     .fd = fds[1],
                                                     .on_done = pull_on_unit,
                                                     .userdata = p },
                                        &p->call,
                                        error);
        close_fd(fds[1]);
        if (r < 0) {
                close_fd(fds[0]);
                return r;
        }
        return pull_client_new(
                        m->event,
                        fds[0],
                        &(PullRequest){
                                        .image = p->image,
                                        .root = m->config->root,
                                        .runroot = m->config->runroot,
                                        .username = auth->username,
                                        .password = auth->password,
                                        .identity_token = auth->identity_token,
                                        .registry_token = auth->registry_token,
                                        .auth_file = m->config->global_auth_file,
                                        .signature_policy = m->config->signature_policy,
                                        .insecure_registries = m->config->insecure_registries,
                        },
                        pull_on_done,
                        NULL,
                        p,
                        &p->client,
                        error);
}

static int pull_new(Images *i, char *key, char *image, ImagePull **ret, Error *error) {
        _cleanup_free_ char *owned_key = key, *owned_image = image;
        ImagePull *p;
        Id id;
        int r;

        if (hashmap_size(i->pulls) >= PULLS_MAX)
                return error_set(
                                error,
                                -EBUSY,
                                STATUS_RESOURCE_EXHAUSTED,
                                "%d pulls run already",
                                PULLS_MAX);
        r = id_generate(&id);
        if (r < 0)
                return r;
        p = new0(ImagePull, 1);
        if (!p)
                return -ENOMEM;
        *p = (ImagePull){ .images = i, .key = TAKE_PTR(owned_key), .image = TAKE_PTR(owned_image) };
        r = asprintf(&p->unit, "crio-pull-%.*s.service", UNIT_ID_SIZE, id.text);
        if (r < 0)
                p->unit = NULL;
        r = r < 0 ? -ENOMEM : hashmap_put(i->pulls, p->key, p);
        if (r < 0) {
                (void) pull_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

static int pull_join(ImagePull *p, ImagePullDone on_done, void *userdata, ImagePullWaiter **ret) {
        ImagePullWaiter *w = new0(ImagePullWaiter, 1);

        if (!w)
                return -ENOMEM;
        *w = (ImagePullWaiter){ .pull = p, .on_done = on_done, .userdata = userdata, .next = p->waiters };
        if (w->next)
                w->next->previous = w;
        p->waiters = w;
        *ret = w;
        return 0;
}

int images_pull(Images *i,
                const char *name,
                const ImageAuth *auth,
                ImagePullDone on_done,
                void *userdata,
                ImagePullWaiter **ret,
                Error *error) {
        _cleanup_(reference_done) Reference reference = { 0 };
        _cleanup_free_ char *image = NULL, *key = NULL;
        ImagePull *p;
        int r;

        r = reference_parse(name, &reference, error);
        if (r < 0)
                return r;
        image = reference_format(&reference);
        key = image ? str_join(image,
                               "\n",
                               strempty(auth->username),
                               "\n",
                               strempty(auth->password),
                               "\n",
                               strempty(auth->identity_token),
                               "\n",
                               strempty(auth->registry_token),
                               NULL) :
                      NULL;
        if (!key)
                return -ENOMEM;
        p = hashmap_get(i->pulls, key);
        if (p)
                return pull_join(p, on_done, userdata, ret);

        r = pull_new(i, TAKE_PTR(key), TAKE_PTR(image), &p, error);
        if (r < 0)
                return r;
        r = pull_join(p, on_done, userdata, ret);
        if (r >= 0)
                r = pull_begin(p, auth, error);
        if (r < 0)
                (void) pull_free(p);
        return r;
}

static int removal_step_store(Operation *op) {
        ImageRemoval *x = container_of(op, ImageRemoval, operation);
        Store *store = x->images->manager->store;
        _cleanup_error_ Error error = ERROR_INIT;
        const StoreImage *image;
        int r;

        images_refresh(x->images);
        image = store_find_image(store, x->name);
        if (!image)
                return STEP_DONE;
        _cleanup_free_ char *id = strdup(image->id);

        r = id ? store_remove_image(store, id, false, &error) : -ENOMEM;
        if (r == -EAGAIN)
                return STEP_AGAIN;
        error_move(&op->error, &error);
        images_clean(x->images);
        return r < 0 ? r : STEP_DONE;
}

static const OperationStep removal_steps[] = {
        { "store", removal_step_store, NULL },
        {},
};

static void removal_on_done(Operation *op, int r) {
        ImageRemoval *x = container_of(op, ImageRemoval, operation);

        free(x->name);
        operation_done(op);
        free(x);
}

int images_remove(Images *i, const char *name, OperationWaiter *w, Error *error) {
        ImageRemoval *x = new0(ImageRemoval, 1);
        int r;

        if (!x)
                return -ENOMEM;
        *x = (ImageRemoval){ .images = i, .name = strdup(name) };
        r = x->name ? operation_start(&x->operation,
                                      "remove image",
                                      i->manager->event,
                                      removal_steps,
                                      REMOVE_TIMEOUT_USEC,
                                      removal_on_done) :
                      -ENOMEM;
        if (r < 0) {
                free(x->name);
                free(x);
                return r;
        }
        operation_join(&x->operation, w);
        return 0;
}
