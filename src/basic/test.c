/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/test.h"

#include <signal.h>

/*
 * The linker sends our own calls of the allocator here (--wrap), those of libraries stay as they are.
 */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static size_t fail_at; /* 0: never */
static size_t n_allocations;

static bool allocation_fails(void) {
        n_allocations++;
        if (n_allocations != fail_at)
                return false;
        errno = ENOMEM;
        return true;
}

void *__wrap_malloc(size_t size) {
        return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return allocation_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return allocation_fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return allocation_fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s) {
        return allocation_fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n) {
        return allocation_fails() ? NULL : __real_strndup(s, n);
}

bool test_allocation_failed(void) {
        return fail_at > 0 && n_allocations >= fail_at;
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

void test_skip(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vprintf(format, ap);
        va_end(ap);
        (void) putchar('\n');
        exit(77);
}

static size_t run_with_failing_allocations(const TestCase *c) {
        size_t n = 0;

        for (;;) {
                fail_at = ++n;
                n_allocations = 0;
                c->run();
                if (n_allocations < fail_at)
                        break;
        }
        fail_at = 0;
        return n - 1;
}

int test_main(const TestCase *cases, size_t n_cases) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD); /* as in every program of ours: sd-event asks for it */
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);

        for (size_t i = 0; i < n_cases; i++) {
                (void) printf("%s\n", cases[i].name);
                (void) fflush(stdout);
                cases[i].run();
                if (cases[i].every_allocation)
                        (void) printf("  and with each of %zu allocations failing\n",
                                      run_with_failing_allocations(&cases[i]));
        }
        return EXIT_SUCCESS;
}
