/* SPDX-License-Identifier: MIT */
/* The commands that list keys or find one: KEYS, SCAN, RANDOMKEY. */
#include <inttypes.h>
#include <openssl/rand.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/reply.h"
#include "command/slices.h"
#include "command/table.h"
#include "command/value.h"
#include "text/glob.h"

/* A pattern of MATCH or KEYS. */
struct pattern {
    const char *text;
    size_t size;
    bool all;
};

static struct pattern pattern_of(const struct resp_arg *arg)
{
    return (struct pattern){
        .text = arg_text(arg),
        .size = arg->size,
        .all = arg->size == 1 && arg->data[0] == '*',
    };
}

static bool pattern_fits(const struct pattern *pattern, const void *key, size_t key_size)
{
    if (pattern->all)
        return true;
    /* In Redis an empty key fits "*" and "", but not "**". */
    bool can_fit = key_size > 0 || pattern->size == 0;
    return can_fit && glob_match(pattern->text, pattern->size, key, key_size, false);
}

/* ---- KEYS --------------------------------------------------------------------------------- */

struct keys {
    struct call *call;
    struct pattern pattern;
    size_t count;
};

static bool reply_key(const void *key, size_t key_size, const struct anystore_value *value,
                      void *arg)
{
    struct keys *keys = arg;
    (void)value;
    if (pattern_fits(&keys->pattern, key, key_size)) {
        resp_write_bulk(keys->call->reply, key, key_size);
        keys->count++;
    }
    return !keys->call->reply->out->failed;
}

static void run_keys(struct call *call)
{
    struct keys keys = {.call = call, .pattern = pattern_of(&call->argv[1])};
    size_t mark = resp_write_begin(call->reply);
    anystore_each(call->txn, reply_key, &keys);
    resp_write_end(call->reply, mark, '*', keys.count);
}

/* ---- SCAN --------------------------------------------------------------------------------- */

/* SCAN with a larger COUNT runs in slices, and asks after so many steps whether its slice is
 * over. */
enum { KEYS_FOR_SLICES = 10000, STEPS_BETWEEN_LOOKS = 64 };

struct scan {
    struct pattern pattern;
    const struct resp_arg *type; /* NULL: any */
    uint64_t wanted;             /* about how many keys to look at */
    uint64_t seen;
    struct resp_writer found; /* the keys that fit, as elements of the reply */
    uint64_t count;           /* the number of keys that fit */
};

/* Reads a number as strtoul does: it may have a sign, a minus takes the complement, and an empty
 * text is 0. */
static bool parse_cursor(const struct resp_arg *arg, uint64_t *cursor)
{
    const uint8_t *at = arg->data;
    size_t size = arg->size > 0 ? strnlen(arg_text(arg), arg->size) : 0;
    const uint8_t *end = size > 0 ? at + size : at;
    bool negative = size > 0 && *at == '-';
    *cursor = 0;
    if (size > 1 && (*at == '-' || *at == '+'))
        at++;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(*cursor, 10, cursor) ||
            __builtin_add_overflow(*cursor, (uint64_t)(*at - '0'), cursor))
            return false;
    }
    if (negative)
        *cursor = -*cursor;
    return true;
}

static bool scan_options_or_reply(struct call *call, struct scan *scan)
{
    int64_t count = 10;
    *scan = (struct scan){.pattern = {.all = true}};
    for (size_t i = 2; i < call->argc; i += 2) {
        const struct resp_arg *arg = &call->argv[i];
        bool has_value = i + 1 < call->argc;
        if (has_value && arg_is(arg, "COUNT")) {
            if (!arg_integer_or_reply(call, i + 1, &count))
                return false;
            if (count >= 1)
                continue;
        } else if (has_value && arg_is(arg, "MATCH")) {
            scan->pattern = pattern_of(arg + 1);
            continue;
        } else if (has_value && arg_is(arg, "TYPE")) {
            scan->type = arg + 1;
            continue;
        }
        reply_syntax_error(call);
        return false;
    }
    scan->wanted = (uint64_t)count;
    return true;
}

static bool find_key(const void *key, size_t key_size, const struct anystore_value *value,
                     void *arg)
{
    struct scan *scan = arg;
    scan->seen++;
    if (pattern_fits(&scan->pattern, key, key_size) &&
        (!scan->type || arg_is(scan->type, value_type_name(value->type)))) {
        resp_write_bulk(&scan->found, key, key_size);
        scan->count++;
    }
    return true;
}

static void reply_scan(struct call *call, const struct scan *scan, uint64_t cursor)
{
    const struct resp_buffer *found = scan->found.out;
    struct resp_writer *reply = call->reply;
    if (found->failed && !found->overrun) {
        reply_out_of_memory(call);
        return;
    }
    resp_write_array(reply, 2);
    resp_write_bulkf(reply, "%" PRIu64, cursor);
    resp_write_array(reply, scan->count);
    resp_buffer_append(reply->out, resp_buffer_bytes(found), resp_buffer_size(found));
    reply->out->failed |= found->failed;
    reply->out->overrun |= found->overrun;
}

