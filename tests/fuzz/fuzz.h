/* SPDX-License-Identifier: MIT */
/* The functions of a fuzz target, for libFuzzer and for replay.c. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Runs one input; ends the program if something is wrong.  Returns 0, or -1 for an input that is
 * not worth keeping. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
