/* SPDX-License-Identifier: MIT */
/* Small histories with their verdicts, a test of the checker. */
#ifndef TESTS_CLIENT_HISTORY_EXAMPLES_H
#define TESTS_CLIENT_HISTORY_EXAMPLES_H

#include "tests/client/harness/harness.h"

void history_examples(struct harness *harness);

#endif
