/* SPDX-License-Identifier: MIT */
/* The table of ACL categories, and the rules by which a command's flags imply some of them. */
#include "command/category.h"

#include "command/args.h"
#include "command/table.h"

/* Categories that stand in no row: those that follow from flags, and those of data types that do
 * not exist here yet. */
enum {
    CATEGORY_READ = 1 << 16,
    CATEGORY_WRITE = 1 << 17,
    CATEGORY_FAST = 1 << 19,
    CATEGORY_SLOW = 1 << 20,
    CATEGORY_BLOCKING = 1 << 21,
    CATEGORY_HASH = 1 << 22,
    CATEGORY_HYPERLOGLOG = 1 << 23,
    CATEGORY_GEO = 1 << 24,
    CATEGORY_STREAM = 1 << 25
};

const struct word command_category_words[] = {
    {CATEGORY_KEYSPACE, "@keyspace"},
    {CATEGORY_READ, "@read"},
    {CATEGORY_WRITE, "@write"},
    {CATEGORY_SET, "@set"},
    {CATEGORY_SORTEDSET, "@sortedset"},
    {CATEGORY_LIST, "@list"},
    {CATEGORY_HASH, "@hash"},
    {CATEGORY_STRING, "@string"},
    {CATEGORY_BITMAP, "@bitmap"},
    {CATEGORY_HYPERLOGLOG, "@hyperloglog"},
    {CATEGORY_GEO, "@geo"},
    {CATEGORY_STREAM, "@stream"},
    {CATEGORY_PUBSUB, "@pubsub"},
    {CATEGORY_ADMIN, "@admin"},
    {CATEGORY_FAST, "@fast"},
    {CATEGORY_SLOW, "@slow"},
    {CATEGORY_BLOCKING, "@blocking"},
    {CATEGORY_DANGEROUS, "@dangerous"},
    {CATEGORY_CONNECTION, "@connection"},
    {CATEGORY_TRANSACTION, "@transaction"},
    {CATEGORY_SCRIPTING, "@scripting"},
};

const size_t command_category_count =
    sizeof command_category_words / sizeof *command_category_words;

unsigned command_categories(const struct command *command)
{
    unsigned flags = command->flags;
    unsigned categories = command->categories;
    if (flags & COMMAND_WRITE)
        categories |= CATEGORY_WRITE;
    /* EVAL_RO and its kin read, but the right to read does not include the right to run scripts. */
    if ((flags & COMMAND_READONLY) && !(categories & CATEGORY_SCRIPTING))
        categories |= CATEGORY_READ;
    if (flags & COMMAND_ADMIN)
        categories |= CATEGORY_ADMIN | CATEGORY_DANGEROUS;
    if (flags & COMMAND_PUBSUB)
        categories |= CATEGORY_PUBSUB;
    if (flags & COMMAND_BLOCKING)
        categories |= CATEGORY_BLOCKING;
    return categories | (flags & COMMAND_FAST ? (unsigned)CATEGORY_FAST : CATEGORY_SLOW);
}

unsigned command_category_find(const struct resp_arg *name)
{
    for (size_t i = 0; i < command_category_count; i++) {
        if (arg_is(name, command_category_words[i].word + 1))
            return command_category_words[i].bit;
    }
    return 0;
}
