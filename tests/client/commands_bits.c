/* SPDX-License-Identifier: MIT */
/* Cases of the commands on the bits of strings. */
#include "tests/client/commands.h"

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define BAD_OFFSET  "-ERR bit offset is not an integer or out of range"
#define BAD_BIT     "-ERR bit is not an integer or out of range"
#define BAD_TYPE                                                                                   \
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "   \
    "i64 is."
#define SYNTAX "-ERR syntax error"

static void setbit_getbit(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":0", "SETBIT a 7 1");
    client_expect(c, "$\\x01", "GET a");
    client_expect(c, ":1", "GETBIT a 7");
    client_expect(c, ":0", "GETBIT a 6");
    client_expect(c, ":0", "GETBIT a 8");
    client_expect(c, ":0", "GETBIT a 4294967295");
    client_expect(c, ":0", "GETBIT missing 0");
    client_expect(c, ":1", "SETBIT a 7 0");
    client_expect(c, ":0", "SETBIT a 7 0");
    /* A zero beyond the end makes the string longer, too. */
    client_expect(c, ":0", "SETBIT a 23 0");
    client_expect(c, "$\\x00\\x00\\x00", "GET a");
    client_expect(c, "+OK", "SET n 12 PX 1000000");
    client_expect(c, ":0", "SETBIT n 1 1");
    client_expect(c, "$q2", "GET n");
    check(client_integer(c, "PTTL n") > 0, "SETBIT lost the expiry");
    const char *const offsets[] = {"-1", "x",  "",           "1.0",
                                   " 1", "#1", "4294967296", "9223372036854775808"};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        client_expect(c, BAD_OFFSET, "SETBIT a %s 1", offsets[i]);
        client_expect(c, BAD_OFFSET, "GETBIT a %s", offsets[i]);
    }
    client_expect(c, BAD_OFFSET, "SETBIT a x x");
    client_expect(c, BAD_BIT, "SETBIT a 1 2");
    client_expect(c, BAD_BIT, "SETBIT a 1 -1");
    client_expect(c, BAD_BIT, "SETBIT a 1 x");
    commands_arity(c, "setbit", "SETBIT a 1");
    commands_arity(c, "setbit", "SETBIT a 1 1 1");
    commands_arity(c, "getbit", "GETBIT a");
}

static void bitcount(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "SET a foobar");
    client_expect(c, ":26", "BITCOUNT a");
    client_expect(c, ":4", "BITCOUNT a 0 0");
    client_expect(c, ":6", "BITCOUNT a 1 1 BYTE");
    client_expect(c, ":17", "BITCOUNT a 5 30 bit");
    client_expect(c, ":26", "BITCOUNT a -100 100");
    client_expect(c, ":0", "BITCOUNT a 3 1");
    client_expect(c, ":4", "BITCOUNT a -100 -100"); /* Redis clips both to the first byte */
    client_expect(c, ":0", "BITCOUNT a -2 -3");
    client_expect(c, ":0", "BITCOUNT a 100 200");
    client_expect(c, ":0", "BITCOUNT missing");
    client_expect(c, ":0", "BITCOUNT missing x y z z z");
    client_expect(c, NOT_INTEGER, "BITCOUNT a x 1");
    client_expect(c, NOT_INTEGER, "BITCOUNT a 1 x");
    client_expect(c, SYNTAX, "BITCOUNT a 1");
    client_expect(c, SYNTAX, "BITCOUNT a 1 2 BITS");
    client_expect(c, SYNTAX, "BITCOUNT a 1 2 BIT 3");
    client_expect(c, ":0", "BITCOUNT a -1 -2 BITS");
    commands_arity(c, "bitcount", "BITCOUNT");
}

static void bitpos(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "SET a %b", "\xff\xf0\x00", (size_t)3);
    client_expect(c, ":12", "BITPOS a 0");
    client_expect(c, ":0", "BITPOS a 1");
    client_expect(c, ":-1", "BITPOS a 1 2");
    client_expect(c, ":8", "BITPOS a 1 1 -1");
    client_expect(c, ":12", "BITPOS a 0 4 -1 BIT");
    client_expect(c, ":-1", "BITPOS a 0 4 11 bit");
    client_expect(c, ":-1", "BITPOS a 1 3 1");
    client_expect(c, "+OK", "SET ones %b", "\xff\xff", (size_t)2);
    client_expect(c, ":16", "BITPOS ones 0");
    client_expect(c, ":16", "BITPOS ones 0 1");
    client_expect(c, ":-1", "BITPOS ones 0 0 -1");
    client_expect(c, ":-1", "BITPOS ones 0 5");
    client_expect(c, "+OK", "SET empty %s", "");
    client_expect(c, ":-1", "BITPOS empty 0");
    client_expect(c, ":0", "BITPOS missing 0 x y z z");
    client_expect(c, ":-1", "BITPOS missing 1");
    client_expect(c, "-ERR The bit argument must be 1 or 0.", "BITPOS a 2");
    client_expect(c, NOT_INTEGER, "BITPOS a x");
    client_expect(c, NOT_INTEGER, "BITPOS a 1 x");
    client_expect(c, SYNTAX, "BITPOS a 1 0 x BITS");
    client_expect(c, NOT_INTEGER, "BITPOS a 1 0 x BIT");
    client_expect(c, SYNTAX, "BITPOS a 1 0 1 BIT 1");
    commands_arity(c, "bitpos", "BITPOS a");
}

