/* SPDX-License-Identifier: MIT */
/* SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE, PUNSUBSCRIBE, PUBLISH, PUBSUB. */
#include <stdlib.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/family/families.h"
#include "server/peer/message.h"
#include "server/publish/outbox.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/session.h"
#include "text/glob.h"

static const char *const subscribe_words[] = {"subscribe", "psubscribe"};
static const char *const unsubscribe_words[] = {"unsubscribe", "punsubscribe"};

/* One confirmation.  As a message is, it is pushed: a client that wants no replies gets it, too. */
static void push_confirmation(struct call *call, const char *word, const struct resp_arg *name)
{
    resp_write_push(call->push, 3);
    resp_write_bulk_text(call->push, word);
    if (name)
        resp_write_bulk(call->push, name->data, name->size);
    else
        resp_write_null(call->push);
    resp_write_integer(call->push, (int64_t)subscriber_total(call->session->subscriber));
}

static void subscribe(struct call *call, enum pubsub_kind kind)
{
    for (size_t i = 1; i < call->argc; i++) {
        if (!pubsub_subscribe(call->session->server->pubsub, call->session->subscriber, kind,
                              &call->argv[i])) {
            reply_out_of_memory(call);
            return;
        }
        push_confirmation(call, subscribe_words[kind], &call->argv[i]);
    }
}

static void run_subscribe(struct call *call)
{
    subscribe(call, PUBSUB_CHANNEL);
}

static void run_psubscribe(struct call *call)
{
    subscribe(call, PUBSUB_PATTERN);
}

static void unsubscribe_one(struct call *call, enum pubsub_kind kind, const struct resp_arg *name)
{
    pubsub_unsubscribe(call->session->server->pubsub, call->session->subscriber, kind, name);
    push_confirmation(call, unsubscribe_words[kind], name);
}

static void unsubscribe(struct call *call, enum pubsub_kind kind)
{
    for (size_t i = 1; i < call->argc; i++)
        unsubscribe_one(call, kind, &call->argv[i]);
    if (call->argc > 1)
        return;
    struct resp_arg name;
    bool any = false;
    while (pubsub_any(call->session->server->pubsub, call->session->subscriber, kind, &name)) {
        unsubscribe_one(call, kind, &name);
        free((void *)(uintptr_t)name.data);
        any = true;
    }
    if (!any)
        push_confirmation(call, unsubscribe_words[kind], NULL);
}

static void run_unsubscribe(struct call *call)
{
    unsubscribe(call, PUBSUB_CHANNEL);
}

static void run_punsubscribe(struct call *call)
{
    unsubscribe(call, PUBSUB_PATTERN);
}

/* Publishes a message, which it takes over. */
static void reply_receivers(struct call *call, struct message *message)
{
    struct session *session = call->session;
    int64_t receivers = outbox_add(&session->outbox, session->server->pubsub, message);
    if (receivers < 0)
        reply_out_of_memory(call);
    else
        resp_write_integer(call->reply, receivers);
}

static void run_publish(struct call *call)
{
    struct message *message = message_new(MESSAGE_CHANNEL, &call->argv[1], &call->argv[2]);
    if (!message)
        reply_out_of_memory(call);
    else
        reply_receivers(call, message);
}

/* ---- PUBSUB ------------------------------------------------------------------------------- */

struct listing {
    struct call *call;
    const struct resp_arg *pattern; /* NULL: all */
    size_t count;
};

static void list_channel(const struct resp_arg *channel, void *arg)
{
    struct listing *listing = arg;
    if (listing->pattern && !glob_match(arg_text(listing->pattern), listing->pattern->size,
                                        arg_text(channel), channel->size, false))
        return;
    resp_write_bulk(listing->call->reply, channel->data, channel->size);
    listing->count++;
}

static void run_pubsub_channels(struct call *call)
{
    if (call->argc > 3) {
        reply_subcommand_syntax_error(call);
        return;
    }
    struct listing listing = {.call = call, .pattern = call->argc == 3 ? &call->argv[2] : NULL};
    size_t mark = resp_write_begin(call->reply);
    pubsub_each_channel(call->session->server->pubsub, list_channel, &listing);
    resp_write_end(call->reply, mark, '*', listing.count);
}

static void run_pubsub_numpat(struct call *call)
{
    resp_write_integer(call->reply,
                       (int64_t)pubsub_names(call->session->server->pubsub, PUBSUB_PATTERN));
}

static void run_pubsub_numsub(struct call *call)
{
    resp_write_array(call->reply, (call->argc - 2) * 2);
    for (size_t i = 2; i < call->argc; i++) {
        resp_write_bulk(call->reply, call->argv[i].data, call->argv[i].size);
        resp_write_integer(call->reply, (int64_t)pubsub_subscribers(call->session->server->pubsub,
                                                                    &call->argv[i]));
    }
}

