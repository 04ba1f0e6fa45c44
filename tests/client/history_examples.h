/* SPDX-License-Identifier: MIT */
/* Small histories with their verdicts, a test of the checker. */
#ifndef TEST_HISTORY_EXAMPLES_H
#define TEST_HISTORY_EXAMPLES_H

#include "harness.h"

void history_examples(struct harness *harness);

#endif
