/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Table: what has to be known about each container after our death, in memory that outlives us.
 *
 * One page (Slot) for each container, in a memory file that is kept in the fd store and mapped: changing
 * something is a store, not a system call, and an idle container costs a page. The number of the slot names
 * the container's descriptors in the fd store: names have to be short, because systemd hands all of them
 * over in one environment variable, which may not be longer than 128 KiB.
 *
 * Rule: a Slot is whole at any instruction. What belongs together and does not fit into one store is written
 * where nobody looks yet, and one store makes it count.
 */

#include "basic/error.h"
#include "basic/id.h"
#include "stdio/record.h"

#define TABLE_SLOTS_MAX 4096
#define TABLE_LOG_NAME_MAX 256
#define SLOT_SIZE 4096

/* Bits of Slot.flags. */
typedef enum SlotFlag {
        SLOT_JOURNAL = 1 << 0, /* lines are copied to the journal */
        SLOT_MEMORY = 1 << 1,  /* no log file: the "log" is a memory file, the queue of the journal copy */
        SLOT_ENDED = 1 << 2,   /* nobody can write any more: the pipes are gone */
        SLOT_CLOSED = 1 << 3,  /* forgotten by crio, only the journal copy is not finished */
} SlotFlag;

/* What a chunk changes; goes back to what it was when the chunk is done again. */
typedef struct SlotState {
        int64_t log_nsec;                  /* latest time in the log file; 0: none */
        uint64_t n_bytes;                  /* that came out of the pipes */
        uint64_t n_records;                /* in all log files so far */
        uint64_t lost_records, lost_bytes; /* could not be written, and the log does not say so yet */
        int32_t lost_errno;                /* why */
        uint32_t partial;                  /* bit of each stream whose last record is a partial one */
} SlotState;

typedef struct Slot {
        _Atomic uint32_t used; /* 0: everything else is meaningless */
        _Atomic uint32_t flags;
        uint64_t inodes[3]; /* of the pipes, to tell them apart in the fd store; 0: none */
        int64_t log_size_max;
        int32_t pid;
        /* Number of the log file, counted by each rotation; its lowest bit tells files in the fd store
         * apart. */
        _Atomic uint64_t generation;
        /* Journal copy: next byte to copy, and in which file (slot_cursor()). */
        _Atomic uint64_t cursor;
        uint64_t n_copied;  /* records copied or given up */
        uint64_t n_gap;     /* given up, and the journal does not say so yet */
        uint64_t n_rotated; /* records before the present log file */
        SlotState state;
        char id[ID_SIZE + 1];
        char log_name[TABLE_LOG_NAME_MAX];
        char fields[]; /* "NAME=value\n…" for the journal, NUL-terminated */
} Slot;

#define SLOT_FIELDS_MAX (SLOT_SIZE - sizeof(Slot))

/* Where a chunk, or the rest of it after a change of the log file, begins. */
typedef struct ChunkMark {
        uint64_t offset;  /* in the chunk's bytes */
        int64_t log_size; /* of the log file then */
        SlotState state;
} ChunkMark;

/* The chunk under way. marks: by the lowest bit of Slot.generation. */
typedef struct Chunk {
        _Atomic uint32_t begun;
        uint32_t slot, stream;
        int64_t realtime_nsec;
        ChunkMark marks[2];
} Chunk;

typedef struct Table {
        int fd;
        void *map;
        Chunk *chunk;
        size_t n_slots, next; /* how many may be used; where to look for a free one */
} Table;

#define TABLE_INIT ((Table){ .fd = -EBADF })

/**
 * table_init() - map it
 * @fd:       of a process before us, taken over; negative: a new one is made and put into the fd store
 * @n_slots:  at most TABLE_SLOTS_MAX
 *
 * Return: 0, -EBADMSG (made by a version that we can not read), negative errno.
 */
int table_init(Table *t, int fd, size_t n_slots);
void table_done(Table *t);

/* By its number, below TABLE_SLOTS_MAX, and back. */
Slot *table_get(const Table *t, size_t i);
/* See table_get(). */
size_t table_index(const Table *t, const Slot *slot);

/* A free slot, zeroed, that is not used yet; NULL when all are taken. */
Slot *table_find_free(Table *t);

/* Not used any more; its page goes back to the system. */
void table_free(Table *t, Slot *slot);

/* The first used slot from number *@i on, which is then its number; NULL at the end. Touches no page of
 * another: each would cost memory. */
Slot *table_find_used(const Table *t, size_t *i);

/* Generation (its low 16 bits) and offset in one word. */
static inline uint64_t slot_cursor(uint64_t generation, uint64_t offset) {
        return (generation & UINT16_MAX) << 48 | offset;
}

/* The offset of Slot.cursor. */
static inline uint64_t slot_cursor_offset(const Slot *slot) {
        return slot->cursor & ((UINT64_C(1) << 48) - 1);
}

/* Whether the journal copy still reads the log file before the present one. */
static inline bool slot_copies_old(const Slot *slot) {
        return slot->cursor >> 48 != (slot->generation & UINT16_MAX);
}
