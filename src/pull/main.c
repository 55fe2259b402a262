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

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "image/store.h"
#include "pull/layer.h"
#include "pull/request.h"
#include "pull/trust.h"

#define WORKERS_MAX 3
#define REPORT_MSEC 1000

typedef struct Pull {
        Request request;
        Reference reference;
        RegistryAuth auth;
        bool insecure;
        Registry *registry;
        Store *store;
        Buffer index, manifest_text, config;
        Digest index_digest, manifest_digest, config_digest;
        Manifest manifest;
        Digest *diff_ids;
        char *created;
        char *stage;
        int stage_lock_fd;
        char **directories; /* of layers in the staging place; "" for those that the store has */
        UnpackResult *unpacked;
        int *compressions;
        uint64_t done_bytes, total_bytes;
} Pull;

static void pull_done(Pull *p) {
        if (p->stage)
                (void) store_unstage(
                                p->store,
                                p->stage,
                                p->stage_lock_fd); /* the next start clears what stays */
        for (size_t i = 0; p->unpacked && i < p->manifest.n_layers; i++)
                unpack_result_done(p->unpacked + i);
        free(p->unpacked);
        free(p->compressions);
        for (size_t i = 0; p->directories && i < p->manifest.n_layers; i++)
                free(p->directories[i]);
        free(p->directories);
        free(p->stage);
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
        if (r < 0)
                return r;
        p->auth = (RegistryAuth){ .username = q->username,
                                  .password = q->password,
                                  .identity_token = q->identity_token,
                                  .registry_token = q->registry_token };
        p->insecure = registry_is_insecure(p->reference.domain, q->insecure_registries);
        r = store_open(q->root, q->runroot, &p->store, error);
        if (r >= 0)
                r = store_refresh(p->store, /* wait= */ true, error);
        if (r >= 0)
                r = registry_new(&p->reference, &p->auth, p->insecure, &p->registry, error);
        return r;
}

static int to_buffer(const void *data, size_t size, void *userdata) {
        return buffer_add(userdata, data, size);
}

/* The manifest, through an index where there is one, and the config. */
static int pull_documents(Pull *p, Error *error) {
        const char *what = p->reference.digest ?: p->reference.tag, *variant, *architecture;
        Descriptor chosen;
        int r;

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
        if (r < 0)
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

        p->directories = new0(char *, n + 1);
        p->unpacked = new0(UnpackResult, n + 1);
        p->compressions = new0(int, n + 1);
        if (!p->directories || !p->unpacked || !p->compressions)
                return -ENOMEM;
        r = store_stage(p->store, &p->stage, &p->stage_lock_fd, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                store_layer_id(i > 0 ? parent.text : NULL, p->diff_ids + i, &id);
                below = below && store_has_layer(p->store, id.text);
                parent = id;
                if (below)
                        p->directories[i] = strdup("");
                else if (asprintf(&p->directories[i], "%s/%zu", p->stage, i) < 0)
                        p->directories[i] = NULL;
                if (!p->directories[i])
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
                r = request_report(&p->request, p->done_bytes, p->total_bytes);
                if (r < 0)
                        return r;
        }
}

static int start_layer(Pull *p, size_t i, LayerWorker *w, int progress_fd, Error *error) {
        return layer_worker_start(
                        w,
                        &(LayerJob){
                                        .reference = &p->reference,
                                        .auth = &p->auth,
                                        .insecure = p->insecure,
                                        .descriptor = p->manifest.layers + i,
                                        .directory = p->directories[i],
                                        .progress_fd = progress_fd,
                        },
                        error);
}

static int finish_layer(Pull *p, size_t i, LayerWorker *w, Error *error) {
        int r;

        r = layer_worker_collect(w, p->unpacked + i, p->compressions + i, error);
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
                workers[i].pidfd = -EBADF;
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        for (;;) {
                for (size_t i = 0; i < WORKERS_MAX && r >= 0; i++) {
                        while (next < p->manifest.n_layers && !*p->directories[next])
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
        Id top = { 0 };
        int r;

        if (!layers || !name)
                return -ENOMEM;
        for (size_t i = 0; i < p->manifest.n_layers; i++) {
                const char *slash = strrchr(p->directories[i], '/');

                layers[i] = (StoreNewLayer){ .staged = slash ? slash + 1 : NULL,
                                             .diff_id = p->diff_ids[i],
                                             .blob_digest = p->manifest.layers[i].digest,
                                             .diff_size = p->unpacked[i].size,
                                             .blob_size = p->manifest.layers[i].size,
                                             .compression = p->compressions[i],
                                             .uids = p->unpacked[i].uids,
                                             .gids = p->unpacked[i].gids,
                                             .n_uids = p->unpacked[i].n_uids,
                                             .n_gids = p->unpacked[i].n_gids };
        }
        r = store_commit_layers(p->store, p->stage, layers, p->manifest.n_layers, &top, error);
        if (r < 0)
                return error_prefix(error, r, "store layers");
        r = store_commit_image(
                        p->store,
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
                                          .created = p->created },
                        p->manifest.n_layers > 0 ? top.text : NULL,
                        error);
        return r < 0 ? error_prefix(error, r, "store image") : 0;
}

static int pull_run(Pull *p, Error *error) {
        int r;

        r = pull_prepare(p, error);
        if (r >= 0)
                r = pull_documents(p, error);
        if (r >= 0)
                r = pull_plan(p, error);
        if (r >= 0)
                r = pull_layers(p, error);
        if (r >= 0)
                r = pull_commit(p, error);
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
        _cleanup_(pull_done) Pull p = { .stage_lock_fd = -EBADF };
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        log_open();
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
        r = request_answer(&p.request, r, r < 0 ? NULL : digest_hex(&p.manifest.config.digest), &error);
        if (r < 0)
                log_warning("the answer did not reach crio: %s", STRERROR(r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
