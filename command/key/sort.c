/* SPDX-License-Identifier: MIT */
/* SORT and SORT_RO.  Lists and sets do not exist here yet: a missing key sorts to nothing, and
 * any other key holds the wrong type. */
#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/table.h"

struct sort_options {
    size_t store_index; /* the argument with the key of STORE; 0: none */
};

static bool sort_options_or_reply(struct call *call, bool may_store, struct sort_options *options)
{
    *options = (struct sort_options){.store_index = 0};
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        size_t left = call->argc - i - 1;
        int64_t number;
        if (arg_is(arg, "ASC") || arg_is(arg, "DESC") || arg_is(arg, "ALPHA"))
            continue;
        if (left >= 2 && arg_is(arg, "LIMIT")) {
            if (!arg_integer_or_reply(call, i + 1, &number) ||
                !arg_integer_or_reply(call, i + 2, &number))
                return false;
            i += 2;
        } else if (left >= 1 && may_store && arg_is(arg, "STORE")) {
            options->store_index = ++i;
        } else if (left >= 1 && (arg_is(arg, "BY") || arg_is(arg, "GET"))) {
            i++;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void sort(struct call *call, bool may_store)
{
    struct sort_options options;
    if (!sort_options_or_reply(call, may_store, &options))
        return;
    if (read_key(call, &call->argv[1], NULL)) {
        reply_wrong_type(call);
        return;
    }
    if (options.store_index == 0) {
        resp_write_array(call->reply, 0);
        return;
    }
    /* An empty result removes the key.  A result that is not empty would tell "sortstore". */
    const struct resp_arg *store = &call->argv[options.store_index];
    bool existed = false;
    if (!store_ok_or_reply(call, anystore_delete(call->txn, store->data, store->size, &existed)))
        return;
    if (existed)
        call_event(call, NOTIFY_GENERIC, "del", store);
    resp_write_integer(call->reply, 0);
}

static void run_sort(struct call *call)
{
    sort(call, true);
}

static void run_sort_ro(struct call *call)
{
    sort(call, false);
}

/* ---- Keys --------------------------------------------------------------------------------- */

#define BY_GET_NOTES                                                                               \
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from "   \
    "the content of the key we sort"
#define STORE_NOTES                                                                                \
    "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear "       \
    "anywhere in the argument array"

static const struct key_range sort_ranges[] = {
    {.flags = "RO access", .first = 1, .step = 1},
    {.flags = "RO access", .notes = BY_GET_NOTES},
    {.flags = "OW update", .notes = STORE_NOTES},
    {0},
};

static const struct key_range sort_ro_ranges[] = {
    {.flags = "RO access", .first = 1, .step = 1},
    {.flags = "RO access", .notes = BY_GET_NOTES},
    {0},
};

/* Of several STORE the last one counts. */
static void sort_keys(size_t argc, const struct resp_arg *argv, struct key_range *range)
{
    for (size_t i = 2; i < argc; i++) {
        if (arg_is(&argv[i], "LIMIT"))
            i += 2;
        else if (arg_is(&argv[i], "GET") || arg_is(&argv[i], "BY"))
            i++;
        else if (i + 1 < argc && arg_is(&argv[i], "STORE"))
            range->first = (int)(i + 1);
    }
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define SORT_CATEGORIES                                                                            \
    .categories = CATEGORY_LIST | CATEGORY_SET | CATEGORY_SORTEDSET | CATEGORY_DANGEROUS

const struct command command_sort_rows[] = {
    {.name = "sort",
     .run = run_sort,
     .arity = -2,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     SORT_CATEGORIES,
     .keys = sort_ranges,
     .call_keys = sort_keys,
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N+M*log(M)) where N is the number of elements and M of those answered",
     .summary = "Sorts the elements of a list or a set, and stores the result if asked to."},
    {.name = "sort_ro",
     .run = run_sort_ro,
     .arity = -2,
     .flags = COMMAND_READONLY,
     SORT_CATEGORIES,
     .keys = sort_ro_ranges,
     .since = "7.0.0",
     .group = "generic",
     .complexity = "O(N+M*log(M)) where N is the number of elements and M of those answered",
     .summary = "Sorts the elements of a list or a set."},
    {0},
};
