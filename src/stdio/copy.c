/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/copy.h"

#include <inttypes.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "stdio/journal.h"
#include "stdio/store.h"
#include "stdio/streams-internal.h"

/* Holds a whole record; about 300 short ones, a millisecond of work. */
#define BLOCK_SIZE (32 * KIB)
#define TURN_BYTES (32 * MIB)
#define RETRY_USEC (1 * USEC_PER_SEC)

static bool may_run(const Copy *c) {
        return c->first && c->fd >= 0 && !c->writable;
}

static void update_idle(Iod *iod) {
        int r = sd_event_source_set_enabled(
                        iod->copy.idle,
                        may_run(&iod->copy) ? SD_EVENT_ON : SD_EVENT_OFF);

        if (r < 0)
                log_warning("journal copy: %s, it goes on when more is written", STRERROR(r));
}

static void queue_add(Streams *s) {
        Copy *c = &s->iod->copy;

        s->in_copy = true;
        s->copy_next = NULL;
        s->copy_previous = c->last;
        if (c->last)
                c->last->copy_next = s;
        else
                c->first = s;
        c->last = s;
}

static void queue_remove(Streams *s) {
        Copy *c = &s->iod->copy;

        if (s->copy_previous)
                s->copy_previous->copy_next = s->copy_next;
        else
                c->first = s->copy_next;
        if (s->copy_next)
                s->copy_next->copy_previous = s->copy_previous;
        else
                c->last = s->copy_previous;
        s->in_copy = false;
}

void copy_wake(Streams *s) {
        if (!(s->slot->flags & SLOT_JOURNAL) || s->log_fd < 0 || s->in_copy)
                return;
        queue_add(s);
        update_idle(s->iod);
}

void copy_forget(Streams *s) {
        if (!s->in_copy)
                return;
        queue_remove(s);
        update_idle(s->iod);
}

static void drop_old(Streams *s) {
        char name[STORE_NAME_MAX];

        s->old_fd = close_fd(s->old_fd);
        streams_store_log_name(s, s->slot->generation + 1, name);
        (void) fd_store_remove(name); /* a stale entry is found at the next start */
}

static void give_up(Slot *slot, uint64_t n_records) {
        if (n_records > slot->n_copied) {
                slot->n_gap += n_records - slot->n_copied;
                slot->n_copied = n_records;
        }
}

void copy_give_up_old(Streams *s) {
        Slot *slot = s->slot;

        if (!slot_copies_old(slot))
                return;
        give_up(slot, slot->n_rotated);
        slot->cursor = slot_cursor(slot->generation, 0);
        drop_old(s);
}

void copy_file_changed(Streams *s) {
        Slot *slot = s->slot;

        if (!(slot->flags & SLOT_JOURNAL) ||
            (int64_t) slot_cursor_offset(slot) >= streams_file_size(s->old_fd)) {
                slot->cursor = slot_cursor(slot->generation, 0);
                drop_old(s);
        } else
                copy_wake(s);
}

/* Bytes that are not copied yet, in both files. */
static int64_t get_lag(const Streams *s) {
        int64_t offset = (int64_t) slot_cursor_offset(s->slot), size = streams_file_size(s->log_fd);

        return slot_copies_old(s->slot) ? MAX(streams_file_size(s->old_fd) - offset, 0) + size :
                                          size - offset;
}

bool copy_is_done(const Streams *s) {
        return s->log_fd < 0 || !(s->slot->flags & SLOT_JOURNAL) || (get_lag(s) <= 0 && s->slot->n_gap == 0);
}

/* Everything up to here is given up. */
static void skip_to_end(Streams *s) {
        Slot *slot = s->slot;

        copy_give_up_old(s);
        give_up(slot, slot->state.n_records);
        slot->cursor = slot_cursor(slot->generation, (uint64_t) streams_file_size(s->log_fd));
}

static void empty_memory(Streams *s) {
        if (s->slot->flags & SLOT_MEMORY && slot_cursor_offset(s->slot) > 0 && ftruncate(s->log_fd, 0) >= 0)
                s->slot->cursor = slot_cursor(s->slot->generation, 0);
}

/* The last record of the file is copied. Lines that vanished from it (others emptied it) are a gap. */
static void caught_up(Streams *s) {
        Slot *slot = s->slot;

        give_up(slot, slot->state.n_records);
        slot->n_copied = slot->state.n_records; /* a line that was sent twice was counted twice */
        empty_memory(s);
}

static int say_gap(Streams *s) {
        int r = 0;

        if (s->slot->n_gap > 0) {
                r = journal_send_gap(s->iod->copy.fd, s->slot, s->slot->n_gap);
                if (r >= 0)
                        s->slot->n_gap = 0;
        }
        return r;
}

static bool is_down(int r) {
        return r == -EAGAIN || r == -ECONNREFUSED || r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE ||
                        r == -ENOBUFS || r == -ENOMEM;
}

static int copy_line(Streams *s, const char *line, size_t size) {
        Slot *slot = s->slot;
        Record record;
        int r;

        if (record_parse(line, size, &record) < 0)
                record = (Record){ .content = line, .size = size };
        r = journal_send(s->iod->copy.fd, slot, &record);
        if (is_down(r))
                return r;
        if (r < 0) /* too long for the socket, or the like */
                slot->n_gap++;
        (void) fault_point("copy", "send", "after");
        slot->n_copied++;
        slot->cursor += size + 1;
        return 0;
}

