/* SPDX-License-Identifier: MIT */
/* Expands LZF.
 *
 * A byte below 32 announces plain bytes: one more than its value.  Any other byte begins a
 * reference to earlier output.  Its upper three bits are the length minus two; if they are 7, the
 * next byte is added to the length.  Its lower five bits and the last byte of the reference are
 * the distance back, minus one. */
#include "command/key/lzf.h"

#include <string.h>

enum {
    PLAIN_END = 32,   /* the first byte that begins a reference */
    LENGTH_SHIFT = 5, /* the length stands above the upper bits of the distance */
    LENGTH_LONG = 7,
    LENGTH_LEAST = 2
};

bool lzf_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    size_t read = 0, written = 0;
    while (read < in_size) {
        uint8_t first = in[read++];
        if (first < PLAIN_END) {
            size_t length = (size_t)first + 1;
            if (length > in_size - read || length > out_size - written)
                return false;
            memcpy(out + written, in + read, length);
            read += length;
            written += length;
            continue;
        }
        size_t length = first >> LENGTH_SHIFT;
        if (length == LENGTH_LONG && read < in_size)
            length += in[read++];
        if (read == in_size)
            return false;
        size_t distance = ((size_t)(first % PLAIN_END) << 8) + in[read++] + 1;
        length += LENGTH_LEAST;
        if (distance > written || length > out_size - written)
            return false;
        /* One by one: source and target may overlap. */
        for (size_t end = written + length; written < end; written++)
            out[written] = out[written - distance];
    }
    return written == out_size;
}
