/* SPDX-License-Identifier: MIT */
/* What SETBIT and BITFIELD share. */
#ifndef COMMAND_STRING_BIT_H
#define COMMAND_STRING_BIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/call.h"

/* Reads the number of a bit of a string; replies an error if the argument is none.  With a width
 * other than 0, "#3" means three times the width. */
bool bit_offset_or_reply(struct call *call, size_t index, unsigned width, uint64_t *offset);

#endif
