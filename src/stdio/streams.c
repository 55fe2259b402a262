/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/streams.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/buffer.h"
#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"
#include "format/json-field.h"
#include "stdio/journal.h"
#include "stdio/store.h"

#define LOG_MODE 0640
#define META_MAX (64 * KIB)
/* A chunk of newlines alone grows by the prefix of each record. */
#define RECORDS_MAX (64 * SPOOL_SIZE)
/* As much as the kernel lets us have for a pipe; a container that writes in bursts waits less. */
#define PIPE_SIZE (1 * MIB)
/* A drain ends after so many chunks, even if somebody goes on writing. */
#define DRAIN_CHUNKS_MAX 256

typedef enum Slot {
        SLOT_STDOUT = RECORD_STDOUT,
        SLOT_STDERR = RECORD_STDERR,
        SLOT_STDIN,
        SLOT_LOG,
        SLOT_DIR,
        SLOT_META,
        _SLOT_MAX,
} Slot;

static const char *const slot_names[_SLOT_MAX] = { "out", "err", "in", "log", "dir", "meta" };

struct Streams {
        Iod *iod;
        StreamsMeta meta;
        int fds[_SLOT_MAX];
        sd_event_source *sources[_RECORD_STREAM_MAX];
        char *journal_fields;
        int64_t log_size;
        uint64_t n_bytes, n_lost_lines, n_lost_bytes;
};

#define META(type_, field_)                                                                                 \
        .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(StreamsMeta, field_)

static const JsonField meta_fields[] = {
        { META(STRING, id), .required = true },
        { META(STRING, log_name) },
        { META(INT64, log_size_max) },
        { META(BOOL, journal) },
        { META(STRINGS, fields) },
        { META(INT, pid) },
        {},
};

static char *stored_name(const char *id, Slot slot) {
        return str_join("c-", id, "-", slot_names[slot], NULL);
}

static Streams *streams_free(Streams *s) {
        if (!s)
                return NULL;
        if (s->meta.id && iod_find(s->iod, s->meta.id) == s)
                (void) hashmap_remove(s->iod->streams, s->meta.id);
        for (size_t i = 0; i < _RECORD_STREAM_MAX; i++)
                sd_event_source_disable_unref(s->sources[i]);
        for (size_t i = 0; i < _SLOT_MAX; i++)
                close_fd(s->fds[i]);
        json_field_done(meta_fields, &s->meta);
        free(s->journal_fields);
        free(s);
        return NULL;
}
DEFINE_CLEANUP(Streams *, streams_free);

Streams *streams_close(Streams *s) {
        for (Slot i = 0; i < _SLOT_MAX; i++) {
                _cleanup_free_ char *name = stored_name(s->meta.id, i);

                if (name && s->fds[i] >= 0)
                        (void) fd_store_remove(name); /* a stale entry is found at the next start */
        }
        return streams_free(s);
}

Streams *iod_find(Iod *iod, const char *id) {
        return hashmap_get(iod->streams, id);
}

