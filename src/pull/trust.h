/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whom to trust: policy.json, and credentials from auth.json. For pull/ only.
 */

#include "basic/error.h"
#include "format/reference.h"

/* 0; -EACCES (rejected), -EOPNOTSUPP (signatures are demanded), or the failure of reading it, with a text.
 * @path:
 * "" for the usual places. */
int policy_check(const char *path, const Reference *reference, Error *error);

/* "user:password" or an identity token for a registry, out of auth.json. All stay NULL when it has none. */
int auth_file_find(
                const char *path,
                const Reference *reference,
                char **ret_username,
                char **ret_password,
                char **ret_token,
                Error *error);

/* Whether a registry may be spoken to without TLS: on loopback, or listed. */
bool registry_is_insecure(const char *domain, char *const *insecure);
