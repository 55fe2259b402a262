/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * LayerWorker: download and unpacking of one layer, in two processes of their own.
 *
 * One speaks to the registry and checks the blob's digest, the other decompresses and unpacks; a pipe
 * between them, so that both work at the same time. What they found out is in files without a name. For
 * pull/ only.
 */

#include "image/manifest.h"
#include "image/registry.h"
#include "image/store.h"
#include "image/unpack.h"

typedef struct LayerWorker {
        pid_t pid; /* 0: does not run */
        int pidfd;
        int downloaded_fd, unpacked_fd; /* what the two processes found out, in memory */
        char *directory;                /* "<stage>/<name>", owned */
} LayerWorker;

typedef struct LayerJob {
        const Registry *registry; /* what it found out; its connections stay untouched */
        const Descriptor *descriptor;
        const StoreStage *stage;
        const char *name; /* "<stage path>/<name>" is made here; gets "diff" */
        int progress_fd;  /* gets the number of bytes of each write to the layer, as uint64_t */
} LayerJob;

/* @job: borrowed until it ended. 0, or negative errno with a text. */
int layer_worker_start(LayerWorker *w, const LayerJob *job, Error *error);

/* After it ended. @ret: unpack_result_done(). */
int layer_worker_collect(LayerWorker *w, UnpackResult *ret, int *ret_compression, Error *error);

/* Kills it if it still runs. */
void layer_worker_done(LayerWorker *w);
