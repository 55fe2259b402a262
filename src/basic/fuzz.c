/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/fuzz.h"

static int log_verdict;

void fuzz_verdict(int r) {
        log_verdict = r;
}

int fuzz_get_verdict(void) {
        return log_verdict;
}

char *fuzz_string(const uint8_t *data, size_t size) {
        char *s = strndup((const char *) data, size);

        ASSERT_TRUE(s);
        return s;
}

bool test_allocation_failed(void) {
        return false;
}

void test_fail(const char *file, int line, const char *format, ...) {
        va_list ap;

        (void) fprintf(stderr, "%s:%d: ", file, line);
        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        (void) fputc('\n', stderr);
        abort();
}
