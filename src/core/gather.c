/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gather.h"

struct GatherWaiter {
        OperationWaiter waiter;
        Gather *gather;
        GatherWaiter *next;
};

static void gather_note(Gather *g, int r, const Error *error) {
        if (r < 0 && g->r >= 0) {
                g->r = r;
                if (error)
                        error_copy(&g->error, error);
        }
        g->n_pending--;
}

static void gather_on_done(OperationWaiter *w, int r, const Error *error) {
        Gather *g = container_of(w, GatherWaiter, waiter)->gather;

        gather_note(g, r, error);
        if (g->n_pending > 0)
                return;
        if (g->forgiving)
                g->r = 0;
        else
                error_move(&g->operation->error, &g->error);
        operation_resume(g->operation, g->r);
}

void gather_begin(Gather *g, Operation *op) {
        gather_done(g);
        *g = (Gather){ .operation = op, .n_pending = 1 };
}

OperationWaiter *gather_add(Gather *g) {
        GatherWaiter *w = new0(GatherWaiter, 1);

        g->n_pending++;
        if (!w) {
                gather_note(g, -ENOMEM, NULL);
                return NULL;
        }
        *w = (GatherWaiter){ .waiter.on_done = gather_on_done, .gather = g, .next = g->waiters };
        g->waiters = w;
        return &w->waiter;
}

void gather_drop(Gather *g, OperationWaiter *w, int r, const Error *error) {
        gather_note(g, MIN(r, 0), error);
}

int gather_end(Gather *g) {
        g->n_pending--;
        if (g->n_pending > 0)
                return STEP_WAIT;
        if (g->forgiving)
                return STEP_DONE;
        error_move(&g->operation->error, &g->error);
        return g->r < 0 ? g->r : STEP_DONE;
}

void gather_done(Gather *g) {
        GatherWaiter *w;

        while ((w = g->waiters)) {
                g->waiters = w->next;
                operation_leave(&w->waiter);
                free(w);
        }
        error_done(&g->error);
}
