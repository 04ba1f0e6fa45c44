/* SPDX-License-Identifier: MIT */
/* What the tests of configuration files and of the command line share. */
#ifndef TESTS_SERVER_CONFIG_SUPPORT_H
#define TESTS_SERVER_CONFIG_SUPPORT_H

#include <stddef.h>

#include "server/config/config.h"

/* Every test has a directory of its own, and works in it. */
#define TEST(function) cmocka_unit_test_setup_teardown(function, enter_directory, leave_directory)
extern char test_directory[64];
int enter_directory(void **state);
int leave_directory(void **state);

void write_bytes(const char *path, const void *bytes, size_t size);
void write_file(const char *path, const char *text);

/* A configuration read from a file, a text, or arguments that end with NULL; the caller frees.
 * `first` is a label and no argument. */
struct config *load(const char *path);
struct config *load_text(const char *text);
struct config *load_args(const char *first, ...) __attribute__((sentinel));

void assert_value(const struct config *config, enum config_id id, const char *expected);

/* Reading fails, with that cause. */
void assert_load_fails(const char *path, const char *expected);
void assert_text_fails(const char *text, const char *expected);
void assert_args_fail(const char *expected, ...) __attribute__((sentinel));

#endif