/* There are no shards: what listens to one listens nowhere. */
static void run_pubsub_shardchannels(struct call *call)
{
    if (call->argc > 3)
        reply_subcommand_syntax_error(call);
    else
        resp_write_array(call->reply, 0);
}

static void run_pubsub_shardnumsub(struct call *call)
{
    resp_write_array(call->reply, (call->argc - 2) * 2);
    for (size_t i = 2; i < call->argc; i++) {
        resp_write_bulk(call->reply, call->argv[i].data, call->argv[i].size);
        resp_write_integer(call->reply, 0);
    }
}

static void run_pubsub_help(struct call *call)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    List the channels that somebody is subscribed to, all or those that match.",
        "NUMPAT",
        "    Return the number of patterns that somebody is subscribed to.",
        "NUMSUB [<channel> ...]",
        "    Return for each channel the number of its subscribers.",
        "SHARDCHANNELS [<pattern>]",
        "    As CHANNELS, of the channels of shards: there are none.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    As NUMSUB, of the channels of shards: nobody is subscribed.",
        NULL,
    };
    reply_help(call, lines);
}

#define PUBSUB_FLAGS (COMMAND_PUBSUB | COMMAND_LOADING | COMMAND_STALE)

static const struct command pubsub_rows[] = {
    {.name = "channels",
     .full_name = "pubsub|channels",
     .run = run_pubsub_channels,
     .arity = -2,
     .flags = PUBSUB_FLAGS,
     .since = "2.8.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels",
     .summary = "Lists the channels that have subscribers."},
    {.name = "help",
     .full_name = "pubsub|help",
     .run = run_pubsub_help,
     HELP_SUB,
     .since = "6.2.0",
     .group = "pubsub"},
    {.name = "numpat",
     .full_name = "pubsub|numpat",
     .run = run_pubsub_numpat,
     .arity = 2,
     .flags = PUBSUB_FLAGS,
     .since = "2.8.0",
     .group = "pubsub",
     .complexity = "O(1)",
     .summary = "Counts the patterns that have subscribers."},
    {.name = "numsub",
     .full_name = "pubsub|numsub",
     .run = run_pubsub_numsub,
     .arity = -2,
     .flags = PUBSUB_FLAGS,
     .since = "2.8.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels asked for",
     .summary = "Counts the subscribers of channels."},
    {.name = "shardchannels",
     .full_name = "pubsub|shardchannels",
     .run = run_pubsub_shardchannels,
     .arity = -2,
     .flags = PUBSUB_FLAGS,
     .since = "7.0.0",
     .group = "pubsub",
     .complexity = "O(1)",
     .summary = "Lists no channels: there are no shards."},
    {.name = "shardnumsub",
     .full_name = "pubsub|shardnumsub",
     .run = run_pubsub_shardnumsub,
     .arity = -2,
     .flags = PUBSUB_FLAGS,
     .since = "7.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels asked for",
     .summary = "Counts the subscribers of channels of shards: there are none."},
    {0},
};

#define SUBSCRIBE_FLAGS (PUBSUB_FLAGS | COMMAND_NOSCRIPT | COMMAND_WHILE_SUBSCRIBED)

const struct command command_pubsub_rows[] = {
    {.name = "psubscribe",
     .run = run_psubscribe,
     .arity = -2,
     .flags = SUBSCRIBE_FLAGS,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of patterns",
     .summary = "Listens for messages on channels that match patterns."},
    {.name = "publish",
     .run = run_publish,
     .arity = 3,
     .flags = PUBSUB_FLAGS | COMMAND_FAST | COMMAND_MAY_REPLICATE,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N+M) where N is the number of the channel's subscribers and M the number of "
                   "patterns",
     .summary = "Sends a message to a channel."},
    {.name = "pubsub",
     .arity = -2,
     .subcommands = pubsub_rows,
     .since = "2.8.0",
     .group = "pubsub",
     .complexity = "Depends on the subcommand",
     .summary = "A container for questions about channels."},
    {.name = "punsubscribe",
     .run = run_punsubscribe,
     .arity = -1,
     .flags = SUBSCRIBE_FLAGS,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of patterns",
     .summary = "Stops listening to patterns, to all if none is named."},
    {.name = "subscribe",
     .run = run_subscribe,
     .arity = -2,
     .flags = SUBSCRIBE_FLAGS,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels",
     .summary = "Listens for messages on channels."},
    {.name = "unsubscribe",
     .run = run_unsubscribe,
     .arity = -1,
     .flags = SUBSCRIBE_FLAGS,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels",
     .summary = "Stops listening to channels, to all if none is named."},
    {0},
};
