/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Paths as text. Nothing here touches a file system.
 */

#include "basic/macros.h"

/* Not whether it is clean: "/../x" is absolute. */
static inline bool path_is_absolute(const char *path) {
        return path[0] == '/';
}

/* Whether it is one plain component: not empty, ".", "..", no slash, at most NAME_MAX bytes. */
bool path_is_component(const char *name);

/* Whether it is absolute, shorter than PATH_MAX and has no ".." component. */
bool path_is_safe(const char *path);

/* Whether @path is @parent or below it; both absolute and clean. */
bool path_is_below(const char *path, const char *parent);

/* Removes double and trailing slashes and "." components; ".." stays. NULL without memory. */
char *path_simplify(const char *path);

/* Cleans like path_simplify() and resolves ".." lexically; an absolute path never climbs above "/". */
char *path_clean(const char *path);

/* "a/b" from "a" and "b", without double slashes. NULL without memory. */
char *path_join(const char *a, const char *b);

/* Borrowed last component of a clean path. */
const char *path_basename(const char *path);
