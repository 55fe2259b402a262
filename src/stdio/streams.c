/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/streams.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/buffer.h"
#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/str.h"
#include "stdio/log-file.h"
#include "stdio/store.h"
#include "stdio/streams-internal.h"

/* See WIDE_PIPES_MAX. 1,000 containers with two pipes each stay below half of that limit. */
#define PIPE_SIZE (16 * KIB)
#define PIPE_WIDE_SIZE (1 * MIB)
/* A wide pipe that was not full for so long may be taken from its container for another. */
#define PIPE_WIDE_IDLE_NSEC ((int64_t) NSEC_PER_SEC)
/* Output of containers without a log file waits in memory, where it takes up to 41 times as much. */
#define CHUNK_MEMORY_MAX (16 * KIB)

void streams_store_name(const Streams *s, char name[STORE_NAME_MAX]) {
        (void) snprintf(name,
                        STORE_NAME_MAX,
                        "%u",
                        (unsigned) table_index(&s->iod->table, s->slot)); /* fits */
}

void streams_store_log_name(const Streams *s, uint64_t generation, char name[STORE_NAME_MAX]) {
        (void) snprintf(name,
                        STORE_NAME_MAX,
                        "%c%u",
                        generation & 1 ? 'b' : 'a',
                        (unsigned) table_index(&s->iod->table, s->slot)); /* fits */
}

int64_t streams_file_size(int fd) {
        struct stat st;

        return fd >= 0 && fstat(fd, &st) >= 0 ? st.st_size : 0;
}

Streams *iod_find(Iod *iod, const char *id) {
        return hashmap_get(iod->streams, id);
}

static void close_pipes(Streams *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->sources); i++)
                s->sources[i] = sd_event_source_disable_unref(s->sources[i]);
        for (size_t i = 0; i < ELEMENTSOF(s->pipes); i++)
                s->pipes[i] = close_fd(s->pipes[i]);
        s->dir_fd = close_fd(s->dir_fd);
        FOREACH_ELEMENT(w, s->iod->wide)
                if (w->streams == s)
                        w->streams = NULL;
}

Streams *streams_free(Streams *s) {
        if (!s)
                return NULL;
        if (s->slot && iod_find(s->iod, s->slot->id) == s)
                (void) hashmap_remove(s->iod->streams, s->slot->id);
        copy_forget(s);
        close_pipes(s);
        close_fd(s->log_fd);
        close_fd(s->old_fd);
        free(s);
        return NULL;
}

int streams_new(Iod *iod, Slot *slot, Streams **ret) {
        _cleanup_(streams_freep) Streams *s = new0(Streams, 1);
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Streams){ .iod = iod,
                        .pipes = { -EBADF, -EBADF, -EBADF },
                        .dir_fd = -EBADF,
                        .log_fd = -EBADF,
                        .old_fd = -EBADF,
                        .slot = slot };
        r = slot->flags & SLOT_CLOSED ? 0 : hashmap_put(iod->streams, slot->id, s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

/* All that is under this slot's names in the fd store. */
static void remove_stored(const Streams *s) {
        char name[STORE_NAME_MAX];

        streams_store_name(s, name);
        (void) fd_store_remove(name); /* stale entries are found at the next start */
        for (uint64_t i = 0; i < 2; i++) {
                streams_store_log_name(s, i, name);
                (void) fd_store_remove(name);
        }
}

void streams_forget(Streams *s) {
        Slot *slot = s->slot;
        Iod *iod = s->iod;

        remove_stored(s);
        streams_free(s);
        table_free(&iod->table, slot);
}

/* Nobody can write into the pipes any more. */
static void release_pipes(Streams *s) {
        char name[STORE_NAME_MAX];

        s->slot->flags |= SLOT_ENDED;
        close_pipes(s);
        streams_store_name(s, name);
        (void) fd_store_remove(name); /* a stale entry is found at the next start */
}

void streams_close(Streams *s) {
        log_file_say_lost(s);
        if (copy_is_done(s)) {
                streams_forget(s);
                return;
        }
        (void) hashmap_remove(s->iod->streams, s->slot->id);
        s->slot->flags |= SLOT_CLOSED;
        release_pipes(s);
        copy_wake(s);
}

/* systemd keeps no second descriptor of one opened file, so it must not become the next one. */
static bool is_same_file(int a, int b) {
        struct stat x, y;

        return fstat(a, &x) >= 0 && fstat(b, &y) >= 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int streams_reopen(Streams *s, int log_fd, Error *error) {
        int r;

        if (s->log_fd < 0 || s->slot->flags & SLOT_MEMORY) {
                close_fd(log_fd);
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_FAILED_PRECONDITION,
                                "container %s has no log",
                                s->slot->id);
        }
        log_file_say_lost(s);
        if (is_same_file(log_fd, s->log_fd)) { /* was not renamed, or the call was sent again */
                close_fd(log_fd);
                return 0;
        }
        r = log_file_switch(s, log_fd, 0);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "keep the log of container %s in the fd store: %s",
                                s->slot->id,
                                STRERROR(r));
        log_file_say_lost(s); /* the new place may have room */
        return 0;
}

