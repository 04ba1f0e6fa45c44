/* SPDX-License-Identifier: MIT */
/* hiredis with expectations. */
#include "tests/client/harness/client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/reply.h"
#include "tests/client/harness/server.h"

redisContext *client_connect(const struct server *server)
{
    redisContext *client = redisConnectUnix(server->socket);
    check(client, "out of memory");
    check(!client->err, "cannot connect: %s", client->errstr);
    struct timeval net = {.tv_sec = 180}; /* a safety net, not an assertion */
    redisSetTimeout(client, net);
    return client;
}

static char *run(redisContext *client, const char *format, va_list args)
{
    redisReply *reply = redisvCommand(client, format, args);
    if (!reply)
        return text_format("(connection lost: %s)", client->errstr);
    char *text = reply_text_hiredis(reply);
    freeReplyObject(reply);
    return text;
}

char *client_text(redisContext *client, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = run(client, format, args);
    va_end(args);
    return text;
}

void client_expect_at(const char *file, int line, redisContext *client, const char *expected,
                      bool only_start, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = run(client, format, args);
    va_end(args);
    if (only_start ? strncmp(text, expected, strlen(expected)) : strcmp(text, expected))
        harness_fail(file, line, "%s\nexpected %s%s\n     got %s", format, expected,
                     only_start ? "..." : "", text);
    free(text);
}

long long client_integer_at(const char *file, int line, redisContext *client, const char *format,
                            ...)
{
    va_list args;
    va_start(args, format);
    char *text = run(client, format, args);
    va_end(args);
    if (text[0] != ':' && text[0] != '$')
        harness_fail(file, line, "%s\nexpected a number\n     got %s", format, text);
    long long value = strtoll(text + 1, NULL, 10);
    free(text);
    return value;
}

long long client_info_at(const char *file, int line, redisContext *client, const char *section,
                         const char *field)
{
    redisReply *reply = redisCommand(client, "INFO %s", section);
    if (!reply || reply->type != REDIS_REPLY_STRING)
        harness_fail(file, line, "INFO %s does not answer", section);
    char *wanted = text_format("\n%s:", field);
    const char *found = strstr(reply->str, wanted);
    if (!found)
        harness_fail(file, line, "INFO %s has no field %s:\n%s", section, field, reply->str);
    long long value = strtoll(found + strlen(wanted), NULL, 10);
    free(wanted);
    freeReplyObject(reply);
    return value;
}
