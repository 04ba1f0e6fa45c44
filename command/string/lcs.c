/* SPDX-License-Identifier: MIT */
/* LCS: the longest common subsequence of two strings, computed for 64 bytes of one of them at a
 * time.
 *
 * Let L(i, j) be the length for the first i bytes of `a` and the first j bytes of `b`.  Along a
 * row, from one j to the next, L grows by 0 or 1.  So a row is a string of bits; a clear bit
 * means that L grows there.  The next row follows from it by an addition and a few logical
 * operations (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004):
 *
 *     next = (row + (row AND match)) OR (row AND NOT match)
 *
 * where `match` has ones where b holds byte i of a.
 *
 * The rows also suffice to walk back from the end and find the bytes.  Where a[i-1] != b[j-1],
 * L(i, j) is the larger one of L(i-1, j) and L(i, j-1); so L(i-1, j) is larger than L(i, j-1)
 * exactly if L grows at j in row i.  The rows take a thirtieth of the memory of Redis's table of
 * numbers.  Calls that Redis refuses for the size of its table are refused here, too. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/reply.h"
#include "command/string/string_access.h"
#include "command/table.h"

#define WORD_BITS 64

struct lcs_options {
    bool length, ranges, match_lengths;
    int64_t least_match;
};

struct lcs {
    const uint8_t *a, *b;
    size_t a_size, b_size;
    size_t words;      /* words of a row */
    uint64_t *matches; /* one row for each byte value of a */
    size_t match_of[UINT8_MAX + 1];
    uint64_t *rows; /* from L(1, ...) on; only the last row if only the length is wanted */
    bool keeps_rows;
};

/* ---- Rows of the table -------------------------------------------------------------------- */

static bool make_matches(struct lcs *lcs)
{
    size_t count = 0;
    bool seen[UINT8_MAX + 1] = {false};
    for (size_t i = 0; i < lcs->a_size; i++) {
        if (!seen[lcs->a[i]])
            lcs->match_of[lcs->a[i]] = count++;
        seen[lcs->a[i]] = true;
    }
    assert(count > 0); /* because a is not empty */
    lcs->matches = calloc(count * lcs->words, sizeof *lcs->matches);
    if (!lcs->matches)
        return false;
    for (size_t j = 0; j < lcs->b_size; j++) {
        uint64_t *row = lcs->matches + lcs->match_of[lcs->b[j]] * lcs->words;
        if (seen[lcs->b[j]])
            row[j / WORD_BITS] |= UINT64_C(1) << j % WORD_BITS;
    }
    return true;
}

/* `next` may be `row`. */
static void next_row(uint64_t *next, const uint64_t *row, const uint64_t *match, size_t words)
{
    bool carry = false;
    for (size_t i = 0; i < words; i++) {
        uint64_t old = row[i];
        uint64_t sum;
        bool overflow = __builtin_add_overflow(old, old & match[i], &sum);
        carry = __builtin_add_overflow(sum, (uint64_t)carry, &sum) || overflow;
        next[i] = sum | (old & ~match[i]);
    }
}

/* Neither string may be empty.  False if memory is short. */
static bool lcs_compute(struct lcs *lcs)
{
    lcs->words = (lcs->b_size - 1) / WORD_BITS + 1;
    lcs->rows = calloc(lcs->keeps_rows ? lcs->a_size : 1, lcs->words * sizeof *lcs->rows);
    if (!lcs->rows || !make_matches(lcs))
        return false;
    uint64_t *next = lcs->rows;
    const uint64_t *row = next;
    memset(next, 0xff, lcs->words * sizeof *next); /* L(0, ...) does not grow */
    for (size_t i = 0; i < lcs->a_size; i++) {
        next_row(next, row, lcs->matches + lcs->match_of[lcs->a[i]] * lcs->words, lcs->words);
        row = next;
        if (lcs->keeps_rows)
            next += lcs->words;
    }
    return true;
}

static bool grows_at(const struct lcs *lcs, size_t i, size_t j)
{
    const uint64_t *row = lcs->rows + (i - 1) * lcs->words;
    return !(row[(j - 1) / WORD_BITS] >> (j - 1) % WORD_BITS & 1);
}

/* The bits behind b_size match nothing and stay set. */
static size_t lcs_length(const struct lcs *lcs)
{
    size_t length = 0;
    if (!lcs->rows)
        return 0;
    const uint64_t *last = lcs->rows + (lcs->keeps_rows ? lcs->a_size - 1 : 0) * lcs->words;
    for (size_t i = 0; i < lcs->words; i++)
        length += (unsigned)__builtin_popcountll(~last[i]);
    return length;
}

/* ---- Replies ------------------------------------------------------------------------------ */

/* Walks back from (*i, *j) to the end of the next common byte.  False if there is none. */
static bool find_common(const struct lcs *lcs, size_t *i, size_t *j)
{
    while (*i > 0 && *j > 0 && lcs->a[*i - 1] != lcs->b[*j - 1]) {
        if (grows_at(lcs, *i, *j))
            --*i;
        else
            --*j;
    }
    return *i > 0 && *j > 0;
}