static int streams_new(Iod *iod, const char *id, Streams **ret) {
        _cleanup_(streams_freep) Streams *s = new0(Streams, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->iod = iod;
        for (size_t i = 0; i < _SLOT_MAX; i++)
                s->fds[i] = -EBADF;
        s->meta.id = strdup(id);
        if (!s->meta.id)
                return -ENOMEM;
        r = hashmap_put(iod->streams, s->meta.id, s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

static int streams_update_journal_fields(Streams *s) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(META_MAX);
        int r = 0;

        STRV_FOREACH(f, s->meta.fields)
                if (!strchr(*f, '\n'))
                        r = buffer_addf(&b, "%s\n", *f);
        if (s->meta.pid > 0)
                r = buffer_addf(&b, "OBJECT_PID=%d\n", s->meta.pid);
        free(TAKE_PTR(s->journal_fields));
        return r < 0 ? r : buffer_take(&b, &s->journal_fields);
}

static int log_open_file(Streams *s, int flags) {
        int fd;

        if (isempty(s->meta.log_name))
                return -EBADF;
        fd = open_at(s->fds[SLOT_DIR],
                     s->meta.log_name,
                     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | flags,
                     LOG_MODE);
        return fd;
}

static int64_t file_size(int fd) {
        struct stat st;

        return fd >= 0 && fstat(fd, &st) >= 0 ? st.st_size : 0;
}

/* Puts a new log file in the place of the present one, here and in the fd store. */
static int streams_replace_log(Streams *s, int fd) {
        _cleanup_free_ char *name = stored_name(s->meta.id, SLOT_LOG);
        int r;

        if (!name) {
                close_fd(fd);
                return -ENOMEM;
        }
        r = fd_store_remove(name);
        if (r >= 0)
                r = fd_store_push(name, fd);
        close_fd(s->fds[SLOT_LOG]);
        s->fds[SLOT_LOG] = fd;
        s->log_size = file_size(fd);
        return r;
}

int streams_reopen(Streams *s, Error *error) {
        int fd;

        if (isempty(s->meta.log_name))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "container %s has no log",
                                s->meta.id);
        fd = log_open_file(s, 0);
        if (fd < 0)
                return error_set(
                                error,
                                fd,
                                STATUS_INTERNAL,
                                "open log %s of container %s: %s",
                                s->meta.log_name,
                                s->meta.id,
                                STRERROR(fd));
        return streams_replace_log(s, fd);
}

/* log_size_max: the file starts again; readers that have it open still see the old one. */
static void streams_limit_log(Streams *s) {
        int fd;

        if (s->meta.log_size_max < 0 || s->log_size <= s->meta.log_size_max)
                return;
        if (unlinkat(s->fds[SLOT_DIR], s->meta.log_name, 0) < 0 && errno != ENOENT)
                return;
        fd = log_open_file(s, 0);
        if (fd >= 0)
                (void) streams_replace_log(s, fd); /* at worst the next start finds the old one */
}

/* Writes all records of a chunk; what does not fit on the disk is dropped by whole records and counted. */
static void streams_write_records(Streams *s, const Buffer *records) {
        size_t done = 0;

        while (done < records->size) {
                ssize_t n = write(s->fds[SLOT_LOG], records->data + done, records->size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                done += (size_t) n;
        }
        if (done < records->size) {
                while (done > 0 && records->data[done - 1] != '\n')
                        done--;
                if (s->n_lost_bytes == 0)
                        log_warning("container %s: log can not be written: %m, dropping output", s->meta.id);
                if (ftruncate(s->fds[SLOT_LOG], s->log_size + (int64_t) done) < 0)
                        log_warning("container %s: a torn record stays in its log: %m", s->meta.id);
                s->n_lost_bytes += records->size - done;
        } else if (s->n_lost_bytes > 0) {
                log_warning("container %s: log is written again, %" PRIu64 " bytes were dropped",
                            s->meta.id,
                            s->n_lost_bytes);
                s->n_lost_bytes = 0;
        }
        s->log_size += (int64_t) done;
}

/* Steps 3 to 5 of a chunk (README.md), now or after a restart. */
static int streams_deliver(Streams *s, RecordStream stream, int64_t realtime_nsec, size_t size) {
        Iod *iod = s->iod;
        RecordRun run;
        int r = 0;

        if (s->fds[SLOT_LOG] >= 0) {
                r = record_format(&iod->records, stream, realtime_nsec, iod->spool.data, size, &run);
                if (r >= 0)
                        streams_write_records(s, &iod->records);
                else
                        log_error("container %s: %zu bytes of output: %s, dropping them",
                                  s->meta.id,
                                  size,
                                  STRERROR(r));
                buffer_reset(&iod->records);
        }
        if (s->meta.journal && s->journal_fields)
                journal_send_lines(
                                iod->journal_fd,
                                s->journal_fields,
                                stream,
                                iod->spool.data,
                                size,
                                &s->n_lost_lines);
        s->n_bytes += size;
        r = spool_clear(&iod->spool);
        streams_limit_log(s);
        return r;
}

/* One chunk. Its size, 0 at the end, negative errno. */
static ssize_t streams_pump(Streams *s, RecordStream stream) {
        int64_t now = now_realtime_nsec();
        ssize_t n;
        int r;

        n = spool_fill(&s->iod->spool, s->meta.id, stream, s->fds[stream], s->log_size, now);
        if (n <= 0)
                return n;
        r = streams_deliver(s, stream, now, (size_t) n);
        return r < 0 ? r : n;
}

static int streams_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Streams *s = userdata;
        RecordStream stream = source == s->sources[RECORD_STDOUT] ? RECORD_STDOUT : RECORD_STDERR;
        ssize_t n;

        n = streams_pump(s, stream);
        if (n == -EAGAIN || n == -EINTR || n > 0)
                return 0;
        if (n < 0)
                log_error("container %s: stream: %s, closing it", s->meta.id, STRERROR((int) n));
        s->sources[stream] = sd_event_source_disable_unref(s->sources[stream]);
        return 0;
}

static int streams_watch(Streams *s) {
        int r = 0;

        for (RecordStream i = 0; i < _RECORD_STREAM_MAX && r >= 0; i++)
                if (s->fds[i] >= 0)
                        r =
                                        sd_event_add_io(s->iod->event,
                                                        &s->sources[i],
                                                        s->fds[i],
                                                        EPOLLIN,
                                                        streams_on_io,
                                                        s);
        return r;
}

void streams_drain(Streams *s, uint64_t *ret_bytes) {
        for (RecordStream i = 0; i < _RECORD_STREAM_MAX; i++) {
                unsigned chunks = 0;

                while (s->fds[i] >= 0 && chunks++ < DRAIN_CHUNKS_MAX && streams_pump(s, i) > 0)
                        ;
        }
        *ret_bytes = s->n_bytes;
}

static int meta_to_memory(const StreamsMeta *meta, int *ret) {
        _cleanup_json_ json_t *json = json_field_save(meta_fields, meta);
        _cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!text)
                return -ENOMEM;
        fd = memfd_create("meta", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_full(fd, text, strlen(text));
        if (r >= 0)
                *ret = TAKE_FD(fd);
        return r;
}

int streams_set_pid(Streams *s, pid_t pid) {
        _cleanup_free_ char *name = stored_name(s->meta.id, SLOT_META);
        _cleanup_close_ int fd = -EBADF;
        int r;

        s->meta.pid = pid;
        r = streams_update_journal_fields(s);
        if (r >= 0)
                r = name ? meta_to_memory(&s->meta, &fd) : -ENOMEM;
        if (r >= 0)
                r = fd_store_remove(name);
        if (r >= 0)
                r = fd_store_push(name, fd);
        if (r < 0)
                return r;
        close_fd(s->fds[SLOT_META]);
        s->fds[SLOT_META] = TAKE_FD(fd);
        return 0;
}

static int make_pipe(int *ret_read, int *ret_write) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void) fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE); /* beyond a limit of the system the default stays */
        *ret_read = fds[0];
        *ret_write = fds[1];
        return 0;
}

