/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/spool.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fault.h"
#include "basic/fd.h"
#include "stdio/store.h"

/* What is kept when no chunk is bigger. */
#define KEPT_MAX (64 * KIB)

int spool_init(Spool *s, int fd, Chunk *chunk) {
        bool found = fd >= 0;

        *s = (Spool){ .fd = fd, .chunk = chunk, .kept = SPOOL_SIZE };
        if (!found) {
                s->fd = memfd_create("spool", MFD_CLOEXEC);
                if (s->fd < 0)
                        return -errno;
        }
        s->data = mmap(NULL, SPOOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
        if (s->data == MAP_FAILED) {
                s->data = NULL;
                return -errno;
        }
        return found ? 0 : fd_store_push("spool", &s->fd, 1);
}

void spool_done(Spool *s) {
        if (s->data)
                (void) munmap(s->data, SPOOL_SIZE); /* of a mapping of ours */
        close_fd(s->fd);
        *s = SPOOL_INIT;
}

ssize_t spool_get_size(const Spool *s) {
        off_t size = lseek(s->fd, 0, SEEK_CUR);

        return size < 0 ? -errno : (ssize_t) size;
}

void spool_begin(
                Spool *s,
                const Table *table,
                const Slot *slot,
                RecordStream stream,
                int64_t log_size,
                int64_t realtime_nsec) {
        Chunk *c = s->chunk;

        (void) fault_point("chunk", "begin", "before"); /* only "kill" makes sense, here and below */
        c->slot = (uint32_t) table_index(table, slot);
        c->stream = stream;
        c->realtime_nsec = realtime_nsec;
        c->marks[slot->generation & 1] = (ChunkMark){ .log_size = log_size, .state = slot->state };
        atomic_signal_fence(memory_order_seq_cst); /* only our own death can come in between */
        c->begun = 1;
        atomic_signal_fence(memory_order_seq_cst);
        (void) fault_point("chunk", "begin", "after");
}

ssize_t spool_fill(Spool *s, int pipe_fd, size_t max_bytes) {
        ssize_t n;

        n = splice(pipe_fd,
                   NULL,
                   s->fd,
                   NULL,
                   MIN(max_bytes, (size_t) SPOOL_SIZE),
                   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (n < 0)
                return -errno;
        if (n > 0)
                (void) fault_point("chunk", "fill", "after");
        s->size = (size_t) n;
        s->kept = MAX(s->kept, s->size);
        return n;
}

void spool_mark(Spool *s, const Slot *slot, size_t offset) {
        s->chunk->marks[(slot->generation + 1) & 1] = (ChunkMark){ .offset = offset, .state = slot->state };
        atomic_signal_fence(memory_order_seq_cst);
}

/* Gives memory back that a flood had needed. */
static void spool_trim(Spool *s) {
        if (s->kept <= KEPT_MAX || s->size > KEPT_MAX)
                return;
        if (ftruncate(s->fd, 0) >= 0) /* else with the next chunk */
                s->kept = 0;
}

int spool_clear(Spool *s) {
        (void) fault_point("chunk", "clear", "before");
        if (lseek(s->fd, 0, SEEK_SET) < 0)
                return -errno;
        (void) fault_point("chunk", "clear", "after");
        s->chunk->begun = 0;
        (void) fault_point("chunk", "end", "after");
        spool_trim(s);
        return 0;
}
