/* SPDX-License-Identifier: MIT */
/* Lists the families of commands on data. */
#include "command/families.h"

#include <stddef.h>

const struct command *const command_families[] = {
    command_bit_rows,          command_bitfield_rows,
    command_copy_rows,         command_dump_rows,
    command_expiry_rows,       command_key_rows,
    command_lcs_rows,          command_object_rows,
    command_scan_rows,         command_sort_rows,
    command_string_whole_rows, command_string_number_rows,
    command_string_part_rows,  NULL,
};
