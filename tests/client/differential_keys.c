/* SPDX-License-Identifier: MIT */
/* Templates of the commands on keys, their expiry and the key space, and the words that only they
 * have. */
#include "tests/client/differential.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Words beside those of differential.h:
 *   %c cursor  %C count  %T type  %y payload for RESTORE  %Y option of RESTORE
 *   %q option of SORT  %d number of a database  %l option of SCAN */
const struct template differential_keys[] = {
    {8, "SCAN 0 COUNT 1000"},
    {6, "SCAN 0 MATCH %p COUNT 1000"},
    {4, "SCAN 0 TYPE %T COUNT 5000"},
    {4, "SCAN 0 COUNT 1000 TYPE string MATCH %p"},
    {8, "SCAN %c"},
    {6, "SCAN %c COUNT %C"},
    {4, "SCAN %c MATCH %p COUNT %C"},
    {4, "SCAN %c %l %C"},
    {4, "SCAN %c %l %p %l %C"},
    {2, "SCAN %j"},
    {6, "RANDOMKEY"},
    {20, "RENAME %k %k"},
    {20, "RENAMENX %k %k"},
    {20, "COPY %k %k"},
    {10, "COPY %k %k REPLACE"},
    {4, "COPY %k %k DB %d"},
    {4, "COPY %k %k DB %d REPLACE"},
    {4, "COPY %k %k REPLACE DB 0 replace"},
    {2, "COPY %k %k DB"},
    {2, "COPY %k %k %w"},
    {6, "MOVE %k %d"},
    {2, "MOVE %k %i"},
    {10, "TOUCH %k %k"},
    {6, "OBJECT ENCODING %k"},
    {4, "OBJECT REFCOUNT %k"},
    {4, "OBJECT IDLETIME %k"},
    {4, "OBJECT FREQ %k"},
    {2, "OBJECT HELP"},
    {2, "OBJECT %j %k"},
    {2, "OBJECT %j"},
    {2, "OBJECT"},
    {12, "EXPIREAT %k %S"},
    {8, "EXPIREAT %k %S %w"},
    {4, "EXPIREAT %k %S %w %w"},
    {3, "EXPIREAT %k %a"},
    {3, "EXPIREAT %k %n %w"},
    {4, "EXPIREAT %k %i"},
    {12, "PEXPIREAT %k %M"},
    {8, "PEXPIREAT %k %M %w"},
    {4, "PEXPIREAT %k %M %w %w %w"},
    {3, "PEXPIREAT %k %A"},
    {3, "PEXPIREAT %k %n %w"},
    {4, "PEXPIREAT %k %i"},
    {10, "EXPIRETIME %k"},
    {10, "PEXPIRETIME %k"},
    {14, "DUMP %k"},
    {20, "RESTORE %k 0 %y"},
    {20, "RESTORE %k 0 %y REPLACE"},
    {8, "RESTORE %k %m %y REPLACE"},
    {6, "RESTORE %k %M %y ABSTTL"},
    {4, "RESTORE %k %M %y ABSTTL REPLACE"},
    {4, "RESTORE %k %A %y REPLACE ABSTTL"},
    {8, "RESTORE %k 0 %y %Y"},
    {6, "RESTORE %k 0 %y %Y %C %Y"},
    {4, "RESTORE %k 0 %y REPLACE IDLETIME %C"},
    {4, "RESTORE %k 0 %y REPLACE FREQ %C"},
    {4, "RESTORE %k %i %y %Y"},
    {4, "RESTORE %k %n %y %Y"},
    {4, "RESTORE %k 0 %v"},
    {2, "RESTORE %k %j %y"},
    {4, "SORT %k"},
    {4, "SORT %k %q %q %q"},
    {6, "SORT missing %q %q %q %q"},
    {2, "SORT missing LIMIT %i %i STORE %k"},
    {2, "SORT missing %q STORE %k"},
    {4, "SORT_RO missing %q %q %q"},
    {2, "SORT_RO %k %q"},
    {1, "COMMAND GETKEYSANDFLAGS SORT %k %q %q %q %q"},
    {1, "COMMAND GETKEYS SORT %k %q %q STORE %k"},
    {1, "COMMAND GETKEYSANDFLAGS RENAME %k %k"},
    {1, "COMMAND GETKEYSANDFLAGS COPY %k %k %w"},
    {1, "COMMAND GETKEYSANDFLAGS OBJECT ENCODING %k"},
    {0, NULL},
};

