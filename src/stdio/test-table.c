/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "basic/fd.h"
#include "basic/test.h"
#include "stdio/table.h"

#define N_SLOTS 100

static size_t pages(const Table *t) {
        struct stat st;

        ASSERT_TRUE(fstat(t->fd, &st) >= 0);
        return (size_t) st.st_blocks * 512 / SLOT_SIZE;
}

static size_t count_used(const Table *t) {
        size_t n = 0;

        for (size_t i = 0; table_find_used(t, &i); i++)
                n++;
        return n;
}

static Slot *take(Table *t) {
        Slot *slot = table_find_free(t);

        ASSERT_TRUE(slot);
        slot->used = 1;
        return slot;
}

/* Only slots in use cost memory: not free ones, not freed ones, not those that the next process looks at. */
static void test_memory(void) {
        Table t, again;
        Slot *slots[3];

        ASSERT_TRUE(table_init(&t, -EBADF, N_SLOTS) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(slots); i++)
                slots[i] = take(&t);
        ASSERT_EQ(count_used(&t), 3);
        table_free(&t, slots[1]);
        ASSERT_EQ(count_used(&t), 2);
        ASSERT_EQ(pages(&t), 1 + 2);

        ASSERT_TRUE(table_init(&again, fd_dup(t.fd), N_SLOTS) >= 0);
        ASSERT_EQ(count_used(&again), 2);
        ASSERT_EQ(pages(&again), 1 + 2);
        table_done(&again);
        table_done(&t);
}

static void test_full(void) {
        Slot *slot = NULL;
        Table t;

        ASSERT_TRUE(table_init(&t, -EBADF, N_SLOTS) >= 0);
        for (size_t i = 0; i < N_SLOTS; i++)
                slot = take(&t);
        ASSERT_TRUE(!table_find_free(&t));
        slot->id[0] = 'x';
        table_free(&t, slot);
        ASSERT_EQ(take(&t)->id[0], '\0');
        table_done(&t);
}

TEST_MAIN(TEST(test_memory), TEST(test_full));
