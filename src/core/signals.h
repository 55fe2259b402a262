/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Signals by name and by the numbers of the CRI enum. For core/ and cri/.
 */

#include "basic/macros.h"

/* "SIGTERM", "TERM", "15", "SIGRTMIN+3", any case. The number, or -EINVAL. */
int signal_from_string(const char *s);

/* Value of runtime.v1 Signal to the number of this kernel and back. -EINVAL for the default and unknown. */
int signal_from_cri(int value);
int signal_to_cri(int signal_number);