static int streams_make_pipes(Streams *s, bool stdin_open, int *fds) {
        int r;

        if (stdin_open)
                r = make_pipe(&fds[0], &s->fds[SLOT_STDIN]);
        else
                r = fds[0] = open_at(AT_FDCWD, "/dev/null", O_RDONLY, 0);
        if (r >= 0)
                r = make_pipe(&s->fds[SLOT_STDOUT], &fds[1]);
        if (r >= 0)
                r = make_pipe(&s->fds[SLOT_STDERR], &fds[2]);
        if (r >= 0)
                r = fd_set_nonblock(s->fds[SLOT_STDOUT], true);
        return r < 0 ? r : fd_set_nonblock(s->fds[SLOT_STDERR], true);
}

static int streams_store(Streams *s) {
        int r = 0;

        for (Slot i = 0; i < _SLOT_MAX && r >= 0; i++) {
                _cleanup_free_ char *name = stored_name(s->meta.id, i);

                if (s->fds[i] >= 0)
                        r = name ? fd_store_push(name, s->fds[i]) : -ENOMEM;
        }
        return r;
}

static int streams_setup(Streams *s, int log_dir_fd, bool stdin_open, int *fds) {
        int r;

        s->fds[SLOT_DIR] = fd_dup(log_dir_fd);
        if (s->fds[SLOT_DIR] < 0)
                return s->fds[SLOT_DIR];
        if (!isempty(s->meta.log_name)) {
                s->fds[SLOT_LOG] = log_open_file(s, 0);
                if (s->fds[SLOT_LOG] < 0)
                        return s->fds[SLOT_LOG];
                s->log_size = file_size(s->fds[SLOT_LOG]);
        }
        r = meta_to_memory(&s->meta, &s->fds[SLOT_META]);
        if (r >= 0)
                r = streams_make_pipes(s, stdin_open, fds);
        if (r >= 0)
                r = streams_update_journal_fields(s);
        if (r >= 0)
                r = streams_watch(s);
        return r < 0 ? r : streams_store(s);
}

int streams_open(
                Iod *iod,
                StreamsMeta *meta,
                int log_dir_fd,
                bool stdin_open,
                int ret_fds[3],
                Error *error) {
        Streams *s = iod_find(iod, meta->id);
        int fds[3] = { -EBADF, -EBADF, -EBADF }, r;

        if (!isempty(meta->log_name) && !path_is_component(meta->log_name))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "log name %s has a slash",
                                meta->log_name);
        if (s)
                streams_close(s);
        r = streams_new(iod, meta->id, &s);
        if (r < 0)
                return r;

        free(s->meta.id == meta->id ? NULL : TAKE_PTR(meta->id));
        meta->id = s->meta.id;
        s->meta = *meta;
        *meta = (StreamsMeta){};
        r = streams_setup(s, log_dir_fd, stdin_open, fds);
        if (r < 0) {
                (void) error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "streams of container %s: %s",
                                s->meta.id,
                                STRERROR(r));
                for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                        close_fd(fds[i]);
                streams_close(s);
                return r;
        }
        memcpy(ret_fds, fds, sizeof(fds));
        return 0;
}

