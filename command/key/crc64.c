/* SPDX-License-Identifier: MIT */
/* The CRC-64 of Redis's serialised values, a byte at a time. */
#include "command/key/crc64.h"

/* The remainder of a byte, divided by the polynomial 0xad93d23594c935a9 with its bits reflected
 * (0x95ac9329ac4bc9b5).  Division is linear, so each bit adds its own part. */
#define ROW(byte)                                                                                  \
    (((byte)&0x01 ? UINT64_C(0x7ad870c830358979) : 0) ^                                            \
     ((byte)&0x02 ? UINT64_C(0xf5b0e190606b12f2) : 0) ^                                            \
     ((byte)&0x04 ? UINT64_C(0xc038e5739841b68f) : 0) ^                                            \
     ((byte)&0x08 ? UINT64_C(0xab28ecb46814fe75) : 0) ^                                            \
     ((byte)&0x10 ? UINT64_C(0x7d08ff3b88be6f81) : 0) ^                                            \
     ((byte)&0x20 ? UINT64_C(0xfa11fe77117cdf02) : 0) ^                                            \
     ((byte)&0x40 ? UINT64_C(0xdf7adabd7a6e2d6f) : 0) ^                                            \
     ((byte)&0x80 ? UINT64_C(0x95ac9329ac4bc9b5) : 0))

#define ROWS_4(byte)  ROW(byte), ROW((byte) + 1), ROW((byte) + 2), ROW((byte) + 3)
#define ROWS_16(byte) ROWS_4(byte), ROWS_4((byte) + 4), ROWS_4((byte) + 8), ROWS_4((byte) + 12)
#define ROWS_64(byte)                                                                              \
    ROWS_16(byte), ROWS_16((byte) + 16), ROWS_16((byte) + 32), ROWS_16((byte) + 48)

static const uint64_t rows[256] = {ROWS_64(0), ROWS_64(64), ROWS_64(128), ROWS_64(192)};

uint64_t crc64(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t crc = 0;
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ rows[(crc ^ bytes[i]) & 0xff];
    return crc;
}
