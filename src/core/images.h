/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Images: what the CRI image calls work on. The store, kept fresh, and the pulls that run.
 *
 * Owned by the Manager.
 */

#include "event/operation.h"
#include "image/store.h"
#include "peer/pull.h"

typedef struct Images Images;
typedef struct Manager Manager;

#define PULLS_MAX 64 /* at a time */

/* Credentials of one request; borrowed. */
typedef struct ImageAuth {
        const char *username, *password, *identity_token, *registry_token;
} ImageAuth;

/* Opens the store that the configuration names. 0, or negative errno with a text. */
int images_new(Manager *m, Images **ret, Error *error);
Images *images_free(Images *i);
DEFINE_CLEANUP(Images *, images_free);

/* Brings the store up to date if others changed it; what is known stays when it is locked. */
void images_refresh(Images *i);

/* "repository@digest" of an image where it has one, else its id. NULL without memory. */
char *image_format_ref(const StoreImage *image);

typedef struct ImagePull ImagePull;
typedef struct ImagePullWaiter ImagePullWaiter;
typedef void (*ImagePullDone)(int r, const char *image_id, const Error *error, void *userdata);

/**
 * images_pull() - PullImage
 * @name:    as the client wrote it
 * @on_done: image_id is NULL on failure. Pulls of the same name with the same credentials are one.
 * @ret:     for images_pull_leave()
 */
int images_pull(Images *i,
                const char *name,
                const ImageAuth *auth,
                ImagePullDone on_done,
                void *userdata,
                ImagePullWaiter **ret,
                Error *error);
/* Its callback is not called; the pull goes on. Returns NULL. */
ImagePullWaiter *images_pull_leave(ImagePullWaiter *w);

/**
 * images_remove() - RemoveImage
 * @on_done:  like OperationWaiter's
 */
int images_remove(Images *i, const char *name, OperationWaiter *w, Error *error);

/* Takes away what crashes have left in the store, in a while when others hold it. At start, when all
 * containers are known. */
void images_repair(Images *i);

/* Removes trees that are garbage, in the background. */
void images_clean(Images *i);
