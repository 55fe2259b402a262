/* SPDX-License-Identifier: Apache-2.0 */
#include "pull/layer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/json-field.h"
#include "image/decompress.h"
#include "pull/confine.h"

#define RESULT_MAX (16 * MIB)
#define PIPE_BYTES (1 * MIB)

/* What goes through a file in memory: the disk may be full. */
typedef struct LayerResult {
        char *diff_id, *text;
        uint64_t size;
        int compression, r, status;
        int64_t *uids, *gids;
        size_t n_uids, n_gids;
} LayerResult;

#define ROW(type_, field_)                                                                                  \
        .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(LayerResult, field_)

static const JsonField result_fields[] = {
        { ROW(STRING, diff_id) },
        { ROW(STRING, text) },
        { ROW(UINT64, size) },
        { ROW(INT, compression) },
        { ROW(INT, r) },
        { ROW(INT, status) },
        { ROW(INT64S, uids), .n_offset = offsetof(LayerResult, n_uids) },
        { ROW(INT64S, gids), .n_offset = offsetof(LayerResult, n_gids) },
        {},
};

static void result_done(LayerResult *r) {
        json_field_done(result_fields, r);
}

static int result_write(int fd, const LayerResult *result) {
        _cleanup_json_ json_t *json = json_field_save(result_fields, result);
        _cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

        return text ? write_full(fd, text, strlen(text)) : -ENOMEM;
}

static int result_read(int fd, LayerResult *ret, Error *error) {
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *json = NULL;
        size_t size;
        int r;

        r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : read_file_fd(fd, RESULT_MAX, &text, &size);
        if (r < 0)
                return r;
        r = json_parse("result", text, size, &json, error);
        return r < 0 ? r : json_field_load(result_fields, json, ret, error);
}

static int fail_with(int fd, int r, const Error *error) {
        LayerResult result = { .r = r,
                               .status = error_get_status(error, r),
                               .text = (char *) error_get_text(error, r) };

        (void) result_write(fd, &result); /* without it the parent only sees that we failed */
        return EXIT_FAILURE;
}

