/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Store: images, layers and containers in containers/storage's overlay layout, shared with podman, buildah
 * and skopeo.
 *
 * Used by crio in its loop (@wait false: -EAGAIN instead of waiting for the locks of others) and by
 * crio-pull. Locks are held for milliseconds, never over a download or the removal of a tree. Source:
 * containers/storage layout.
 */

#include "basic/error.h"
#include "basic/id.h"
#include "format/digest.h"

typedef struct Store Store;

#define STORE_LAYERS_MAX 128 /* of one image */
#define STORE_CONFIG_MAX (8 * MIB)

/* What a runtime needs of an image config. */
typedef struct ImageConfig {
        char **env, **entrypoint, **cmd, **volumes;
        char **labels; /* pairs */
        char *user, *working_dir, *stop_signal, *architecture, *os;
} ImageConfig;

typedef struct StoreImage {
        char *id;        /* 64 hexadecimal digits */
        char *digest;    /* of the manifest or index it was pulled by; may be NULL */
        char **names;    /* "docker.io/library/busybox:latest" */
        char *last_name; /* the last one it had, for an image that has none; may be NULL */
        char **digests;  /* all manifest digests it answers to */
        char *top_layer; /* NULL: no layers */
        uint64_t size_bytes;
        ImageConfig config;
} StoreImage;

/* A layer that was unpacked beside the store, ready to become one. */
typedef struct StoreNewLayer {
        const char *staged; /* name of the directory in the staging place */
        Digest diff_id, blob_digest;
        uint64_t diff_size, blob_size;
        int compression;
        const uint32_t *uids, *gids;
        size_t n_uids, n_gids;
} StoreNewLayer;

typedef struct StoreNewImage {
        const char *name; /* gets it; taken from the image that had it; may be NULL */
        Digest config_digest, manifest_digest;
        Digest index_digest; /* text[0] == 0: not through an index */
        const char *config, *manifest, *index;
        size_t config_size, manifest_size, index_size;
        const char *created;         /* of the config; NULL: now */
        const StoreNewLayer *layers; /* base first */
        size_t n_layers;
} StoreNewImage;

/* A staging place: directories on the mounts of their destinations, left alone by other programs while the
 * locks are held. */
typedef struct StoreStage {
        char *path;       /* absolute; gets "<name>/diff" for each layer */
        char *split_path; /* absolute; gets "<name>.tar-split.gz" */
        char random[27], split_random[27];
        int lock_fd, split_lock_fd;
} StoreStage;

/* @runroot: state that ends with the boot. Missing directories are made. */
int store_open(const char *root, const char *runroot, Store **ret, Error *error);
Store *store_free(Store *s);
DEFINE_CLEANUP(Store *, store_free);

/* Absolute path, borrowed. */
const char *store_get_root(const Store *s);

/* Looks whether others changed images or layers, and reads them. -EAGAIN: locked by others, what is known is
 * still there. */
int store_refresh(Store *s, bool wait, Error *error);

/* Images in the order of the store; @i counts from 0; NULL at the end. Borrowed until the next refresh or
 * change. */
const StoreImage *store_get_image(const Store *s, size_t i);

/* Of all layers of images together, as tar streams. */
uint64_t store_get_layers_size(const Store *s);

/* A document of an image as it came from the registry: its config ("sha256:ID") or its "manifest". Owned by
 * the caller. -ENOENT. */
int store_read_document(
                const Store *s,
                const StoreImage *image,
                const char *key,
                char **ret,
                size_t *ret_size);

/* By id, unique beginning of an id, "name@digest", or name (completed as reference_parse() does). NULL: not
 * there. */
const StoreImage *store_find_image(const Store *s, const char *what);

/* Id that the layer of a diff id has on top of @parent (NULL: none). */
void store_layer_id(const char *parent, const Digest *diff_id, Id *ret);
bool store_has_layer(const Store *s, const char *id);

/* @ret: store_unstage() */
int store_stage(Store *s, StoreStage *ret, Error *error);
int store_unstage(Store *s, StoreStage *stage);

/**
 * store_commit() - a new image becomes visible
 *
 * Layers that are there are kept, others come from @stage. Everything is synced before. Waits for locks.
 *
 * Return: 0; -ESTALE: a layer that was there when the caller looked (its "staged" is NULL) is gone.
 */
int store_commit(Store *s, const StoreStage *stage, const StoreNewImage *image, Error *error);

/* With all of its names, and the layers that nobody else needs; those of containers stay until the last one
 * is removed. Trees to delete are moved aside, see store_find_garbage(). 0 also when it is not there. */
int store_remove_image(Store *s, const char *id, bool wait, Error *error);

typedef struct StoreNewContainer {
        const char *id, *name;
        const char *image_id;
        const char *metadata; /* JSON text, for other programs */
} StoreNewContainer;

/* Record and writable layer. -EAGAIN: not @wait, and others have a lock; -ENOENT: no such image. */
int store_create_container(Store *s, const StoreNewContainer *container, bool wait, Error *error);

/* Options for mounting its root file system, relative to the overlay directory of the store; and that
 * directory. */
int store_mount_options(
                Store *s,
                const char *container_id,
                char **ret_options,
                char **ret_directory,
                Error *error);

/* Directories of an image's layers, top first, NULL-terminated; for looking files up. */
int store_layer_directories(Store *s, const char *top_layer, char ***ret, Error *error);

/* 0 also when it is not there. The tree is moved aside, see store_find_garbage(). */
int store_remove_container(Store *s, const char *id, bool wait, Error *error);

/* Removes containers of crio that are not in @alive (ids, NULL-terminated), and what crashes have left.
 * -EAGAIN: others have the locks. At start. */
int store_repair(Store *s, char *const *alive, Error *error);

/* Directories that are to be deleted by a worker, at most @max absolute paths: nobody needs them any more.
 */
int store_find_garbage(Store *s, size_t max, char ***ret);
