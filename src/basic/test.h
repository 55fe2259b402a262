/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Test: assertions and the frame of our unit tests.
 *
 * A test program is a table of functions and TEST_MAIN(). Every function runs once as it is; those that are
 * marked "every_allocation" run again with the n-th allocation failing, for each n until none failed. In
 * such a run ASSERT_OK() leaves the function quietly on -ENOMEM. Only for test programs.
 */

#include <stdio.h>
#include <unistd.h>

#include "basic/macros.h"

typedef struct TestCase {
        const char *name;
        void (*run)(void);
        bool every_allocation;
} TestCase;

#define TEST(f)                                                                                             \
        { #f, f, false }
#define TEST_ALLOC(f)                                                                                       \
        { #f, f, true }

/* Runs the cases; the first failure aborts, so that a sanitizer or a core dump shows the place. */
int test_main(const TestCase *cases, size_t n_cases);
#define TEST_MAIN(...)                                                                                      \
        int main(void) {                                                                                    \
                static const TestCase _cases[] = { __VA_ARGS__ };                                           \
                return test_main(_cases, ELEMENTSOF(_cases));                                               \
        }                                                                                                   \
        struct _require_semicolon_

/* Whether an allocation was made to fail in this run. */
bool test_allocation_failed(void);

/* Prints the place and the text, and aborts. For the macros below. */
_noreturn_ void test_fail(const char *file, int line, const char *format, ...) _printf_(3, 4);

/* Says why and exits with 77, which Meson counts as skipped. */
_noreturn_ void test_skip(const char *format, ...) _printf_(1, 2);

#define ASSERT_TRUE(e)                                                                                      \
        ({                                                                                                  \
                if (!(e))                                                                                   \
                        test_fail(__FILE__, __LINE__, "%s", #e);                                            \
        })
#define ASSERT_FALSE(e) ASSERT_TRUE(!(e))
#define ASSERT_EQ(a, b)                                                                                     \
        ({                                                                                                  \
                long long _a = (long long) (a), _b = (long long) (b);                                       \
                if (_a != _b)                                                                               \
                        test_fail(__FILE__, __LINE__, "%s is %lld, expected %s, %lld", #a, _a, #b, _b);     \
        })
#define ASSERT_STREQ(a, b)                                                                                  \
        ({                                                                                                  \
                const char *_a = (a), *_b = (b);                                                            \
                if (!_a || !_b || strcmp(_a, _b) != 0)                                                      \
                        test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #a, _a, _b);         \
        })
#define ASSERT_NULL(p) ASSERT_TRUE((p) == NULL)
/* Not negative. Returns from the (void) function when the failure is the allocation that was made to fail.
 */
#define ASSERT_OK(r)                                                                                        \
        ({                                                                                                  \
                long long _r = (long long) (r);                                                             \
                if (_r == -ENOMEM && test_allocation_failed())                                              \
                        return;                                                                             \
                if (_r < 0)                                                                                 \
                        test_fail(__FILE__, __LINE__, "%s failed: %s", #r, strerror((int) -_r));            \
        })
