/* SPDX-License-Identifier: Apache-2.0 */

/*
 * crio-pull: one pull, in a unit of its own. The only program that reads what registries send.
 *
 * Its request comes over the socket that is its standard input. Layers are unpacked into a staging place of
 * the store, which nobody sees; when all are there they become visible by renames.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "image/store.h"
#include "pull/layer.h"
#include "pull/request.h"
#include "pull/trust.h"

#define WORKERS_MAX 3
#define REPORT_MSEC 1000
#define FAULT_HOLD_USEC 5000
/* Layers that the store had may be removed by others meanwhile. */
#define ATTEMPTS_MAX 3

typedef struct Pull {
        Request request;
        Reference reference;
        Registry *registry;
        Store *store;
        Buffer index, manifest_text, config;
        Digest index_digest, manifest_digest, config_digest;
        Manifest manifest;
        Digest *diff_ids;
        char *created;
        StoreStage stage;
        bool staged;
        char **names; /* of layers in the staging place; "" for those that the store has */
        UnpackResult *unpacked;
        int *compressions;
        uint64_t done_bytes, total_bytes;
        bool present; /* nothing is to be done */
} Pull;

/* What pull_plan() made. */
static void pull_drop_plan(Pull *p) {
        if (p->staged)
                (void) store_unstage(p->store, &p->stage); /* the next start clears what stays */
        p->staged = false;
        for (size_t i = 0; p->unpacked && i < p->manifest.n_layers; i++)
                unpack_result_done(p->unpacked + i);
        free(TAKE_PTR(p->unpacked));
        free(TAKE_PTR(p->compressions));
        for (size_t i = 0; p->names && i < p->manifest.n_layers; i++)
                free(p->names[i]);
        free(TAKE_PTR(p->names));
        p->done_bytes = p->total_bytes = 0;
}

static void pull_done(Pull *p) {
        pull_drop_plan(p);
        free(p->created);
        free(p->diff_ids);
        manifest_done(&p->manifest);
        buffer_done(&p->index);
        buffer_done(&p->manifest_text);
        buffer_done(&p->config);
        registry_free(p->registry);
        store_free(p->store);
        reference_done(&p->reference);
        request_done(&p->request);
}

static int pull_fault(const char *step, const char *moment) {
        int r;

        while ((r = fault_point("pull", step, moment)) == FAULT_HOLD)
                (void) usleep(FAULT_HOLD_USEC); /* a test waits for us to stand still */
        return r;
}

static bool pull_is_wanted(void *userdata) {
        Pull *p = userdata;

        return request_is_wanted(&p->request);
}

static int pull_prepare(Pull *p, Error *error) {
        Request *q = &p->request;
        int r;

        r = reference_parse(q->image, &p->reference, error);
        if (r >= 0)
                r = policy_check(q->signature_policy, &p->reference, error);
        if (r >= 0 && !q->username && !q->identity_token && !q->registry_token)
                r =
                                auth_file_find(q->auth_file,
                                               &p->reference,
                                               &q->username,
                                               &q->password,
                                               &q->identity_token,
                                               error);
        if (r >= 0)
                r = store_open(q->root, q->runroot, &p->store, error);
        if (r < 0)
                return r;
        return registry_new(
                        &(RegistryOptions){
                                        .reference = &p->reference,
                                        .auth = { .username = q->username,
                                                  .password = q->password,
                                                  .identity_token = q->identity_token,
                                                  .registry_token = q->registry_token },
                                        .insecure = registry_is_insecure(
                                                        p->reference.domain,
                                                        q->insecure_registries),
                                        .is_wanted = pull_is_wanted,
                                        .userdata = p,
                        },
                        &p->registry,
                        error);
}

static int to_buffer(const void *data, size_t size, void *userdata) {
        return buffer_add(userdata, data, size);
}