static void reply_bytes(struct call *call, const struct lcs *lcs)
{
    size_t length = lcs_length(lcs);
    uint8_t *bytes = malloc(length + 1);
    if (!bytes) {
        reply_out_of_memory(call);
        return;
    }
    size_t i = lcs->a_size, j = lcs->b_size;
    for (size_t at = length; find_common(lcs, &i, &j); i--, j--)
        bytes[--at] = lcs->a[i - 1];
    resp_write_bulk(call->reply, bytes, length);
    free(bytes);
}

static void reply_range(struct call *call, size_t start, size_t size)
{
    resp_write_array(call->reply, 2);
    resp_write_integer(call->reply, (int64_t)start);
    resp_write_integer(call->reply, (int64_t)(start + size - 1));
}

/* The last common range comes first. */
static void reply_ranges(struct call *call, const struct lcs *lcs,
                         const struct lcs_options *options)
{
    resp_write_map(call->reply, 2);
    resp_write_bulk_text(call->reply, "matches");
    size_t mark = resp_write_begin(call->reply);
    size_t count = 0;
    size_t i = lcs->a_size, j = lcs->b_size;
    while (find_common(lcs, &i, &j)) {
        size_t size = 0;
        while (i > 0 && j > 0 && lcs->a[i - 1] == lcs->b[j - 1]) {
            i--;
            j--;
            size++;
        }
        if ((int64_t)size < options->least_match)
            continue;
        resp_write_array(call->reply, options->match_lengths ? 3 : 2);
        reply_range(call, i, size);
        reply_range(call, j, size);
        if (options->match_lengths)
            resp_write_integer(call->reply, (int64_t)size);
        count++;
    }
    resp_write_end(call->reply, mark, '*', count);
    resp_write_bulk_text(call->reply, "len");
    resp_write_integer(call->reply, (int64_t)lcs_length(lcs));
}

/* ---- The command -------------------------------------------------------------------------- */

static bool strings_or_reply(struct call *call, struct lcs *lcs)
{
    struct anystore_value a = {.size = 0}, b = {.size = 0};
    const struct resp_arg *keys = &call->argv[1];
    bool a_exists = anystore_get(call->txn, keys[0].data, keys[0].size, &a);
    count_lookup(call, &keys[0], a_exists);
    bool b_exists = anystore_get(call->txn, keys[1].data, keys[1].size, &b);
    count_lookup(call, &keys[1], b_exists);
    if ((a_exists && a.type != ANYSTORE_STRING) || (b_exists && b.type != ANYSTORE_STRING)) {
        resp_write_error(call->reply, "ERR The specified keys must contain string values");
        return false;
    }
    lcs->a = a.data;
    lcs->a_size = a.size;
    lcs->b = b.data;
    lcs->b_size = b.size;
    return true;
}

static bool options_or_reply(struct call *call, struct lcs_options *options)
{
    for (size_t i = 3; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        if (arg_is(arg, "IDX")) {
            options->ranges = true;
        } else if (arg_is(arg, "LEN")) {
            options->length = true;
        } else if (arg_is(arg, "WITHMATCHLEN")) {
            options->match_lengths = true;
        } else if (arg_is(arg, "MINMATCHLEN") && i + 1 < call->argc) {
            if (!arg_integer_or_reply(call, ++i, &options->least_match))
                return false;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    if (options->length && options->ranges) {
        resp_write_error(call->reply, "ERR If you want both the length and indexes, please just "
                                      "use IDX.");
        return false;
    }
    return true;
}

/* Redis's limits, whose table has a number of four bytes for each pair of positions. */
static bool sizes_or_reply(struct call *call, const struct lcs *lcs)
{
    size_t table;
    const char *wrong = NULL;
    if (lcs->a_size >= UINT32_MAX - 1 || lcs->b_size >= UINT32_MAX - 1)
        wrong = "ERR String too long for LCS";
    else if (__builtin_mul_overflow((lcs->a_size + 1) * sizeof(uint32_t), lcs->b_size + 1, &table))
        wrong = "ERR Insufficient memory, failed allocating transient memory for LCS";
    else if (table > longest_string(call))
        wrong = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    if (wrong)
        resp_write_error(call->reply, wrong);
    return !wrong;
}

static void run_lcs(struct call *call)
{
    struct lcs_options options = {.least_match = 0};
    struct lcs lcs = {.rows = NULL};
    if (!strings_or_reply(call, &lcs) || !options_or_reply(call, &options) ||
        !sizes_or_reply(call, &lcs))
        return;
    lcs.keeps_rows = options.ranges || !options.length;
    if (lcs.a_size > 0 && lcs.b_size > 0 && !lcs_compute(&lcs))
        resp_write_error(call->reply,
                         "ERR Insufficient memory, failed allocating transient memory for LCS");
    else if (options.ranges)
        reply_ranges(call, &lcs, &options);
    else if (options.length)
        resp_write_integer(call->reply, (int64_t)lcs_length(&lcs));
    else
        reply_bytes(call, &lcs);
    free(lcs.rows);
    free(lcs.matches);
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_lcs_rows[] = {
    {.name = "lcs",
     .run = run_lcs,
     .arity = -3,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STRING,
     KEYS({.flags = "RO access", .first = 1, .last = 1, .step = 1}),
     .since = "7.0.0",
     .group = "string",
     .complexity = "O(N*M) where N and M are the lengths of the strings",
     .summary = "Returns the longest common subsequence of two strings."},
    {0},
};
