/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Label selectors of list filters. For cri/ only.
 */

#include "basic/macros.h"

/* Whether every entry of a map<string, string> is among the pairs. */
bool labels_match(void *const *entries, size_t n, char *const *labels);