static const char *const cursors[] = {
    "0",  "1",   "2",  "7",  "12345", "18446744073709551615",      "18446744073709551616",
    "-1", "+1",  "",   "-",  "+",     "-18446744073709551615",     "-18446744073709551616",
    "x",  "0x1", " 1", "1 ", "00",    "0000000000000000000000001",
};
static const char *const counts[] = {
    "1",       "2",  "10", "100", "1000",
    "0",       "-1", "-5", "255", "256",
    "1000000", "x",  "",   "1.5", "9223372036854775808",
};
/* Not "none": Redis returns keys for it that the very same call has found to be expired. */
static const char *const types[] = {"string", "STRING", "list", "hash", "", "strin", "zset"};
static const char *const scan_options[] = {"COUNT", "MATCH", "TYPE", "count",
                                           "Match", "type",  "NO"};
static const char *const restore_options[] = {
    "REPLACE", "ABSTTL", "IDLETIME", "FREQ", "replace", "absttl", "idletime", "freq", "KEEPTTL"};
static const char *const sort_options[] = {"ASC",    "DESC", "ALPHA", "LIMIT", "STORE", "BY",
                                           "GET",    "asc",  "0",     "10",    "-1",    "w_*",
                                           "nosort", "#",    "limit", "by",    "store", "x"};
static const char *const databases[] = {
    "0", "0", "1",          "15",         "-1",          "00",
    "x", "",  "2147483647", "2147483648", "-2147483649", "9223372036854775808"};

#define COUNT(array)         (sizeof(array) / sizeof *(array))
#define APPEND_ONE_OF(array) bytes_append_text(out, (array)[random_below(random, COUNT(array))])

/* ---- Payloads ----------------------------------------------------------------------------- */

static void append_byte(struct bytes *out, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    bytes_append(out, &one, 1);
}

static void append_big(struct bytes *out, uint64_t number, unsigned bytes)
{
    while (bytes-- > 0)
        append_byte(out, (unsigned)(number >> 8 * bytes & 0xff));
}

/* A length in one of the encodings that have room for it. */
static void append_length(struct random *random, struct bytes *out, uint64_t length)
{
    uint64_t way = random_below(random, 10);
    if (length < 64 && way < 6) {
        append_byte(out, (unsigned)length);
    } else if (length < 1 << 14 && way < 8) {
        append_big(out, 0x4000 | length, 2);
    } else if (length <= UINT32_MAX && way < 9) {
        append_byte(out, 0x80);
        append_big(out, length, 4);
    } else {
        append_byte(out, 0x81);
        append_big(out, length, 8);
    }
}

/* A little more or less than the true length, or very much more; mostly the true one. */
static uint64_t doubtful(struct random *random, uint64_t length)
{
    if (!random_chance(random, 10))
        return length;
    if (random_chance(random, 10))
        return UINT64_C(1) << (20 + random_below(random, 40));
    uint64_t other = length + random_below(random, 12);
    return other < 4 ? other : other - 4;
}

static void append_plain(struct random *random, struct bytes *out)
{
    size_t size = random_below(random, random_chance(random, 20) ? 300 : 40);
    append_length(random, out, doubtful(random, size));
    random_fill(random, bytes_reserve(out, size), size);
    out->size += size;
}

