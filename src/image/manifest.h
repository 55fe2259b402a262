/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Manifest: what an image or an index of images is made of. Foreign input, parsed by crio-pull only.
 * Source: OCI image-spec 1.1, manifest.md, image-index.md, config.md; Docker image manifest version 2,
 * schema 2.
 */

#include "basic/error.h"
#include "format/digest.h"

#define MANIFEST_LAYERS_MAX 128
#define INDEX_ENTRIES_MAX 10000

typedef struct Descriptor {
        Digest digest;
        uint64_t size;
} Descriptor;

typedef struct Manifest {
        Descriptor config;
        Descriptor *layers; /* base first, owned */
        size_t n_layers;
} Manifest;

void manifest_done(Manifest *m);

/* 1: it is an index; 0: a manifest; -EBADMSG with a text for anything else. */
int manifest_is_index(const char *text, size_t size, Error *error);

/* 0; -EBADMSG (it makes no sense), -EOPNOTSUPP (foreign or encrypted layers, artifacts) with a text. */
int manifest_parse(const char *text, size_t size, Manifest *ret, Error *error);

/**
 * index_choose() - the manifest of a platform
 * @architecture, @variant:  in the words of Go; variant NULL or ""
 *
 * Return: 0; -ENOENT with a text when there is none for it.
 */
int index_choose(
                const char *text,
                size_t size,
                const char *architecture,
                const char *variant,
                Descriptor *ret,
                Error *error);

/* Architecture of this machine in the words of Go. */
const char *manifest_own_architecture(const char **ret_variant);

/* "rootfs.diff_ids" and "created" of a config. @ret: @n digests. -EBADMSG when there are others than @n. */
int config_parse_diff_ids(
                const char *text,
                size_t size,
                size_t n,
                Digest *ret,
                char **ret_created,
                Error *error);
