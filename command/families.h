/* SPDX-License-Identifier: MIT */
/* The families of commands on data: the rows of each file, and the list of all families. */
#ifndef COMMAND_FAMILIES_H
#define COMMAND_FAMILIES_H

#include "command/table.h"

extern const struct command command_bit_rows[];
extern const struct command command_bitfield_rows[];
extern const struct command command_copy_rows[];
extern const struct command command_dump_rows[];
extern const struct command command_expiry_rows[];
extern const struct command command_key_rows[];
extern const struct command command_lcs_rows[];
extern const struct command command_object_rows[];
extern const struct command command_scan_rows[];
extern const struct command command_sort_rows[];
extern const struct command command_string_whole_rows[];
extern const struct command command_string_number_rows[];
extern const struct command command_string_part_rows[];

/* All families of this header.  The list ends with NULL. */
extern const struct command *const command_families[];

#endif
