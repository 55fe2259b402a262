/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Macros: the small vocabulary that every file of ours uses.
 *
 * Cleanup attributes and the hand-over of what they own, allocation of typed objects, iteration over arrays,
 * and the constants of time and size. No code of its own.
 */

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* A variable that only owns is used by that, which clang does not see. */
#define _cleanup_(f) __attribute__((cleanup(f), unused))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _sentinel_ __attribute__((sentinel))
#define _unused_ __attribute__((unused))
#define _noreturn_ __attribute__((noreturn))

/* Declares namep(), the cleanup function for variables of @type whose destructor is name(). */
#define DEFINE_CLEANUP(type, name)                                                                          \
        static inline void name##p(type *p) {                                                               \
                if (*p)                                                                                     \
                        name(*p);                                                                           \
        }                                                                                                   \
        struct _require_semicolon_

#define TAKE_PTR(p)                                                                                         \
        ({                                                                                                  \
                __typeof__(p) *_p = &(p);                                                                   \
                __typeof__(p) _v = *_p;                                                                     \
                *_p = NULL;                                                                                 \
                _v;                                                                                         \
        })

#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int *_fd = &(fd), _v = *_fd;                                                                \
                *_fd = -EBADF;                                                                              \
                _v;                                                                                         \
        })

static inline void freep(void *p) {
        free(*(void **) p);
}

#define _cleanup_free_ _cleanup_(freep)

/* Frees what @p holds and puts @v in its place. */
#define FREE_AND_REPLACE(p, v)                                                                              \
        ({                                                                                                  \
                free(p);                                                                                    \
                (p) = TAKE_PTR(v);                                                                          \
        })

#define new0(type, n) ((type *) calloc((n), sizeof(type)))
#define new_array(type, n) ((type *) reallocarray(NULL, (n), sizeof(type)))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define FOREACH_ELEMENT(i, array)                                                                           \
        for (__typeof__((array)[0]) *i = (array); i < (array) + ELEMENTSOF(array); i++)

#define container_of(ptr, type, member) ((type *) ((char *) (ptr) -offsetof(type, member)))

#define CONCATENATE_(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE_(a, b)
/* A name that no other expansion in this file has. */
#define UNIQUE(name) CONCATENATE(name, __COUNTER__)

#define COMPARE_(a, op, b, ua, ub)                                                                          \
        ({                                                                                                  \
                __typeof__(a) ua = (a);                                                                     \
                __typeof__(b) ub = (b);                                                                     \
                ua op ub ? ua : ub;                                                                         \
        })
#define MIN(a, b) COMPARE_(a, <, b, UNIQUE(_a), UNIQUE(_b))
#define MAX(a, b) COMPARE_(a, >, b, UNIQUE(_a), UNIQUE(_b))

#define STRERROR_MAX 64
/* Text of an errno of either sign, valid until the end of the enclosing block. */
#define STRERROR(e) strerror_r(abs(e), (char[STRERROR_MAX]){ 0 }, STRERROR_MAX)

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC (1000 * USEC_PER_MSEC)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_SEC UINT64_C(1000000000)
#define USEC_INFINITY UINT64_MAX

/* Stack space for the decimal text of any integer, sign and NUL included. */
#define DECIMAL_MAX 22
