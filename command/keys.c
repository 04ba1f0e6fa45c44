/* SPDX-License-Identifier: MIT */
/* Finds the keys of commands by the ranges in their rows. */
#include "command/keys.h"

struct key_span command_key_span(const struct command *command)
{
    struct key_span span = {.first = 0};
    const struct key_range *range = command->keys;
    for (; range && range->flags && range->first != 0; range++) {
        if (span.first == 0)
            span = (struct key_span){.first = range->first, .step = range->step};
        span.last = range->last < 0 ? range->last : range->first + range->last;
    }
    return span;
}

bool command_has_movable_keys(const struct command *command)
{
    const struct key_range *range = command->keys;
    while (range && range->flags && range->first != 0)
        range++;
    return range && range->flags;
}

bool command_call_keys(const struct command *command, const struct key_range *range, size_t argc,
                       const struct resp_arg *argv, struct call_keys *keys)
{
    struct key_range told = *range;
    bool is_last = !range[1].flags;
    if (is_last && command->call_keys)
        command->call_keys(argc, argv, &told);
    if (told.first == 0)
        return false;
    size_t from_end = told.last < 0 ? (size_t)-told.last : 0;
    keys->flags = told.flags;
    keys->first = (size_t)told.first;
    keys->last = from_end ? argc - from_end : keys->first + (size_t)told.last;
    keys->step = told.step > 0 ? (size_t)told.step : 1;
    return from_end <= argc && keys->first <= keys->last && keys->last < argc;
}
