/* SPDX-License-Identifier: MIT */
/* The CRC-64 under Redis's serialised values: Jones's polynomial with its bits reflected,
 * starting from 0, with nothing added at the end. */
#ifndef COMMAND_KEY_CRC64_H
#define COMMAND_KEY_CRC64_H

#include <stddef.h>
#include <stdint.h>

uint64_t crc64(const void *data, size_t size);

#endif
