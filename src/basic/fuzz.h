/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Fuzz: what fuzz-*.c share.
 *
 * A target is LLVMFuzzerTestOneInput(), with assertions of test.h about what it was given. It says with
 * fuzz_verdict() whether it took the input: samples in test/fuzz/fuzz-NAME/ run as tests, where those called
 * "bad-*" must be refused and all others accepted. With -Dfuzzer=true the same targets are programs of
 * libFuzzer. Only for fuzz targets.
 */

#include "basic/test.h"

/* The target; 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* @r: what the parser returned; negative: refused. */
void fuzz_verdict(int r);

/* The last one; 0 when there was none. */
int fuzz_get_verdict(void);

/* The input as a string, cut at its first NUL; owned by the caller, never NULL. */
char *fuzz_string(const uint8_t *data, size_t size);
