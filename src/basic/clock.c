/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/clock.h"

#include <time.h>

uint64_t now_usec(void) {
        struct timespec ts;

        assert(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / NSEC_PER_USEC;
}

int64_t now_realtime_nsec(void) {
        struct timespec ts;

        assert(clock_gettime(CLOCK_REALTIME, &ts) == 0);
        return (int64_t) ts.tv_sec * (int64_t) NSEC_PER_SEC + ts.tv_nsec;
}

uint64_t usec_from_now(uint64_t usec) {
        uint64_t at;

        return __builtin_add_overflow(now_usec(), usec, &at) ? USEC_INFINITY : at;
}
