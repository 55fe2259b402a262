/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Registry: one repository of a registry, over HTTPS or HTTP.
 *
 * Blocks: for crio-pull only, which no other work waits for. What comes in is bounded and, where its digest
 * is known, checked while it streams. Source: OCI distribution specification 1.1; Docker's token documents.
 */

#include "basic/buffer.h"
#include "basic/error.h"
#include "format/digest.h"
#include "format/reference.h"

typedef struct Registry Registry;

#define REGISTRY_DOCUMENT_MAX (4 * MIB) /* a manifest, a config */

/* Everything is borrowed for as long as the Registry lives; NULL or empty: none. */
typedef struct RegistryAuth {
        const char *username, *password, *identity_token, *registry_token;
} RegistryAuth;

/* Takes bytes of a blob; negative errno ends the transfer. */
typedef int (*RegistryWrite)(const void *data, size_t size, void *userdata);

/**
 * registry_new() - find out how a registry wants to be spoken to
 * @reference:  its domain and repository
 * @insecure:   plain HTTP and any certificate will do
 *
 * Return: 0, or negative errno with a text; "RegistryUnavailable: …" where nobody answers.
 */
int registry_new(
                const Reference *reference,
                const RegistryAuth *auth,
                bool insecure,
                Registry **ret,
                Error *error);
Registry *registry_free(Registry *r);
DEFINE_CLEANUP(Registry *, registry_free);

/**
 * registry_get_manifest() - a manifest or an index
 * @what:        a tag or a digest; the body of the latter is checked
 * @body:        with REGISTRY_DOCUMENT_MAX
 * @ret_digest:  of the body
 */
int registry_get_manifest(Registry *r, const char *what, Buffer *body, Digest *ret_digest, Error *error);

/* A blob, from its first byte to its last; a broken transfer goes on where it ended. @size: as its
 * descriptor says.
 */
int registry_get_blob(
                Registry *r,
                const Digest *digest,
                uint64_t size,
                RegistryWrite write,
                void *userdata,
                Error *error);