static ssize_t read_pipe(void *userdata, void *data, size_t size) {
        ssize_t n;

        do
                n = read(*(int *) userdata, data, size);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* The stream between the two, and what ended it. */
typedef struct Source {
        Decompress *decompress;
        int result;
} Source;

static ssize_t read_decompressed(void *userdata, void *data, size_t size) {
        Source *s = userdata;
        ssize_t n = decompress_read(s->decompress, data, size);

        s->result = (int) MIN(n, 0);
        return n;
}

/* The unpacker has no words for what comes before it. */
static void explain_source(const Source *s, Error *error) {
        if (s->result != -EBADMSG && s->result != -EOPNOTSUPP)
                return;
        error_done(error);
        (void) error_set(
                        error,
                        s->result,
                        STATUS_UNKNOWN,
                        s->result == -EBADMSG ? "its compressed bytes are damaged" :
                                                "it is compressed with xz or bzip2, which is not supported");
}

static int64_t *widen(const uint32_t *ids, size_t n) {
        int64_t *wide = new_array(int64_t, n + 1);

        for (size_t i = 0; wide && i < n; i++)
                wide[i] = ids[i];
        return wide;
}

static int write_unpacked(int fd, const UnpackResult *unpacked, Compression compression) {
        LayerResult result = {
                .diff_id = (char *) unpacked->diff_id.text,
                .size = unpacked->size,
                .compression = compression,
                .uids = widen(unpacked->uids, unpacked->n_uids),
                .gids = widen(unpacked->gids, unpacked->n_gids),
                .n_uids = unpacked->n_uids,
                .n_gids = unpacked->n_gids,
        };
        int r = result.uids && result.gids ? result_write(fd, &result) : -ENOMEM;

        free(result.uids);
        free(result.gids);
        return r;
}

/* The process that unpacks. */
static int run_unpack(const char *directory, const LayerJob *job, int fd, int result_fd) {
        _cleanup_(unpack_result_done) UnpackResult unpacked = { 0 };
        _cleanup_(decompress_freep) Decompress *decompress = NULL;
        Source source = { 0 };
        _cleanup_free_ char *diff = path_join(directory, "diff"),
                            *split = str_join(job->stage->split_path, "/", job->name, ".tar-split.gz", NULL);
        _cleanup_close_ int dir_fd = -EBADF, split_fd = -EBADF;
        _cleanup_error_ Error error = ERROR_INIT;
        char rest[4 * KIB];
        int r;

        if (!diff || !split)
                return fail_with(result_fd, -ENOMEM, &error);
        r = mkdir(diff, 0755) < 0 ? -errno : 0;
        dir_fd = r < 0 ? r : open_at(AT_FDCWD, diff, O_RDONLY | O_DIRECTORY, 0);
        split_fd = dir_fd < 0 ? dir_fd : open_at(AT_FDCWD, split, O_WRONLY | O_CREAT | O_EXCL, 0600);
        r = split_fd < 0 ? split_fd : decompress_new(read_pipe, &fd, &decompress);
        if (r >= 0)
                r = confine_unpacker();
        if (r >= 0)
                source.decompress = decompress;
        if (r >= 0)
                r = unpack(read_decompressed, &source, dir_fd, split_fd, &unpacked, &error);
        explain_source(&source, &error);
        if (r >= 0)
                r = write_unpacked(result_fd, &unpacked, decompress_get_compression(decompress));
        if (r < 0)
                return fail_with(result_fd, r, &error);
        while (read_pipe(&fd, rest, sizeof(rest)) > 0) /* bytes behind the last frame belong to the blob */
                ;
        return EXIT_SUCCESS;
}

typedef struct Download {
        int pipe_fd, progress_fd;
        bool unpack_failed;
} Download;

static int download_write(const void *data, size_t size, void *userdata) {
        Download *d = userdata;
        uint64_t bytes = size;
        int r;

        r = write_full(d->pipe_fd, data, size);
        if (r < 0) {
                d->unpack_failed = r == -EPIPE;
                return r;
        }
        return write(d->progress_fd, &bytes, sizeof(bytes)) < 0 && errno != EAGAIN ? -errno : 0;
}

/* The process that downloads, and waits for the other one. */
static int run_download(const LayerJob *job, int pipe_fd, pid_t unpacker, int result_fd) {
        Download d = { .pipe_fd = pipe_fd, .progress_fd = job->progress_fd };
        _cleanup_(registry_freep) Registry *registry = NULL;
        _cleanup_error_ Error error = ERROR_INIT;
        int r, status = 0;

        r = registry_dup(job->registry, &registry);
        if (r >= 0)
                r = registry_get_blob(
                                registry,
                                &job->descriptor->digest,
                                job->descriptor->size,
                                download_write,
                                &d,
                                &error);
        close_fd(pipe_fd);
        if (r < 0 && !d.unpack_failed) {
                (void) kill(unpacker, SIGKILL); /* half a layer is none */
                (void) waitpid(unpacker, &status, 0);
                return fail_with(result_fd, r, &error);
        }
        if (waitpid(unpacker, &status, 0) < 0)
                return EXIT_FAILURE;
        if (!WIFEXITED(status)) {
                r = error_set(&error,
                              -EIO,
                              STATUS_INTERNAL,
                              "unpacking ended by signal %d",
                              WTERMSIG(status));
                return fail_with(result_fd, r, &error);
        }
        return WEXITSTATUS(status);
}

/* In the first child: makes the second one. */
static int run(const LayerJob *job, const LayerWorker *w, pid_t parent) {
        _cleanup_error_ Error error = ERROR_INIT;
        int fds[2];
        pid_t pid;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail */
        if (getppid() != parent)
                return EXIT_FAILURE; /* it died before that */
        (void) signal(SIGPIPE, SIG_IGN);
        if (mkdir(w->directory, 0700) < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return fail_with(w->downloaded_fd, -errno, &error);
        (void) fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES); /* only faster */
        parent = getpid();
        pid = fork();
        if (pid < 0)
                return fail_with(w->downloaded_fd, -errno, &error);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail */
                close_fd(fds[1]);
                _exit(getppid() == parent ? run_unpack(w->directory, job, fds[0], w->unpacked_fd) :
                                            EXIT_FAILURE);
        }
        close_fd(fds[0]);
        return run_download(job, fds[1], pid, w->downloaded_fd);
}