/* Whether the store has it all, under this name: the usual outcome of asking again. */
static int pull_check_present(Pull *p, Error *error) {
        const Digest *digest = p->index_digest.text[0] ? &p->index_digest : &p->manifest_digest;
        _cleanup_free_ char *name = reference_format(&p->reference);
        _cleanup_strv_ char **directories = NULL;
        const StoreImage *image;
        int r;

        if (!name)
                return -ENOMEM;
        r = store_refresh(p->store, /* wait= */ true, error);
        if (r < 0)
                return r;
        image = store_find_image(p->store, digest_hex(&p->manifest.config.digest));
        p->present = image && strv_contains(image->names, name) && streq_null(image->digest, digest->text) &&
                        strv_contains(image->digests, p->manifest_digest.text) &&
                        store_layer_directories(p->store, image->top_layer, &directories, NULL) >= 0 &&
                        strv_length(directories) == p->manifest.n_layers;
        return 0;
}

/* The manifest, through an index where there is one, and the config. */
static int pull_documents(Pull *p, Error *error) {
        const char *what = p->reference.digest ?: p->reference.tag, *variant, *architecture;
        Descriptor chosen;
        int r;

        r = request_report(&p->request, "resolve", 0, 0);
        if (r < 0)
                return r;
        p->manifest_text = BUFFER_INIT(REGISTRY_DOCUMENT_MAX);
        r = registry_get_manifest(p->registry, what, &p->manifest_text, &p->manifest_digest, error);
        if (r >= 0)
                r = manifest_is_index(p->manifest_text.data, p->manifest_text.size, error);
        if (r > 0) {
                p->index = p->manifest_text;
                p->index_digest = p->manifest_digest;
                p->manifest_text = BUFFER_INIT(REGISTRY_DOCUMENT_MAX);
                architecture = manifest_own_architecture(&variant);
                r = index_choose(p->index.data, p->index.size, architecture, variant, &chosen, error);
                if (r >= 0)
                        r = registry_get_manifest(
                                        p->registry,
                                        chosen.digest.text,
                                        &p->manifest_text,
                                        &p->manifest_digest,
                                        error);
        }
        if (r >= 0)
                r = manifest_parse(p->manifest_text.data, p->manifest_text.size, &p->manifest, error);
        if (r >= 0)
                r = pull_check_present(p, error);
        if (r < 0 || p->present)
                return r;

        p->config = BUFFER_INIT(REGISTRY_DOCUMENT_MAX);
        r = registry_get_blob(
                        p->registry,
                        &p->manifest.config.digest,
                        p->manifest.config.size,
                        to_buffer,
                        &p->config,
                        error);
        if (r < 0)
                return error_prefix(error, r, "config");
        p->diff_ids = new0(Digest, p->manifest.n_layers + 1);
        if (!p->diff_ids)
                return -ENOMEM;
        return config_parse_diff_ids(
                        p->config.data,
                        p->config.size,
                        p->manifest.n_layers,
                        p->diff_ids,
                        &p->created,
                        error);
}

/* Which layers have to come: those above the last one that the store has. */
static int pull_plan(Pull *p, Error *error) {
        size_t n = p->manifest.n_layers;
        bool below = true;
        Id parent, id;
        int r;

        r = store_refresh(p->store, /* wait= */ true, error);
        if (r < 0)
                return r;
        p->names = new0(char *, n + 1);
        p->unpacked = new0(UnpackResult, n + 1);
        p->compressions = new0(int, n + 1);
        if (!p->names || !p->unpacked || !p->compressions)
                return -ENOMEM;
        r = store_stage(p->store, &p->stage, error);
        if (r < 0)
                return r;
        p->staged = true;
        for (size_t i = 0; i < n; i++) {
                store_layer_id(i > 0 ? parent.text : NULL, p->diff_ids + i, &id);
                below = below && store_has_layer(p->store, id.text);
                parent = id;
                if (below)
                        p->names[i] = strdup("");
                else if (asprintf(&p->names[i], "%zu", i) < 0)
                        p->names[i] = NULL;
                if (!p->names[i])
                        return -ENOMEM;
                if (!below)
                        p->total_bytes += p->manifest.layers[i].size;
        }
        return 0;
}