static void append_number(struct random *random, struct bytes *out)
{
    unsigned way = (unsigned)random_below(random, 3);
    size_t size = (size_t)1 << way;
    append_byte(out, 0xc0 + way);
    random_fill(random, bytes_reserve(out, size), size);
    out->size += size;
}

/* Runs of plain bytes, and references, most of them to bytes that exist. */
static void append_packed(struct random *random, struct bytes *out)
{
    struct bytes packed = {0};
    uint64_t size = 0;
    uint64_t pieces = random_below(random, 6);
    for (uint64_t i = 0; i < pieces; i++) {
        if (size == 0 || random_chance(random, 50)) {
            unsigned run = (unsigned)random_below(random, 32);
            append_byte(&packed, run);
            for (unsigned j = 0; j <= run; j++)
                append_byte(&packed, 'a' + (unsigned)random_below(random, 4));
            size += run + 1;
            continue;
        }
        uint64_t far = random_chance(random, 4) ? 8000 : size < 8000 ? size : 8000;
        unsigned distance = (unsigned)random_below(random, far);
        unsigned length = (unsigned)random_below(random, random_chance(random, 30) ? 262 : 6) + 1;
        append_byte(&packed, (length < 7 ? length : 7) << 5 | distance >> 8);
        if (length >= 7)
            append_byte(&packed, length - 7);
        append_byte(&packed, distance & 0xff);
        size += length + 2;
    }
    append_byte(out, 0xc3);
    append_length(random, out, doubtful(random, packed.size));
    append_length(random, out, doubtful(random, size));
    bytes_append(out, packed.data, packed.size);
    bytes_free(&packed);
}

/* Bit by bit, unlike the server's way. */
static uint64_t checksum(const struct bytes *bytes)
{
    uint64_t crc = 0;
    for (size_t i = 0; i < bytes->size; i++) {
        crc ^= bytes->data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? UINT64_C(0x95ac9329ac4bc9b5) : 0);
    }
    return crc;
}

/* Strings and invalid types only: ours has no other types yet, and says so. */
static void append_payload(struct random *random, struct bytes *out)
{
    static const unsigned no_types[] = {8, 20, 21, 100, 247, 255};
    bool strange = random_chance(random, 4);
    append_byte(out, strange ? no_types[random_below(random, COUNT(no_types))] : 0);
    uint64_t form = random_below(random, 100);
    if (form < 40)
        append_plain(random, out);
    else if (form < 60)
        append_number(random, out);
    else if (form < 95)
        append_packed(random, out);
    else
        append_byte(out, 0x82 + (unsigned)random_below(random, 0x7e)); /* with no meaning or any */
    unsigned version = random_chance(random, 3) ? (unsigned)random_below(random, 0x10000)
                                                : 10 - (unsigned)random_below(random, 5);
    append_byte(out, version & 0xff);
    append_byte(out, version >> 8);
    uint64_t crc = checksum(out);
    if (random_chance(random, 3))
        crc ^= UINT64_C(1) << random_below(random, 64);
    for (unsigned i = 0; i < 8; i++)
        append_byte(out, (unsigned)(crc >> 8 * i & 0xff));
    if (random_chance(random, 3))
        out->size = random_below(random, out->size);
}

bool differential_keys_word(struct random *random, struct bytes *out, char letter)
{
    switch (letter) {
    case 'c':
        APPEND_ONE_OF(cursors);
        break;
    case 'C':
        APPEND_ONE_OF(counts);
        break;
    case 'T':
        APPEND_ONE_OF(types);
        break;
    case 'l':
        APPEND_ONE_OF(scan_options);
        break;
    case 'y':
        append_payload(random, out);
        break;
    case 'Y':
        APPEND_ONE_OF(restore_options);
        break;
    case 'q':
        APPEND_ONE_OF(sort_options);
        break;
    case 'd':
        APPEND_ONE_OF(databases);
        break;
    default:
        return false;
    }
    return true;
}