int layer_worker_start(LayerWorker *w, const LayerJob *job, Error *error) {
        pid_t parent = getpid();
        int r;

        *w = (LayerWorker){ .pidfd = -EBADF,
                            .downloaded_fd = memfd_create("downloaded", MFD_CLOEXEC),
                            .unpacked_fd = memfd_create("unpacked", MFD_CLOEXEC),
                            .directory = path_join(job->stage->path, job->name) };
        r = w->downloaded_fd < 0 || w->unpacked_fd < 0 ? -errno : w->directory ? 0 : -ENOMEM;
        if (r >= 0)
                w->pid = fork();
        if (r >= 0 && w->pid == 0)
                _exit(run(job, w, parent));
        if (r >= 0)
                w->pidfd = w->pid < 0 ? -1 : (int) syscall(SYS_pidfd_open, w->pid, 0);
        if (r >= 0 && w->pidfd < 0)
                r = -errno;
        if (r >= 0)
                return 0;
        layer_worker_done(w);
        return error_set(error, r, STATUS_INTERNAL, "start a worker for a layer: %s", STRERROR(r));
}

void layer_worker_done(LayerWorker *w) {
        if (w->pid > 0) {
                (void) kill(w->pid, SIGKILL); /* not reaped: the number is its own */
                (void) waitpid(w->pid, NULL, 0);
        }
        w->pid = 0;
        w->pidfd = close_fd(w->pidfd);
        w->downloaded_fd = close_fd(w->downloaded_fd);
        w->unpacked_fd = close_fd(w->unpacked_fd);
        free(TAKE_PTR(w->directory));
}

/* Why it failed, in the words of the one of the two that knows. */
static int collect_failure(const LayerWorker *w, Error *error) {
        const int fds[] = { w->downloaded_fd, w->unpacked_fd };

        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                _cleanup_(result_done) LayerResult result = { 0 };

                if (result_read(fds[i], &result, NULL) >= 0 && result.r < 0)
                        return error_set(
                                        error,
                                        result.r,
                                        (Status) result.status,
                                        "%s",
                                        strempty(result.text));
        }
        return error_set(error, -EIO, STATUS_INTERNAL, "the worker of a layer failed without a word");
}

static int narrow(const int64_t *ids, size_t n, uint32_t **ret) {
        *ret = new_array(uint32_t, n + 1);
        for (size_t i = 0; *ret && i < n; i++)
                (*ret)[i] = (uint32_t) ids[i];
        return *ret ? 0 : -ENOMEM;
}

int layer_worker_collect(LayerWorker *w, UnpackResult *ret, int *ret_compression, Error *error) {
        _cleanup_(result_done) LayerResult result = { 0 };
        UnpackResult unpacked = { 0 };
        int status = 0, r;

        if (waitpid(w->pid, &status, 0) < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "wait for a worker: %s", STRERROR(errno));
        w->pid = 0;
        w->pidfd = close_fd(w->pidfd);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
                return collect_failure(w, error);

        r = result_read(w->unpacked_fd, &result, error);
        if (r >= 0)
                r = digest_parse(strempty(result.diff_id), &unpacked.diff_id);
        if (r >= 0)
                r = narrow(result.uids, result.n_uids, &unpacked.uids);
        if (r >= 0)
                r = narrow(result.gids, result.n_gids, &unpacked.gids);
        unpacked.n_uids = result.n_uids;
        unpacked.n_gids = result.n_gids;
        unpacked.size = result.size;
        if (r < 0) {
                unpack_result_done(&unpacked);
                return error_set(error, r, STATUS_INTERNAL, "result of a layer's worker: %s", STRERROR(r));
        }
        *ret = unpacked;
        *ret_compression = result.compression;
        return 0;
}