static void read_progress(Pull *p, int fd) {
        uint64_t counts[512];
        ssize_t n;

        while ((n = read(fd, counts, sizeof(counts))) > 0)
                for (size_t i = 0; i < (size_t) n / sizeof(*counts); i++)
                        p->done_bytes += counts[i];
}

/* Waits until one worker has ended; tells crio how far we are meanwhile. Its index, or negative errno. */
static int wait_for_worker(Pull *p, LayerWorker *workers, int progress_fd) {
        struct pollfd fds[WORKERS_MAX + 1];
        int r;

        for (;;) {
                for (size_t i = 0; i < WORKERS_MAX; i++)
                        fds[i] = (struct pollfd){ .fd = workers[i].pid > 0 ? workers[i].pidfd : -1,
                                                  .events = POLLIN };
                fds[WORKERS_MAX] = (struct pollfd){ .fd = -1 };
                r = poll(fds, WORKERS_MAX, REPORT_MSEC);
                if (r < 0 && errno != EINTR)
                        return -errno;
                read_progress(p, progress_fd);
                for (size_t i = 0; i < WORKERS_MAX && r > 0; i++)
                        if (fds[i].revents)
                                return (int) i;
                r = request_report(&p->request, "layers", p->done_bytes, p->total_bytes);
                if (r < 0)
                        return r;
        }
}

static int start_layer(Pull *p, size_t i, LayerWorker *w, int progress_fd, Error *error) {
        return layer_worker_start(
                        w,
                        &(LayerJob){
                                        .registry = p->registry,
                                        .descriptor = p->manifest.layers + i,
                                        .stage = &p->stage,
                                        .name = p->names[i],
                                        .progress_fd = progress_fd,
                        },
                        error);
}

static int finish_layer(Pull *p, size_t i, LayerWorker *w, Error *error) {
        int r;

        r = layer_worker_collect(w, p->unpacked + i, p->compressions + i, error);
        layer_worker_done(w);
        if (r < 0)
                return error_prefix(error, r, "layer %s", p->manifest.layers[i].digest.text);
        if (!streq(p->unpacked[i].diff_id.text, p->diff_ids[i].text))
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "layer %s: its content has the digest %s, the image config says %s",
                                p->manifest.layers[i].digest.text,
                                p->unpacked[i].diff_id.text,
                                p->diff_ids[i].text);
        return 0;
}

/* Several at a time, in their order. */
static int pull_layers(Pull *p, Error *error) {
        LayerWorker workers[WORKERS_MAX] = { 0 };
        size_t layer_of[WORKERS_MAX] = { 0 }, next = 0, n_running = 0;
        int fds[2], r = 0;

        for (size_t i = 0; i < WORKERS_MAX; i++)
                workers[i].pidfd = workers[i].downloaded_fd = workers[i].unpacked_fd = -EBADF;
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        for (;;) {
                for (size_t i = 0; i < WORKERS_MAX && r >= 0; i++) {
                        while (next < p->manifest.n_layers && !*p->names[next])
                                next++;
                        if (workers[i].pid > 0 || next >= p->manifest.n_layers)
                                continue;
                        layer_of[i] = next++;
                        r = start_layer(p, layer_of[i], workers + i, fds[1], error);
                        n_running += r >= 0;
                }
                if (r < 0 || n_running == 0)
                        break;
                r = wait_for_worker(p, workers, fds[0]);
                if (r < 0)
                        break;
                n_running--;
                r = finish_layer(p, layer_of[r], workers + r, error);
                if (r >= 0)
                        r = pull_fault("layer", "after");
                if (r < 0)
                        break;
        }
        for (size_t i = 0; i < WORKERS_MAX; i++)
                layer_worker_done(workers + i);
        close_fd(fds[0]);
        close_fd(fds[1]);
        return r;
}

