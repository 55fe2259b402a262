/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The beginning and the end of an Iod: what a process before us left in the fd store and in the Table.
 */

#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/number.h"
#include "stdio/log-file.h"
#include "stdio/store.h"
#include "stdio/streams-internal.h"

/* Of one slice of a chunk: its lines may all be empty. */
#define RECORDS_MAX (4 * MIB)
/* Pipes, the directory, two log files; beside them the table and the spool. */
#define FDS_PER_SLOT 6
#define FDS_OF_ALL 2

static int load_slots(Iod *iod) {
        Slot *slot;

        for (size_t i = 0; (slot = table_find_used(&iod->table, &i)); i++) {
                Streams *s;
                int r;

                r = id_is_valid(slot->id) ? streams_new(iod, slot, &s) : -EBADMSG;
                if (r < 0)
                        return r;
                iod->restored[i] = s;
        }
        return 0;
}

int iod_init(Iod *iod, sd_event *event, int table_fd, int spool_fd) {
        size_t n_slots = fd_store_get_max();
        int r;

        *iod = IOD_INIT;
        iod->event = event;
        iod->records = BUFFER_INIT(RECORDS_MAX);
        n_slots = n_slots > FDS_OF_ALL ? (n_slots - FDS_OF_ALL) / FDS_PER_SLOT : 0;
        r = hashmap_new(&iod->streams);
        if (r >= 0)
                r = table_init(&iod->table, table_fd, MAX(n_slots, (size_t) 1));
        if (r >= 0)
                r = spool_init(&iod->spool, spool_fd, iod->table.chunk);
        else
                close_fd(spool_fd);
        if (r >= 0)
                r = copy_init(iod);
        if (r < 0 || table_fd < 0)
                return r;
        iod->restored = new0(Streams *, TABLE_SLOTS_MAX);
        return iod->restored ? load_slots(iod) : -ENOMEM;
}

void iod_done(Iod *iod) {
        Streams *s;

        copy_done(iod); /* frees those that only wait for it */
        while ((s = hashmap_first(iod->streams)))
                streams_free(s);
        hashmap_free(iod->streams);
        free(iod->restored);
        spool_done(&iod->spool);
        table_done(&iod->table);
        buffer_done(&iod->records);
}

static bool add_pipe(Streams *s, int fd, const struct stat *st) {
        if (s->slot->flags & SLOT_ENDED)
                return false;
        if (S_ISDIR(st->st_mode)) {
                close_fd(s->dir_fd);
                s->dir_fd = fd;
                return true;
        }
        for (size_t i = 0; i < ELEMENTSOF(s->pipes); i++)
                if (S_ISFIFO(st->st_mode) && s->slot->inodes[i] == st->st_ino && s->pipes[i] < 0) {
                        s->pipes[i] = fd;
                        return true;
                }
        return false;
}

static bool add_log(Streams *s, int fd, uint64_t parity) {
        int *to = (s->slot->generation & 1) == parity ? &s->log_fd :
                        slot_copies_old(s->slot)      ? &s->old_fd :
                                                        NULL;

        if (!to || *to >= 0)
                return false;
        *to = fd;
        return true;
}

void iod_add_stored(Iod *iod, const char *name, int fd) {
        bool log = *name == 'a' || *name == 'b', taken = false;
        struct stat st;
        uint64_t i;

        if (iod->restored && parse_u64(name + log, TABLE_SLOTS_MAX - 1, &i) >= 0 && iod->restored[i] &&
            fstat(fd, &st) >= 0)
                taken = log ? add_log(iod->restored[i], fd, *name == 'b') :
                              add_pipe(iod->restored[i], fd, &st);
        if (taken)
                return;
        /* Of something that was begun or not ended when the process before us was killed. */
        close_fd(fd);
        (void) fd_store_remove(name); /* is found again at worst */
}

/* The chunk that was under way when a process before us ended. */
static void redo(Iod *iod) {
        const Chunk *c = iod->table.chunk;
        ssize_t size = spool_get_size(&iod->spool);
        Streams *s = c->slot < TABLE_SLOTS_MAX && c->stream < _RECORD_STREAM_MAX ? iod->restored[c->slot] :
                                                                                   NULL;
        const ChunkMark *mark;

        if (size <= 0)
                return;
        if (!c->begun || !s) {
                log_error("%zd bytes of output belong to no container, dropping them", size);
                (void) spool_clear(&iod->spool); /* would be found again */
                return;
        }
        mark = &c->marks[s->slot->generation & 1];
        log_info("container %s: finishing %zd bytes of output", s->slot->id, size);
        s->slot->state = mark->state;
        s->log_size = MIN(streams_file_size(s->log_fd), mark->log_size); /* others may have emptied it */
        if (s->log_fd >= 0 && ftruncate(s->log_fd, s->log_size) < 0)
                log_warning("container %s: cut its log: %m, records may be there twice", s->slot->id);
        log_file_deliver(s, MIN(mark->offset, (uint64_t) size), (size_t) size);
        s->slot->state.n_bytes += (size_t) size;
        (void) spool_clear(&iod->spool); /* a failure is found by the next chunk */
}

static int restore_one(Streams *s) {
        Slot *slot = s->slot;

        if (!(slot->flags & SLOT_ENDED) && (s->pipes[1] < 0 || s->pipes[2] < 0)) {
                log_error("container %s: its pipes were not kept, its output is lost", slot->id);
                slot->flags |= SLOT_ENDED;
        }
        if (slot_copies_old(slot) && s->old_fd < 0)
                copy_give_up_old(s);
        if (slot->flags & SLOT_CLOSED && copy_is_done(s)) {
                streams_forget(s);
                return 0;
        }
        copy_wake(s);
        return slot->flags & SLOT_ENDED ? 0 : streams_watch(s);
}

int iod_restore(Iod *iod) {
        int r = 0;

        if (!iod->restored)
                return 0;
        redo(iod);
        for (size_t i = 0; i < TABLE_SLOTS_MAX && r >= 0; i++)
                if (iod->restored[i])
                        r = restore_one(iod->restored[i]);
        free(TAKE_PTR(iod->restored));
        return r;
}
