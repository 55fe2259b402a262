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
#include "image/http.h"

typedef struct Registry Registry;

#define REGISTRY_DOCUMENT_MAX (4 * MIB) /* a manifest, a config */

/* Everything is borrowed for as long as the Registry lives; NULL or empty: none. */
typedef struct RegistryAuth {
        const char *username, *password, *identity_token, *registry_token;
} RegistryAuth;

typedef struct RegistryOptions {
        const Reference *reference; /* its domain and repository */
        RegistryAuth auth;
        bool insecure; /* plain HTTP and any certificate will do */
        /* See HttpOptions. */
        bool (*is_wanted)(void *userdata);
        void *userdata;
} RegistryOptions;

/**
 * registry_new() - find out how a registry wants to be spoken to
 *
 * Return: 0, or negative errno with a text; "RegistryUnavailable: …" where nobody answers.
 */
int registry_new(const RegistryOptions *options, Registry **ret, Error *error);

/* Another conversation with the same repository, which knows what this one found out; for a child process,
 * which must not use the connections of its parent. Nobody is asked whether it is wanted. */
int registry_dup(const Registry *r, Registry **ret);

Registry *registry_free(Registry *r);
DEFINE_CLEANUP(Registry *, registry_free);

/**
 * registry_get_manifest() - a manifest or an index
 * @what:        a tag or a digest; the body of the latter is checked
 * @body:        owned by the caller, at most REGISTRY_DOCUMENT_MAX
 * @ret_digest:  of the body
 *
 * Return: 0; -ENOENT (NOT_FOUND), -EACCES (PERMISSION_DENIED), -EBADMSG (another digest), what http_run()
 * returns; with a text.
 */
int registry_get_manifest(Registry *r, const char *what, Buffer *body, Digest *ret_digest, Error *error);

/**
 * registry_get_blob() - a blob, from its first byte to its last
 * @size:   as its descriptor says
 * @write:  gets the bytes in order, each once, also over a transfer that broke and was taken up again; what
 *          it got is only good after this function has returned 0
 *
 * Return: as registry_get_manifest(), and what @write returned.
 */
int registry_get_blob(
                Registry *r,
                const Digest *digest,
                uint64_t size,
                HttpWrite write,
                void *userdata,
                Error *error);
