/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/log-file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "stdio/store.h"
#include "stdio/streams-internal.h"

#define LOG_MODE 0640
/* Bytes formatted and written at once; bounds the memory, since a line of nothing becomes a record of 41. */
#define SLICE_MAX (64 * KIB)
/* With log_size_max a slice that does not fit into a whole file is halved down to this. */
#define SLICE_MIN 64

int64_t log_file_now(const Streams *s) {
        return MAX(now_realtime_nsec(), s->slot->state.log_nsec);
}

static size_t count_records(const char *data, size_t size) {
        const char *end = data + size;
        size_t n = 0;

        while (data < end && (data = memchr(data, '\n', (size_t) (end - data)))) {
                data++;
                n++;
        }
        return n;
}

/* Writes whole records; how many bytes of them. *ret_error: why not all, 0 otherwise. */
static size_t write_records(Streams *s, const char *data, size_t size, int *ret_error) {
        size_t done = 0;

        *ret_error = 0;
        while (done < size) {
                ssize_t n = write(s->log_fd, data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        *ret_error = n < 0 ? errno : EIO;
                        break;
                }
                done += (size_t) n;
        }
        if (done < size) {
                size_t torn = done;

                while (done > 0 && data[done - 1] != '\n')
                        done--;
                if (torn > done && ftruncate(s->log_fd, s->log_size + (int64_t) done) < 0)
                        log_warning("container %s: a torn record stays in its log: %m", s->slot->id);
        }
        s->log_size += (int64_t) done;
        return done;
}

/* Ends lines whose rest is lost, and says how much that is. */
static int format_loss(Streams *s, int64_t realtime_nsec, Buffer *b, size_t *ret_n) {
        const SlotState *state = &s->slot->state;
        char text[160];
        RecordRun run;
        int r = 0, n;

        *ret_n = 1;
        for (RecordStream i = 0; i < _RECORD_STREAM_MAX && r >= 0; i++)
                if (state->partial & 1U << i) {
                        r = record_format(b, i, realtime_nsec, "\n", 1, &run);
                        (*ret_n)++;
                }
        n = snprintf(text,
                     sizeof(text),
                     "[crio-iod: %" PRIu64 " records (%" PRIu64 " bytes) are missing here: %s]\n",
                     state->lost_records,
                     state->lost_bytes,
                     STRERROR(state->lost_errno));
        return r < 0 ? r : record_format(b, RECORD_STDERR, realtime_nsec, text, (size_t) n, &run);
}

/* All or nothing. */
static bool write_loss(Streams *s, int64_t realtime_nsec) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(4 * KIB);
        SlotState *state = &s->slot->state;
        int64_t size = s->log_size;
        size_t n;
        int error;

        if (state->lost_records == 0)
                return true;
        if (format_loss(s, realtime_nsec, &b, &n) < 0)
                return false;
        if (write_records(s, b.data, b.size, &error) < b.size) {
                if (s->log_size > size && ftruncate(s->log_fd, size) >= 0)
                        s->log_size = size;
                return false;
        }
        log_warning("container %s: its log is written again, %" PRIu64 " records were dropped",
                    s->slot->id,
                    state->lost_records);
        state->n_records += n;
        state->partial = 0;
        state->log_nsec = realtime_nsec;
        state->lost_records = state->lost_bytes = 0;
        return true;
}

static void count_loss(Streams *s, size_t n_records, size_t n_bytes, int error) {
        SlotState *state = &s->slot->state;

        if (state->lost_records == 0)
                log_warning("container %s: log can not be written: %s, dropping output",
                            s->slot->id,
                            STRERROR(error));
        state->lost_records += n_records;
        state->lost_bytes += n_bytes;
        state->lost_errno = error;
}

static bool last_is_partial(const char *data, size_t size) {
        const char *newline = memrchr(data, '\n', size - 1), *line = newline ? newline + 1 : data;
        Record record;

        return record_parse(line, (size_t) (data + size - 1 - line), &record) >= 0 && record.partial;
}

