/* SPDX-License-Identifier: MIT */
/* Reads integers digit by digit. */
#include "text/number.h"

bool number_parse(const void *text, size_t size, int64_t *value)
{
    if (size == 0)
        return false;
    const uint8_t *at = text;
    const uint8_t *end = at + size;
    bool negative = *at == '-';
    if (size == 1 && *at == '0') {
        *value = 0;
        return true;
    }
    at += negative;
    if (at == end || *at == '0') /* "-", "-0", "007" */
        return false;
    int64_t sum = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        int64_t digit = *at - '0';
        /* The lowest number has no positive counterpart: negative numbers are summed up below
         * zero. */
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
            return false;
    }
    *value = sum;
    return true;
}
