/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/spool.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "stdio/store.h"

static int open_memory(const char *name, size_t size, int *fd) {
        int r;

        if (*fd >= 0)
                return 0;
        *fd = memfd_create(name, MFD_CLOEXEC);
        if (*fd < 0)
                return -errno;
        if (ftruncate(*fd, (off_t) size) < 0)
                return -errno;
        r = fd_store_push(name, *fd);
        return r;
}

static int map(int fd, size_t size, void *ret) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (p == MAP_FAILED)
                return -errno;
        *(void **) ret = p;
        return 0;
}

int spool_init(Spool *s, int data_fd, int entry_fd) {
        int r;

        *s = (Spool){ .data_fd = data_fd, .entry_fd = entry_fd };
        r = open_memory("spool", 0, &s->data_fd);
        if (r >= 0)
                r = open_memory("journal", sizeof(SpoolEntry), &s->entry_fd);
        if (r >= 0)
                r = map(s->data_fd, SPOOL_SIZE, &s->data);
        if (r >= 0)
                r = map(s->entry_fd, sizeof(SpoolEntry), &s->entry);
        return r;
}

void spool_done(Spool *s) {
        if (s->data)
                (void) munmap(s->data, SPOOL_SIZE); /* of a mapping of ours */
        if (s->entry)
                (void) munmap(s->entry, sizeof(SpoolEntry));
        close_fd(s->data_fd);
        close_fd(s->entry_fd);
        *s = SPOOL_INIT;
}

ssize_t spool_get_size(const Spool *s) {
        struct stat st;

        return fstat(s->data_fd, &st) < 0 ? -errno : (ssize_t) st.st_size;
}

ssize_t
spool_fill(Spool *s,
           const char *id,
           RecordStream stream,
           int pipe_fd,
           int64_t log_size,
           int64_t realtime_nsec) {
        SpoolEntry *e = s->entry;
        loff_t offset = 0;
        ssize_t n;

        e->stream = stream;
        e->log_size = log_size;
        e->realtime_nsec = realtime_nsec;
        memcpy(e->id, id, sizeof(e->id));
        atomic_signal_fence(memory_order_seq_cst); /* only our own death can come in between */
        e->begun = 1;
        atomic_signal_fence(memory_order_seq_cst);

        n = splice(pipe_fd, NULL, s->data_fd, &offset, SPOOL_SIZE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        return n < 0 ? -errno : n;
}

int spool_clear(Spool *s) {
        if (ftruncate(s->data_fd, 0) < 0)
                return -errno;
        atomic_signal_fence(memory_order_seq_cst);
        s->entry->begun = 0;
        return 0;
}