static void bitop(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "MSET a abc b AB n 12");
    client_expect(c, ":3", "BITOP AND d a b");
    client_expect(c, "$AB\\x00", "GET d");
    client_expect(c, ":3", "BITOP or d a b missing");
    client_expect(c, "$abc", "GET d");
    client_expect(c, ":3", "BITOP XOR d a b");
    client_expect(c, "$  c", "GET d");
    client_expect(c, ":2", "BITOP NOT n n");
    client_expect(c, "$\\xce\\xcd", "GET n");
    client_expect(c, "+OK", "SET d x EX 1000");
    client_expect(c, ":3", "BITOP AND d a");
    client_expect(c, ":-1", "TTL d");
    client_expect(c, ":0", "BITOP AND d missing nothing");
    client_expect(c, ":0", "EXISTS d");
    client_expect(c, "-ERR BITOP NOT must be called with a single source key.", "BITOP NOT d a b");
    client_expect(c, SYNTAX, "BITOP NAND d a b");
    commands_arity(c, "bitop", "BITOP AND d");
    client_expect(c, "[$d $a $b]", "COMMAND GETKEYS BITOP AND d a b");
}

static void bitfield(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "[:0 :255 :-1]", "BITFIELD a SET u8 8 255 GET u8 8 GET i8 #1");
    client_expect(c, "$\\x00\\xff", "GET a");
    client_expect(c, "[:4 :7]", "BITFIELD b INCRBY u3 1 4 INCRBY u3 1 3");
    client_expect(c, "[:0]", "BITFIELD b INCRBY u3 1 1");
    client_expect(c, "[:7]", "BITFIELD b OVERFLOW SAT INCRBY u3 1 100");
    client_expect(c, "[:0]", "BITFIELD b OVERFLOW SAT INCRBY u3 1 -100");
    client_expect(c, "[_ :-4]",
                  "BITFIELD b OVERFLOW FAIL INCRBY u3 1 8 OVERFLOW SAT INCRBY i3 1 -9");
    client_expect(c, "[:0 :9223372036854775807 :-9223372036854775808]",
                  "BITFIELD w SET i64 3 9223372036854775807 GET i64 3 INCRBY i64 3 1");
    client_expect(c, ":9", "STRLEN w");
    raw_expect(t->raw, "[_]", "BITFIELD new OVERFLOW FAIL SET u2 22 9");
    client_expect(c, "$\\x00\\x00\\x00", "GET new");
    client_expect(c, "[]", "BITFIELD a");
    client_expect(c, "[]", "BITFIELD a OVERFLOW SAT");
    client_expect(c, "[:0]", "BITFIELD missing GET i64 100000");
    client_expect(c, ":0", "EXISTS missing");
    client_expect(c, "[:255 :0]", "BITFIELD_RO a GET u8 8 GET u16 16");
    client_expect(c, "-ERR BITFIELD_RO only supports the GET subcommand",
                  "BITFIELD_RO a SET u8 0 1");
    const char *const types[] = {"u64", "i65", "u0", "i", "8", "I8", "u-1", "u08", ""};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        client_expect(c, BAD_TYPE, "BITFIELD a GET %s 0", types[i]);
    client_expect(c, BAD_OFFSET, "BITFIELD a GET u8 -1");
    client_expect(c, BAD_OFFSET, "BITFIELD a GET u8 #-1");
    client_expect(c, BAD_OFFSET, "BITFIELD a GET u8 #");
    client_expect(c, BAD_OFFSET, "BITFIELD a GET u8 4294967296");
    client_expect(c, NOT_INTEGER, "BITFIELD a SET u8 0 x");
    client_expect(c, "-ERR Invalid OVERFLOW type specified", "BITFIELD a OVERFLOW NONE");
    client_expect(c, SYNTAX, "BITFIELD a GET u8");
    client_expect(c, SYNTAX, "BITFIELD a SET u8 0");
    client_expect(c, SYNTAX, "BITFIELD a OVERFLOW");
    client_expect(c, SYNTAX, "BITFIELD a SET u8 0 1 PUT u8 0 1");
    client_expect(c, "$\\x00\\xff", "GET a"); /* a command with an error has changed nothing */
    commands_arity(c, "bitfield", "BITFIELD");
    commands_arity(c, "bitfield_ro", "BITFIELD_RO");
}

/* The product does not fit 64 bits: Redis multiplies anyway and uses the low bits as the offset. */
static void bitfield_far_offset(struct commands *t)
{
    client_expect(t->client, BAD_OFFSET, "BITFIELD a SET u8 #4611686018427387904 1");
    client_expect(t->client, ":0", "EXISTS a");
}

const struct commands_case commands_bits[] = {
    {"setbit_getbit", setbit_getbit, false},
    {"bitcount", bitcount, false},
    {"bitpos", bitpos, false},
    {"bitop", bitop, false},
    {"bitfield", bitfield, false},
    {"bitfield_far_offset", bitfield_far_offset, true},
    {NULL, NULL, false},
};