/* An entry for one more wide pipe: a free one, or that of a pipe which is not busy any more. */
static WidePipe *find_wide(Iod *iod, int64_t now_nsec) {
        WidePipe *oldest = iod->wide;

        FOREACH_ELEMENT(w, iod->wide) {
                if (!w->streams)
                        return w;
                if (w->full_nsec < oldest->full_nsec)
                        oldest = w;
        }
        if (now_nsec - oldest->full_nsec < PIPE_WIDE_IDLE_NSEC ||
            fcntl(oldest->streams->pipes[1 + oldest->stream], F_SETPIPE_SZ, PIPE_SIZE) < 0)
                return NULL;
        oldest->streams->pipe_size[oldest->stream] = PIPE_SIZE;
        return oldest;
}

/* The pipe was full: its container waits for us. */
static void widen_pipe(Streams *s, RecordStream stream, int64_t now_nsec) {
        WidePipe *w;
        int size;

        if (s->pipe_size[stream] >= PIPE_WIDE_SIZE) {
                FOREACH_ELEMENT(i, s->iod->wide)
                        if (i->streams == s && i->stream == stream)
                                i->full_nsec = now_nsec;
                return;
        }
        w = find_wide(s->iod, now_nsec);
        size = w ? fcntl(s->pipes[1 + stream], F_SETPIPE_SZ, PIPE_WIDE_SIZE) : -1;
        if (size < 0)
                return;
        *w = (WidePipe){ .streams = s, .stream = stream, .full_nsec = now_nsec };
        s->pipe_size[stream] = (unsigned) size;
}

/* One that a process before us made wide. */
static void adopt_wide(Streams *s, RecordStream stream) {
        FOREACH_ELEMENT(w, s->iod->wide)
                if (!w->streams) {
                        *w = (WidePipe){ .streams = s, .stream = stream };
                        return;
                }
}

/* One chunk. Its size, 0 at the end, negative errno. */
static ssize_t streams_pump(Streams *s, RecordStream stream) {
        Iod *iod = s->iod;
        int64_t now = log_file_now(s);
        size_t max = s->slot->flags & SLOT_MEMORY ? CHUNK_MEMORY_MAX : SPOOL_SIZE;
        ssize_t n;
        int r;

        /* Others may have emptied the file. */
        s->log_size = streams_file_size(s->log_fd);
        spool_begin(&iod->spool, &iod->table, s->slot, stream, s->log_size, now);
        n = spool_fill(&iod->spool, s->pipes[1 + stream], max);
        if (n <= 0)
                return n;
        log_file_deliver(s, 0, (size_t) n);
        s->slot->state.n_bytes += (size_t) n;
        r = spool_clear(&iod->spool);
        if (r < 0)
                return r;
        copy_on_written(s, (size_t) n);
        if ((size_t) n >= s->pipe_size[stream])
                widen_pipe(s, stream, now);
        return n;
}