static int pull_commit(Pull *p, Error *error) {
        _cleanup_free_ StoreNewLayer *layers = new0(StoreNewLayer, p->manifest.n_layers + 1);
        _cleanup_free_ char *name = reference_format(&p->reference);
        int r;

        if (!layers || !name)
                return -ENOMEM;
        r = request_report(&p->request, "store", p->done_bytes, p->total_bytes);
        if (r < 0)
                return r;
        for (size_t i = 0; i < p->manifest.n_layers; i++)
                layers[i] = (StoreNewLayer){ .staged = *p->names[i] ? p->names[i] : NULL,
                                             .diff_id = p->diff_ids[i],
                                             .blob_digest = p->manifest.layers[i].digest,
                                             .diff_size = p->unpacked[i].size,
                                             .blob_size = p->manifest.layers[i].size,
                                             .compression = p->compressions[i],
                                             .uids = p->unpacked[i].uids,
                                             .gids = p->unpacked[i].gids,
                                             .n_uids = p->unpacked[i].n_uids,
                                             .n_gids = p->unpacked[i].n_gids };
        return store_commit(
                        p->store,
                        &p->stage,
                        &(StoreNewImage){ .name = name,
                                          .config_digest = p->manifest.config.digest,
                                          .manifest_digest = p->manifest_digest,
                                          .index_digest = p->index_digest,
                                          .config = p->config.data,
                                          .manifest = p->manifest_text.data,
                                          .index = p->index.data,
                                          .config_size = p->config.size,
                                          .manifest_size = p->manifest_text.size,
                                          .index_size = p->index.size,
                                          .created = p->created,
                                          .layers = layers,
                                          .n_layers = p->manifest.n_layers },
                        error);
}

static const struct {
        const char *name;
        int (*run)(Pull *p, Error *error);
} pull_steps[] = {
        { "prepare", pull_prepare }, { "documents", pull_documents }, { "plan", pull_plan },
        { "layers", pull_layers },   { "commit", pull_commit },
};

static int pull_run(Pull *p, Error *error) {
        size_t plan = 2;
        int r = 0;

        for (unsigned attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
                for (size_t i = attempt == 1 ? 0 : plan; i < ELEMENTSOF(pull_steps) && r >= 0 && !p->present;
                     i++) {
                        r = pull_fault(pull_steps[i].name, "before");
                        if (r >= 0)
                                r = pull_steps[i].run(p, error);
                        if (r >= 0)
                                r = pull_fault(pull_steps[i].name, "after");
                }
                if (r != -ESTALE || attempt == ATTEMPTS_MAX)
                        break;
                pull_drop_plan(p);
                error_done(error);
                r = 0;
        }
        return r < 0 ? error_prefix(error, r, "pull %s", p->request.image) : 0;
}

/* The reasons that kubelets look for have to come first. */
static void put_reason_first(Error *error) {
        static const char *const reasons[] = { "RegistryUnavailable: ", "SignatureValidationFailed: " };
        char *at;

        FOREACH_ELEMENT(reason, reasons) {
                at = error->text ? strstr(error->text, *reason) : NULL;
                if (!at || at == error->text)
                        continue;
                memmove(error->text + strlen(*reason), error->text, (size_t) (at - error->text));
                memcpy(error->text, *reason, strlen(*reason));
        }
}

int main(void) {
        _cleanup_(pull_done) Pull p = { 0 };
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        log_open();
        fault_init();
        (void) umask(0022);
        (void) signal(SIGPIPE, SIG_IGN);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
                return EXIT_FAILURE;
        r = request_receive(STDIN_FILENO, &p.request);
        if (r < 0) {
                log_error("no request came: %s", STRERROR(r));
                return EXIT_FAILURE;
        }
        r = pull_run(&p, &error);
        put_reason_first(&error);
        pull_drop_plan(&p); /* whoever gets the answer finds the store tidy */
        r = request_answer(&p.request, r, r < 0 ? NULL : digest_hex(&p.manifest.config.digest), &error);
        if (r < 0)
                log_warning("the answer did not reach crio: %s", STRERROR(r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
