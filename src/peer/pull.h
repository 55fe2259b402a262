/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * PullClient: crio's end of the conversation with one crio-pull.
 *
 * crio starts crio-pull as a transient unit and gives it one end of a socket pair as standard input; this is
 * the other end. One request, progress on the way, one answer, also when the program dies (-ECONNRESET).
 * Messages are typed (sd-bus, peer to peer), see pull-protocol.h.
 */

#include "basic/error.h"

typedef struct sd_event sd_event;
typedef struct PullClient PullClient;

/* A pull that reports no progress for this long has failed. */
#define PULL_PROGRESS_TIMEOUT_USEC (10 * USEC_PER_MINUTE)

/* What to pull and with whose name; everything is borrowed and copied. Unused strings are NULL. */
typedef struct PullRequest {
        const char *image;          /* completed by reference_format(): "docker.io/library/busybox:latest" */
        const char *root, *runroot; /* of the store */
        const char *username, *password, *identity_token, *registry_token;
        const char *auth_file;        /* credentials of the node (auth.json), when the request has none */
        const char *signature_policy; /* policy.json */
        char *const *insecure_registries; /* hosts with plain HTTP or any certificate; strv */
} PullRequest;

typedef struct PullProgress {
        const char *phase;                /* "resolve", "layers", "store"; borrowed */
        uint64_t done_bytes, total_bytes; /* of all layers, compressed */
} PullProgress;

/* @image_id: of the image in the store; NULL on failure. Called once, from the loop. */
typedef void (*PullDone)(int r, const char *image_id, const Error *error, void *userdata);
/* Called whenever crio-pull has something to say; may be NULL. */
typedef void (*PullProgressed)(const PullProgress *progress, void *userdata);

/**
 * pull_client_new() - begin
 * @fd:  our end of the socket pair, owned by the client from here on (also on failure)
 *
 * Return: 0, or negative errno with a text.
 */
int pull_client_new(
                sd_event *event,
                int fd,
                const PullRequest *request,
                PullDone on_done,
                PullProgressed on_progress,
                void *userdata,
                PullClient **ret,
                Error *error);

/* Hangs up; crio-pull then ends and cleans up. on_done is not called. */
PullClient *pull_client_free(PullClient *c);
DEFINE_CLEANUP(PullClient *, pull_client_free);