static int streams_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Streams *s = userdata;
        RecordStream stream = source == s->sources[RECORD_STDOUT] ? RECORD_STDOUT : RECORD_STDERR;
        ssize_t n;

        n = streams_pump(s, stream);
        if (n == -EAGAIN || n == -EINTR || n > 0)
                return 0;
        if (n < 0) {
                /* The container waits, and we are started again with nothing lost. */
                log_error("container %s: move its output: %s, starting again",
                          s->slot->id,
                          STRERROR((int) n));
                return (int) n;
        }
        s->sources[stream] = sd_event_source_disable_unref(s->sources[stream]);
        if (!s->sources[RECORD_STDOUT] && !s->sources[RECORD_STDERR])
                release_pipes(s);
        return 0;
}

int streams_watch(Streams *s) {
        int r;

        for (RecordStream i = 0; i < _RECORD_STREAM_MAX; i++) {
                int fd = s->pipes[1 + i];

                if (fd < 0)
                        continue;
                s->pipe_size[i] = (unsigned) MAX(fcntl(fd, F_GETPIPE_SZ), 0);
                r = sd_event_add_io(s->iod->event, &s->sources[i], fd, EPOLLIN, streams_on_io, s);
                if (r >= 0) /* else the loop would end quietly when the handler fails */
                        r = sd_event_source_set_exit_on_failure(s->sources[i], true);
                if (r < 0)
                        return r;
                if (s->pipe_size[i] >= PIPE_WIDE_SIZE)
                        adopt_wide(s, i);
        }
        return 0;
}

void streams_drain(Streams *s, uint64_t *ret_bytes) {
        for (RecordStream i = 0; i < _RECORD_STREAM_MAX; i++) {
                int left = 0;

                if (s->pipes[1 + i] < 0 || ioctl(s->pipes[1 + i], FIONREAD, &left) < 0)
                        continue;
                while (left > 0) {
                        ssize_t n = streams_pump(s, i);

                        if (n <= 0)
                                break;
                        left -= (int) n;
                }
        }
        log_file_say_lost(s);
        *ret_bytes = s->slot->state.n_bytes;
}

void streams_set_pid(Streams *s, pid_t pid) {
        s->slot->pid = pid;
}

static int make_pipe(int *ret_read, int *ret_write) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void) fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE); /* only makes it smaller */
        *ret_read = fds[0];
        *ret_write = fds[1];
        return 0;
}

static int pipe_inode(int fd, uint64_t *ret) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        *ret = st.st_ino;
        return 0;
}

static int make_pipes(Streams *s, bool stdin_open, int *fds) {
        int r = 0;

        if (stdin_open)
                r = make_pipe(&fds[0], &s->pipes[0]);
        for (size_t i = 1; i < ELEMENTSOF(s->pipes) && r >= 0; i++)
                r = make_pipe(&s->pipes[i], &fds[i]);
        for (size_t i = 0; i < ELEMENTSOF(s->pipes) && r >= 0; i++) {
                if (s->pipes[i] < 0)
                        continue;
                r = fd_set_nonblock(s->pipes[i], true);
                if (r >= 0)
                        r = pipe_inode(s->pipes[i], &s->slot->inodes[i]);
        }
        return r;
}

/* Fields that do not fit are left out. */
static void fill_fields(Slot *slot, char *const *fields) {
        size_t size = 0;

        STRV_FOREACH(f, fields) {
                size_t n = strlen(*f);

                if (strchr(*f, '\n') || size + n + 2 > SLOT_FIELDS_MAX) {
                        log_warning("container %s: no room for journal field %.32s, leaving it out",
                                    slot->id,
                                    *f);
                        continue;
                }
                memcpy(slot->fields + size, *f, n);
                slot->fields[size + n] = '\n';
                size += n + 1;
        }
        slot->fields[size] = '\0';
}