/* Goes on with the walk.  False if the slice is over.  A key that exists during the whole walk is
 * found, whatever changes between two slices: anystore_scan promises that. */
static bool walk(struct call *call, struct scan *scan, uint64_t *cursor)
{
    struct call_slices *slices = call->slices;
    /* In a nearly empty table one call must not go through all of it. */
    uint64_t steps = scan->wanted < UINT64_MAX / 10 ? 10 * scan->wanted : UINT64_MAX;
    bool more = true;
    while (more) {
        *cursor = anystore_scan(call->txn, *cursor, find_key, scan);
        slices->at++;
        more = *cursor != 0 && slices->at < steps && scan->seen < scan->wanted &&
               !scan->found.out->failed;
        if (more && slices->at % STEPS_BETWEEN_LOOKS == 0 && call_yields(call))
            return false;
    }
    return true;
}

static void run_scan(struct call *call)
{
    struct call_slices *slices = call->slices;
    uint64_t cursor;
    if (!parse_cursor(&call->argv[1], &cursor)) {
        resp_write_error(call->reply, "ERR invalid cursor");
        return;
    }
    struct scan scan;
    if (!scan_options_or_reply(call, &scan))
        return;
    if (slices->at > 0)
        cursor = slices->cursor;
    slices->kept.most = call->reply->out->most;
    scan.found = (struct resp_writer){&slices->kept, call->reply->version};
    scan.count = slices->count;
    scan.seen = slices->seen;
    bool done = walk(call, &scan, &cursor);
    slices->cursor = cursor;
    slices->count = scan.count;
    slices->seen = scan.seen;
    if (done)
        reply_scan(call, &scan, cursor);
}

static unsigned scan_flags(size_t argc, const struct resp_arg *argv)
{
    for (size_t i = 2; i + 1 < argc; i += 2) {
        int64_t count;
        if (arg_is(&argv[i], "COUNT") && arg_integer(&argv[i + 1], &count) &&
            count > KEYS_FOR_SLICES)
            return COMMAND_LONG;
    }
    return 0;
}

/* ---- RANDOMKEY ---------------------------------------------------------------------------- */

enum { RANDOM_SAMPLE = 16 };

struct sample {
    uint64_t random;     /* state of the generator */
    uint64_t seen;       /* the number of keys, one of which is chosen */
    struct resp_arg key; /* the chosen key, lent by the store */
};

/* SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

/* The n-th key replaces the chosen one with probability 1/n, so all keys are equally likely. */
static bool sample_key(const void *key, size_t key_size, const struct anystore_value *value,
                       void *arg)
{
    struct sample *sample = arg;
    (void)value;
    if (next_random(&sample->random) % ++sample->seen == 0)
        sample->key = (struct resp_arg){.data = key, .size = key_size};
    return true;
}

/* Samples several keys from a random place on.  With a single bucket, keys that share a bucket or
 * follow empty ones would have other chances than the rest. */
static void run_randomkey(struct call *call)
{
    struct sample sample = {.seen = 0};
    if (RAND_bytes((unsigned char *)&sample.random, sizeof sample.random) != 1)
        sample.random = (uint64_t)anystore_now(call->txn);
    uint64_t cursor = next_random(&sample.random);
    bool wrapped = false;
    while (anystore_count(call->txn) > 0 && sample.seen < RANDOM_SAMPLE) {
        cursor = anystore_scan(call->txn, cursor, sample_key, &sample);
        if (cursor == 0 && (wrapped || sample.seen > 0))
            break;
        wrapped = wrapped || cursor == 0;
    }
    if (sample.seen > 0)
        resp_write_bulk(call->reply, sample.key.data, sample.key.size);
    else
        resp_write_null(call->reply);
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_scan_rows[] = {
    {.name = "keys",
     .run = run_keys,
     .arity = 2,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys in the database",
     .summary = "Returns all keys that match a pattern.",
     .tips = "request_policy:all_shards nondeterministic_output_order"},
    {.name = "randomkey",
     .run = run_randomkey,
     .arity = 1,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_KEYSPACE,
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Returns a random key.",
     .tips = "request_policy:all_shards nondeterministic_output"},
    {.name = "scan",
     .run = run_scan,
     .arity = -2,
     .flags = COMMAND_READONLY | COMMAND_SLICED,
     .call_flags = scan_flags,
     .categories = CATEGORY_KEYSPACE,
     .since = "2.8.0",
     .group = "generic",
     .complexity = "O(1) for a call with a small COUNT, O(N) for a whole scan of N keys",
     .summary = "Returns some of the keys, and a cursor with which to ask for more.",
     .tips = "nondeterministic_output request_policy:special"},
    {0},
};