/* Appends the formatted slice. */
static void append(Streams *s, const Chunk *c, const RecordRun *run) {
        const Buffer *b = &s->iod->records;
        SlotState *state = &s->slot->state;
        bool partial = run->partial;
        size_t done, n = run->n;
        int error;

        if (!write_loss(s, c->realtime_nsec)) {
                count_loss(s, n, b->size, state->lost_errno);
                return;
        }
        done = write_records(s, b->data, b->size, &error);
        if (done < b->size) {
                size_t lost = count_records(b->data + done, b->size - done);

                count_loss(s, lost, b->size - done, error);
                n -= lost;
                partial = n > 0 && last_is_partial(b->data, done);
        }
        if (n == 0)
                return;
        state->n_records += n;
        state->log_nsec = c->realtime_nsec;
        state->partial = (state->partial & ~(1U << c->stream)) | (partial ? 1U << c->stream : 0);
}

/* An empty file in the place of the present one; readers that have that open still see it. */
static int open_next(Streams *s) {
        if (unlinkat(s->dir_fd, s->slot->log_name, 0) < 0 && errno != ENOENT)
                return -errno;
        return open_at(s->dir_fd,
                       s->slot->log_name,
                       O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_NOCTTY,
                       LOG_MODE);
}

/* log_size_max: the file starts again before it would grow beyond. */
static void limit_size(Streams *s, size_t offset) {
        int64_t size = (int64_t) s->iod->records.size;
        int fd, r;

        if (s->slot->log_size_max < 0 || s->dir_fd < 0 || s->log_size == 0 ||
            s->log_size + size <= s->slot->log_size_max)
                return;
        fd = open_next(s);
        r = fd < 0 ? fd : log_file_switch(s, fd, offset);
        if (r < 0) {
                log_warning("container %s: start its log again: %s, emptying the file",
                            s->slot->id,
                            STRERROR(r));
                s->iod->spool.chunk->marks[s->slot->generation & 1] =
                                (ChunkMark){ .offset = offset, .state = s->slot->state };
                if (ftruncate(s->log_fd, 0) >= 0)
                        s->log_size = 0;
        }
}

/* Formats what comes next; how many bytes of output that is. Negative errno on failure. */
static ssize_t format_slice(Streams *s, const Chunk *c, const char *data, size_t size, RecordRun *ret) {
        Buffer *b = &s->iod->records;
        size_t max = SLICE_MAX;

        for (;;) {
                size_t n = record_slice(data, size, max);
                int r;

                buffer_reset(b);
                r = record_format(b, c->stream, c->realtime_nsec, data, n, ret);
                if (r < 0)
                        return r;
                if (s->slot->log_size_max < 0 || b->size <= (size_t) s->slot->log_size_max ||
                    max <= SLICE_MIN)
                        return (ssize_t) n;
                max /= 2;
        }
}

void log_file_deliver(Streams *s, size_t offset, size_t size) {
        const Spool *spool = &s->iod->spool;

        while (offset < size && s->log_fd >= 0) {
                RecordRun run;
                ssize_t n = format_slice(s, spool->chunk, spool->data + offset, size - offset, &run);

                if (n < 0) {
                        count_loss(s, 1, size - offset, (int) -n);
                        break;
                }
                limit_size(s, offset);
                append(s, spool->chunk, &run);
                offset += (size_t) n;
                (void) fault_point("chunk", "write", offset < size ? "waiting" : "after");
        }
        buffer_reset(&s->iod->records);
}

int log_file_switch(Streams *s, int log_fd, size_t offset) {
        char name[STORE_NAME_MAX];
        Slot *slot = s->slot;
        int r;

        copy_give_up_old(s);
        streams_store_log_name(s, slot->generation + 1, name);
        r = fd_store_push(name, &log_fd, 1);
        if (r < 0) {
                close_fd(log_fd);
                return r;
        }
        (void) fault_point("switch", "push", "after");
        slot->n_rotated = slot->state.n_records;
        slot->state.log_nsec = 0;
        spool_mark(&s->iod->spool, slot, offset);
        slot->generation++; /* from here on the new one counts */
        (void) fault_point("switch", "commit", "after");

        s->old_fd = s->log_fd;
        s->log_fd = log_fd;
        s->log_size = 0;
        copy_file_changed(s);
        return 0;
}

void log_file_say_lost(Streams *s) {
        if (s->log_fd < 0 || s->slot->state.lost_records == 0)
                return;
        s->log_size = streams_file_size(s->log_fd);
        if (write_loss(s, log_file_now(s)))
                copy_wake(s);
}
