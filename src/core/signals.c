/* SPDX-License-Identifier: Apache-2.0 */
#include "core/signals.h"

#include <signal.h>
#include <strings.h>

#include "basic/number.h"
#include "basic/str.h"

/* Rows of runtime.v1 Signal up to SIGXFSZ, in its order. */
static const int cri_signals[] = {
        0,       SIGABRT, SIGALRM,   SIGBUS,  SIGCHLD,   SIGCHLD,  SIGCONT, SIGFPE,  SIGHUP,
        SIGILL,  SIGINT,  SIGIO,     SIGABRT, SIGKILL,   SIGPIPE,  SIGIO,   SIGPROF, SIGPWR,
        SIGQUIT, SIGSEGV, SIGSTKFLT, SIGSTOP, SIGSYS,    SIGTERM,  SIGTRAP, SIGTSTP, SIGTTIN,
        SIGTTOU, SIGURG,  SIGUSR1,   SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};

/* Then come SIGRTMIN … SIGRTMIN+15 and SIGRTMAX-14 … SIGRTMAX. The kernel's numbers, not those of libc,
 * which keeps the first two for itself: containers count from 34, as glibc and musl programs do. */
#define CRI_RTMIN 35
#define CRI_RTMAX_MINUS_14 51
#define CRI_RTMAX 65
#define RTMIN 34
#define RTMAX 64

int signal_from_cri(int value) {
        if (value >= CRI_RTMIN && value < CRI_RTMAX_MINUS_14)
                return RTMIN + value - CRI_RTMIN;
        if (value >= CRI_RTMAX_MINUS_14 && value <= CRI_RTMAX)
                return RTMAX - (CRI_RTMAX - value);
        if (value <= 0 || (size_t) value >= ELEMENTSOF(cri_signals))
                return -EINVAL;
        return cri_signals[value];
}

int signal_to_cri(int signal_number) {
        for (int value = 1; value <= CRI_RTMAX; value++)
                if (signal_from_cri(value) == signal_number)
                        return value;
        return -EINVAL;
}

static int realtime_from_string(const char *s) {
        bool from_max = strncasecmp(s, "RTMAX", 5) == 0;
        int64_t offset = 0;

        if (!from_max && strncasecmp(s, "RTMIN", 5) != 0)
                return -EINVAL;
        s += 5;
        if (*s) {
                if (*s != (from_max ? '-' : '+') || parse_i64(s + 1, 0, RTMAX - RTMIN, &offset) < 0)
                        return -EINVAL;
        }
        return from_max ? RTMAX - (int) offset : RTMIN + (int) offset;
}

int signal_from_string(const char *s) {
        uint64_t number;

        if (parse_u64(s, RTMAX, &number) >= 0)
                return number > 0 ? (int) number : -EINVAL;
        if (strncasecmp(s, "SIG", 3) == 0)
                s += 3;
        for (int i = 1; i < RTMIN; i++) {
                const char *name = sigabbrev_np(i);

                if (name && strcasecmp(name, s) == 0)
                        return i;
        }
        return realtime_from_string(s);
}