static void fill_slot(Slot *slot, const StreamsSpec *spec) {
        memcpy(slot->id, spec->id, sizeof(slot->id));
        slot->log_size_max = spec->log_fd >= 0 && spec->log_dir_fd >= 0 ? spec->log_size_max : -1;
        if (slot->log_size_max >= 0)
                memcpy(slot->log_name, spec->log_name, strlen(spec->log_name) + 1);
        if (spec->journal) {
                slot->flags |= SLOT_JOURNAL | (spec->log_fd < 0 ? SLOT_MEMORY : 0);
                fill_fields(slot, spec->fields);
        }
}

static int open_log(Streams *s, const StreamsSpec *spec) {
        if (s->slot->flags & SLOT_MEMORY) {
                s->log_fd = memfd_create("lines", MFD_CLOEXEC);
                if (s->log_fd < 0 || fcntl(s->log_fd, F_SETFL, O_APPEND) < 0)
                        return -errno;
        } else if (spec->log_fd >= 0) {
                s->log_fd = fd_dup(spec->log_fd);
                if (s->log_fd < 0)
                        return s->log_fd;
                s->slot->cursor = slot_cursor(0, (uint64_t) streams_file_size(s->log_fd));
        }
        if (s->slot->log_size_max >= 0) {
                s->dir_fd = fd_dup(spec->log_dir_fd);
                return MIN(s->dir_fd, 0);
        }
        return 0;
}

static int store_all(Streams *s) {
        int fds[ELEMENTSOF(s->pipes) + 1], r;
        char name[STORE_NAME_MAX];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(s->pipes); i++)
                if (s->pipes[i] >= 0)
                        fds[n++] = s->pipes[i];
        if (s->dir_fd >= 0)
                fds[n++] = s->dir_fd;
        streams_store_name(s, name);
        r = fd_store_push(name, fds, n);
        if (r < 0 || s->log_fd < 0)
                return r;
        streams_store_log_name(s, 0, name);
        return fd_store_push(name, &s->log_fd, 1);
}

static int setup(Streams *s, const StreamsSpec *spec, int *fds) {
        int r;

        r = open_log(s, spec);
        if (r >= 0)
                r = make_pipes(s, spec->stdin_open, fds);
        if (r >= 0)
                r = streams_watch(s);
        return r < 0 ? r : store_all(s);
}

static Slot *find_slot(Iod *iod) {
        Slot *slot;

        while (!(slot = table_find_free(&iod->table)))
                if (!copy_sacrifice(iod))
                        return NULL;
        return slot;
}

int streams_open(Iod *iod, const StreamsSpec *spec, int ret_fds[3], Error *error) {
        Streams *s = iod_find(iod, spec->id);
        int fds[3] = { -EBADF, -EBADF, -EBADF }, r;
        Slot *slot;

        if (s)
                streams_close(s);
        slot = find_slot(iod);
        if (!slot)
                return error_set(
                                error,
                                -ENOSPC,
                                STATUS_RESOURCE_EXHAUSTED,
                                "%zu containers have open streams, there can not be more",
                                iod->table.n_slots);
        fill_slot(slot, spec);
        r = streams_new(iod, slot, &s);
        if (r < 0)
                return r;
        r = setup(s, spec, fds);
        if (r < 0) {
                for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                        close_fd(fds[i]);
                streams_forget(s);
                return error_set(error, r, STATUS_INTERNAL, "streams: %s", STRERROR(r));
        }
        (void) fault_point("open", "store", "after");
        slot->used = 1;
        (void) fault_point("open", "commit", "after");
        memcpy(ret_fds, fds, sizeof(fds));
        return 0;
}