/* Whole lines of a block. Number of bytes that were used, negative errno. */
static ssize_t copy_lines(Streams *s, const char *data, size_t size) {
        const char *p = data, *end = data + size, *newline;
        int r;

        while ((newline = memchr(p, '\n', (size_t) (end - p)))) {
                r = copy_line(s, p, (size_t) (newline - p));
                if (r < 0)
                        return r;
                p = newline + 1;
                if (p == end)
                        break;
        }
        /* No line of ours is as long as a block. */
        if (p == data && size == BLOCK_SIZE) {
                s->slot->cursor += size;
                p = end;
        }
        return p - data;
}

/* One turn. 1: there is more, 0: nothing for now, negative errno of journald. */
static int copy_block(Streams *s) {
        Slot *slot = s->slot;
        bool old = slot_copies_old(slot);
        int64_t lag = get_lag(s);
        ssize_t n;
        int r;

        if (!old && lag < 0) /* others emptied it */
                slot->cursor = slot_cursor(slot->generation, 0);
        if (lag > (int64_t) COPY_LAG_MAX) {
                skip_to_end(s);
                return 1;
        }
        r = say_gap(s);
        if (r < 0)
                return r;
        n = pread(old ? s->old_fd : s->log_fd,
                  s->iod->copy.block,
                  BLOCK_SIZE,
                  (off_t) slot_cursor_offset(slot));
        if (n > 0)
                n = copy_lines(s, s->iod->copy.block, (size_t) n);
        if (n > 0)
                return 1;
        if (is_down((int) n))
                return (int) n;
        if (old) {
                copy_give_up_old(s); /* nothing is left of it */
                return 1;
        }
        caught_up(s);
        return slot->n_gap > 0;
}

static int on_writable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Iod *iod = userdata;

        iod->copy.writable = sd_event_source_disable_unref(iod->copy.writable);
        update_idle(iod);
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Iod *iod = userdata;

        iod->copy.retry = sd_event_source_disable_unref(iod->copy.retry);
        iod->copy.fd = journal_open();
        if (iod->copy.fd < 0)
                return sd_event_add_time_relative(
                                iod->event,
                                &iod->copy.retry,
                                CLOCK_MONOTONIC,
                                RETRY_USEC,
                                0,
                                on_retry,
                                iod);
        update_idle(iod);
        return 0;
}

/* journald does not listen: wait until it does, or is there again. */
static int copy_wait(Iod *iod, int error) {
        Copy *c = &iod->copy;

        if (error == -EAGAIN)
                return sd_event_add_io(iod->event, &c->writable, c->fd, EPOLLOUT, on_writable, iod);
        c->fd = close_fd(c->fd);
        return sd_event_add_time_relative(
                        iod->event,
                        &c->retry,
                        CLOCK_MONOTONIC,
                        RETRY_USEC,
                        0,
                        on_retry,
                        iod);
}

static void copy_turn(Iod *iod) {
        Copy *c = &iod->copy;
        Streams *s = c->first;
        int r;

        if (!may_run(c))
                return;
        c->n_written = 0;
        r = copy_block(s);
        if (r < 0) {
                r = copy_wait(iod, r);
                if (r < 0)
                        log_warning("journal copy: %s, trying again at once", STRERROR(r));
        } else {
                queue_remove(s);
                if (r > 0)
                        queue_add(s);
                else if (s->slot->flags & SLOT_CLOSED)
                        streams_forget(s);
        }
        update_idle(iod);
}

static int on_idle(sd_event_source *source, void *userdata) {
        copy_turn(userdata);
        return 0;
}

void copy_on_written(Streams *s, size_t size) {
        copy_wake(s);
        /* Also when journald does not listen, and no turn comes. */
        if (s->slot->flags & SLOT_MEMORY && get_lag(s) > (int64_t) COPY_LAG_MEMORY_MAX) {
                skip_to_end(s);
                empty_memory(s);
        }
        s->iod->copy.n_written += size;
        if (s->iod->copy.n_written >= TURN_BYTES)
                copy_turn(s->iod);
}

bool copy_sacrifice(Iod *iod) {
        for (Streams *s = iod->copy.first; s; s = s->copy_next)
                if (s->slot->flags & SLOT_CLOSED) {
                        skip_to_end(s);
                        log_warning("container %s: %" PRIu64 " lines did not get into the journal",
                                    s->slot->id,
                                    s->slot->n_gap);
                        streams_forget(s);
                        return true;
                }
        return false;
}

int copy_init(Iod *iod) {
        Copy *c = &iod->copy;
        int r;

        *c = (Copy){ .fd = journal_open(), .block = malloc(BLOCK_SIZE) };
        if (!c->block)
                return -ENOMEM;
        r = sd_event_add_defer(iod->event, &c->idle, on_idle, iod);
        if (r >= 0)
                r = sd_event_source_set_priority(c->idle, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->idle, SD_EVENT_OFF);
        if (r >= 0 && c->fd < 0) {
                log_warning("journald: %s, trying again", STRERROR(c->fd));
                r = copy_wait(iod, c->fd);
        }
        return r;
}

void copy_done(Iod *iod) {
        Copy *c = &iod->copy;
        Streams *s;

        while ((s = c->first)) {
                queue_remove(s);
                if (s->slot->flags & SLOT_CLOSED)
                        streams_free(s);
        }
        sd_event_source_disable_unref(c->idle);
        sd_event_source_disable_unref(c->writable);
        sd_event_source_disable_unref(c->retry);
        free(c->block);
        close_fd(c->fd);
}