int iod_init(Iod *iod, sd_event *event) {
        *iod = (Iod){ .event = event,
                      .spool = SPOOL_INIT,
                      .records = BUFFER_INIT(RECORDS_MAX),
                      .journal_fd = journal_open() };

        if (iod->journal_fd < 0)
                log_warning("journald: %s, containers that want it get no copy", STRERROR(iod->journal_fd));
        return hashmap_new(&iod->streams);
}

void iod_done(Iod *iod) {
        Streams *s;

        while ((s = hashmap_first(iod->streams)))
                streams_free(s);
        hashmap_free(iod->streams);
        spool_done(&iod->spool);
        buffer_done(&iod->records);
        close_fd(iod->journal_fd);
}

/* "c-<id>-<what>" */
int iod_add_stored(Iod *iod, const char *name, int fd) {
        _cleanup_strv_ char **parts = NULL;
        Streams *s;
        int r;

        r = strv_split(name, "-", &parts);
        if (r >= 0 && (strv_length(parts) != 3 || !streq(parts[0], "c") || !id_is_valid(parts[1])))
                r = -EINVAL;
        if (r < 0) {
                close_fd(fd);
                return r;
        }

        s = iod_find(iod, parts[1]);
        r = s ? 0 : streams_new(iod, parts[1], &s);
        for (Slot i = 0; i < _SLOT_MAX && r >= 0; i++)
                if (streq(parts[2], slot_names[i])) {
                        close_fd(s->fds[i]);
                        s->fds[i] = TAKE_FD(fd);
                }
        close_fd(fd);
        return r;
}

static int streams_restore(Streams *s) {
        _cleanup_error_ Error error = ERROR_INIT;
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *json = NULL;
        size_t size;
        int r;

        if (s->fds[SLOT_META] < 0 || s->fds[SLOT_STDOUT] < 0 || s->fds[SLOT_STDERR] < 0)
                return -ENODATA; /* killed in the middle of Open: nobody was told about it */
        if (lseek(s->fds[SLOT_META], 0, SEEK_SET) < 0)
                return -errno;
        r = read_file_fd(s->fds[SLOT_META], META_MAX, &text, &size);
        if (r >= 0)
                r = json_parse("meta", text, size, &json, &error);
        if (r >= 0) {
                StreamsMeta meta = {};

                r = json_field_load(meta_fields, json, &meta, &error);
                if (r >= 0 && !streq(meta.id, s->meta.id))
                        r = -EINVAL;
                free(meta.id);
                meta.id = s->meta.id; /* the key of the map */
                s->meta = meta;
        }
        if (r >= 0)
                r = streams_update_journal_fields(s);
        s->log_size = file_size(s->fds[SLOT_LOG]);
        return r;
}

/* The chunk that was under way when a process before us ended. */
static void iod_redo(Iod *iod) {
        const SpoolEntry *e = iod->spool.entry;
        ssize_t size = spool_get_size(&iod->spool);
        Streams *s;

        if (size <= 0)
                return;
        s = e->begun && e->stream < _RECORD_STREAM_MAX && id_is_valid(e->id) ? iod_find(iod, e->id) : NULL;
        if (!s) {
                log_error("%zd bytes of output belong to no container, dropping them", size);
                (void) spool_clear(&iod->spool); /* would be found again */
                return;
        }
        log_info("container %s: finishing %zd bytes of output", e->id, size);
        if (s->fds[SLOT_LOG] >= 0 && ftruncate(s->fds[SLOT_LOG], e->log_size) >= 0)
                s->log_size = e->log_size;
        (void) streams_deliver(s, e->stream, e->realtime_nsec, (size_t) size); /* says its failures itself */
}

int iod_restore(Iod *iod) {
        Streams *s;
        int r;

        HASHMAP_FOREACH(s, iod->streams) {
                r = streams_restore(s);
                if (r < 0) {
                        log_warning("container %s: stored streams: %s, dropping them",
                                    s->meta.id,
                                    STRERROR(r));
                        streams_close(s);
                }
        }
        iod_redo(iod);
        HASHMAP_FOREACH(s, iod->streams) {
                r = streams_watch(s);
                if (r < 0)
                        return r;
        }
        return 0;
}
