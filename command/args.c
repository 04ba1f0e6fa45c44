/* SPDX-License-Identifier: MIT */
/* Reads the arguments of calls. */
#include "command/args.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "command/host.h"
#include "command/table.h"
#include "text/number.h"

bool arg_is(const struct resp_arg *arg, const char *word)
{
    size_t size = strlen(word);
    if (arg->size < size || (arg->size > size && arg->data[size] != '\0'))
        return false;
    return size == 0 || strncasecmp(arg_text(arg), word, size) == 0;
}

bool arg_integer(const struct resp_arg *arg, int64_t *value)
{
    return number_parse(arg->data, arg->size, value);
}

bool arg_integer_or_reply(struct call *call, size_t index, int64_t *value)
{
    assert(index < call->argc);
    if (arg_integer(&call->argv[index], value))
        return true;
    resp_write_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

bool arg_is_database(const struct call *call, const struct resp_arg *arg, int64_t *database)
{
    return arg_integer(arg, database) && *database >= 0 && *database < call->host->databases;
}

bool arg_database_or_reply(struct call *call, size_t index, int64_t *database)
{
    if (!arg_integer_or_reply(call, index, database))
        return false;
    if (*database < INT_MIN || *database > INT_MAX) {
        resp_write_error(call->reply, "ERR value is out of range, value must between "
                                      "-2147483648 and 2147483647"); /* sic */
        return false;
    }
    if (*database < 0 || *database >= call->host->databases) {
        resp_write_error(call->reply, "ERR DB index is out of range");
        return false;
    }
    return true;
}

bool arg_timeout_or_reply(struct call *call, size_t index, int64_t *ms)
{
    const char *wrong = NULL;
    if (!arg_integer(&call->argv[index], ms))
        wrong = "ERR timeout is not an integer or out of range";
    else if (*ms < 0)
        wrong = "ERR timeout is negative";
    if (wrong)
        resp_write_error(call->reply, wrong);
    return !wrong;
}

struct resp_arg arg_shown(const struct call *call, size_t index)
{
    static const char redacted[] = "(redacted)";
    bool (*is_secret)(const struct resp_arg *argv, size_t index) = call->command->is_secret;
    if (is_secret && is_secret(call->argv, index))
        return (struct resp_arg){(const uint8_t *)redacted, strlen(redacted)};
    return call->argv[index];
}
