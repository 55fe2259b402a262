/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Clocks. Durations and deadlines are µs of CLOCK_MONOTONIC, times that leave the daemon are ns of
 * CLOCK_REALTIME.
 */

#include "basic/macros.h"

/* Now, as µs of CLOCK_MONOTONIC and as ns of CLOCK_REALTIME. */
uint64_t now_usec(void);
int64_t now_realtime_nsec(void);

/* @usec later than now, USEC_INFINITY where that is out of range. */
uint64_t usec_from_now(uint64_t usec);
