/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OciUser: the ids of a container's process, looked up in the files of its image.
 *
 * The image's files are foreign: they are found below the layers without following a symlink out of them,
 * read up to a bound, and lines that make no sense are passed over.
 */

#include "oci/config.h"

#define OCI_USER_FILE_MAX (1 * MIB)
#define OCI_GROUPS_MAX 1024

typedef struct OciUser {
        uint32_t uid, gid;
        uint32_t *groups; /* owned; @gid itself first */
        size_t n_groups;
        char *home; /* owned; NULL when the image does not list the user */
} OciUser;

void oci_user_done(OciUser *u);

/**
 * oci_user_resolve() - who the process is
 * @config:       run_as_*, supplemental groups and their policy
 * @image_user:   "User" of the image: "", "name", "uid", "name:group", "uid:gid"
 * @layers:       directories from the top layer down, NULL-terminated
 * @ret:          oci_user_done()
 *
 * Return: 0, or -EINVAL with a text (unknown name, group without user), -ENOMEM.
 * Source: oci-runtime, "user, groups"; CRI v1 LinuxContainerSecurityContext.
 */
int oci_user_resolve(
                const ContainerConfig *config,
                const char *image_user,
                char *const *layers,
                OciUser *ret,
                Error *error);

/* The pieces, for tests: one line of passwd or group that fits. -ENOENT when there is none. */
int passwd_find(const char *text,
                const char *name,
                uint32_t uid,
                uint32_t *ret_uid,
                uint32_t *ret_gid,
                char **ret_name,
                char **ret_home);
int group_find(const char *text, const char *name, uint32_t *ret_gid);
