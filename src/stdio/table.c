/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "stdio/store.h"

/* Changes when a process of another version could not read what is there. */
#define TABLE_MAGIC UINT64_C(0x31646f692d697263) /* "cri-iod1" */
#define TABLE_SIZE ((TABLE_SLOTS_MAX + 1) * (size_t) SLOT_SIZE)

typedef struct TableHead {
        uint64_t magic;
        Chunk chunk;
} TableHead;

static_assert(sizeof(TableHead) <= SLOT_SIZE, "the head has one page");
static_assert(SLOT_FIELDS_MAX >= 3 * KIB, "fields of the journal have little room");

static int table_map(Table *t) {
        struct stat st;

        if (fstat(t->fd, &st) < 0)
                return -errno;
        if (st.st_size != (off_t) TABLE_SIZE)
                return -EBADMSG;
        t->map = mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
        if (t->map == MAP_FAILED) {
                t->map = NULL;
                return -errno;
        }
        t->chunk = &((TableHead *) t->map)->chunk;
        return 0;
}

int table_init(Table *t, int fd, size_t n_slots) {
        bool found = fd >= 0;
        int r;

        *t = (Table){ .fd = fd, .n_slots = MIN(n_slots, (size_t) TABLE_SLOTS_MAX) };
        if (!found) {
                t->fd = memfd_create("table", MFD_CLOEXEC);
                if (t->fd < 0 || ftruncate(t->fd, (off_t) TABLE_SIZE) < 0)
                        return -errno;
        }
        r = table_map(t);
        if (r < 0)
                return r;
        if (found)
                return ((TableHead *) t->map)->magic == TABLE_MAGIC ? 0 : -EBADMSG;
        ((TableHead *) t->map)->magic = TABLE_MAGIC;
        return fd_store_push("table", &t->fd, 1);
}

void table_done(Table *t) {
        if (t->map)
                (void) munmap(t->map, TABLE_SIZE); /* of a mapping of ours */
        close_fd(t->fd);
        *t = TABLE_INIT;
}

Slot *table_get(const Table *t, size_t i) {
        assert(i < TABLE_SLOTS_MAX);
        return (Slot *) ((char *) t->map + (i + 1) * SLOT_SIZE);
}

size_t table_index(const Table *t, const Slot *slot) {
        return (size_t) ((const char *) slot - (const char *) t->map) / SLOT_SIZE - 1;
}

Slot *table_find_free(Table *t) {
        for (size_t i = 0; i < t->n_slots; i++) {
                Slot *slot = table_get(t, (t->next + i) % t->n_slots);

                if (slot->used)
                        continue;
                t->next = (t->next + i + 1) % t->n_slots;
                memset(slot, 0, SLOT_SIZE);
                return slot;
        }
        return NULL;
}

static off_t slot_offset(size_t i) {
        return (off_t) ((i + 1) * SLOT_SIZE);
}

void table_free(Table *t, Slot *slot) {
        slot->used = 0;
        (void) fallocate(
                        t->fd,
                        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        slot_offset(table_index(t, slot)),
                        SLOT_SIZE); /* else it stays where it is */
}

Slot *table_find_used(const Table *t, size_t *i) {
        while (*i < TABLE_SLOTS_MAX) {
                off_t offset = lseek(t->fd, slot_offset(*i), SEEK_DATA);
                Slot *slot;

                if (offset < 0)
                        break; /* nothing but a hole up to the end */
                *i = (size_t) offset / SLOT_SIZE - 1;
                slot = table_get(t, *i);
                if (slot->used)
                        return slot;
                (*i)++;
        }
        return NULL;
}
