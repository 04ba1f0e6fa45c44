/* SPDX-License-Identifier: MIT */
/* SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE, PUNSUBSCRIBE, PUBLISH, PUBSUB. */
#include <stdlib.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/slices.h"
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

/* Confirmations are pushed like messages, so a client that wants no replies gets them, too. */
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

/* Work is counted in bytes.  The clock is read when so many are done, a small part of a slice
 * (slices.h).  A name counts for some more than its own. */
#define WORK_BETWEEN_LOOKS ((size_t)16 << 10)
#define WORK_PER_NAME      ((size_t)256)

/* With more arguments a call needs slices. */
#define NAMES_FOR_SLICES 1000

/* With a longer channel PUBLISH needs slices, as there may be many patterns. */
#define CHANNEL_FOR_SLICES 1000

/* Counts the work on a name.  Whether the call has to stop. */
static bool yields_after(struct call *call, size_t *work, size_t name_size)
{
    *work += WORK_PER_NAME + name_size;
    if (*work < WORK_BETWEEN_LOOKS)
        return false;
    *work = 0;
    return call_yields(call);
}

static void subscribe(struct call *call, enum pubsub_kind kind)
{
    struct session *session = call->session;
    size_t work = 0;
    for (size_t *at = &call->slices->at; 1 + *at < call->argc;) {
        const struct resp_arg *name = &call->argv[1 + *at];
        if (!pubsub_subscribe(session->server->pubsub, session->subscriber, kind, name)) {
            reply_out_of_memory(call);
            return;
        }
        push_confirmation(call, subscribe_words[kind], name);
        ++*at;
        if (yields_after(call, &work, name->size))
            return;
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

static void unsubscribe_named(struct call *call, enum pubsub_kind kind)
{
    size_t work = 0;
    for (size_t *at = &call->slices->at; 1 + *at < call->argc;) {
        const struct resp_arg *name = &call->argv[1 + *at];
        unsubscribe_one(call, kind, name);
        ++*at;
        if (yields_after(call, &work, name->size))
            return;
    }
}

static void unsubscribe_all(struct call *call, enum pubsub_kind kind)
{
    struct session *session = call->session;
    struct resp_arg name;
    size_t work = 0;
    while (pubsub_any(session->server->pubsub, session->subscriber, kind, &name)) {
        unsubscribe_one(call, kind, &name);
        free((void *)(uintptr_t)name.data);
        call->slices->count++;
        if (yields_after(call, &work, name.size))
            return;
    }
    if (call->slices->count == 0)
        push_confirmation(call, unsubscribe_words[kind], NULL);
}

static void unsubscribe(struct call *call, enum pubsub_kind kind)
{
    if (call->argc > 1)
        unsubscribe_named(call, kind);
    else
        unsubscribe_all(call, kind);
}

static void run_unsubscribe(struct call *call)
{
    unsubscribe(call, PUBSUB_CHANNEL);
}

static void run_punsubscribe(struct call *call)
{
    unsubscribe(call, PUBSUB_PATTERN);
}

/* If no name is given, any number of subscriptions may end. */
static unsigned names_flags(size_t argc, const struct resp_arg *argv)
{
    (void)argv;
    return argc == 1 || argc > NAMES_FOR_SLICES ? COMMAND_LONG : 0;
}

/* ---- PUBLISH ------------------------------------------------------------------------------ */

/* A message whose receivers are being found. */
struct publishing {
    struct pubsub *pubsub;
    struct message *message;
    struct addressing addressing;
};

static void free_publishing(void *arg)
{
    struct publishing *publishing = arg;
    pubsub_address_end(publishing->pubsub, &publishing->addressing);
    message_release(publishing->message);
    free(publishing);
}

/* Finds more receivers.  Whether all are found. */
static bool find_receivers(struct publishing *publishing)
{
    size_t steps = WORK_BETWEEN_LOOKS;
    return pubsub_address_some(publishing->pubsub, &publishing->addressing, &steps);
}

/* Puts the message into the outbox when all receivers are found. */
static void send_and_reply(struct call *call, struct publishing *publishing)
{
    struct addressing *addressing = &publishing->addressing;
    int64_t receivers = addressing->count;
    struct delivery *deliveries = addressing->first;
    addressing->first = addressing->last = NULL;
    if (outbox_add(&call->session->outbox, message_hold(publishing->message), deliveries))
        resp_write_integer(call->reply, receivers);
    else
        reply_out_of_memory(call);
}

/* Keeps a publishing that takes long, to go on in slices.  NULL if memory is short. */
static struct publishing *keep(struct call *call, const struct publishing *publishing)
{
    struct publishing *kept = malloc(sizeof *kept);
    if (!kept)
        return NULL;
    *kept = *publishing;
    call->slices->state = kept;
    call->slices->free_state = free_publishing;
    return kept;
}

static void publish_slowly(struct call *call, struct publishing *publishing)
{
    bool found = false;
    while (!found && !call_yields(call))
        found = find_receivers(publishing);
    if (found)
        send_and_reply(call, publishing);
}

static void run_publish(struct call *call)
{
    if (call->slices->state) {
        publish_slowly(call, call->slices->state);
        return;
    }
    struct message *message = message_new(MESSAGE_CHANNEL, &call->argv[1], &call->argv[2]);
    if (!message) {
        reply_out_of_memory(call);
        return;
    }
    struct publishing publishing = {.pubsub = call->session->server->pubsub,
                                    .message = message,
                                    .addressing = {.message = message}};
    struct publishing *kept = NULL;
    if (find_receivers(&publishing)) {
        send_and_reply(call, &publishing);
    } else if ((kept = keep(call, &publishing)) != NULL) {
        publish_slowly(call, kept);
        return;
    } else {
        pubsub_address_end(publishing.pubsub, &publishing.addressing);
        reply_out_of_memory(call);
    }
    message_release(message);
}

static unsigned publish_flags(size_t argc, const struct resp_arg *argv)
{
    (void)argc;
    return argv[1].size > CHANNEL_FOR_SLICES ? COMMAND_LONG : 0;
}

/* ---- PUBSUB ------------------------------------------------------------------------------- */

/* Replies the kept elements as an array. */
static void reply_kept(struct call *call, size_t count)
{
    const struct resp_buffer *kept = &call->slices->kept;
    if (kept->failed && !kept->overrun) {
        reply_out_of_memory(call);
        return;
    }
    resp_write_array(call->reply, count);
    resp_buffer_append(call->reply->out, resp_buffer_bytes(kept), resp_buffer_size(kept));
    call->reply->out->failed |= kept->failed;
    call->reply->out->overrun |= kept->overrun;
}

/* A writer of elements that are kept between slices. */
static struct resp_writer keep_elements(struct call *call)
{
    call->slices->kept.most = call->reply->out->most;
    return (struct resp_writer){&call->slices->kept, call->reply->version};
}

/* PUBSUB CHANNELS on its way. */
struct listing {
    struct pubsub *pubsub;
    struct names_walk walk;
    size_t at; /* in the batch */
    bool matching;
    struct glob glob;
};

static void free_listing(void *arg)
{
    struct listing *listing = arg;
    pubsub_walk_end(listing->pubsub, PUBSUB_CHANNEL, &listing->walk);
    free(listing);
}

static struct listing *listing_of(struct call *call)
{
    struct call_slices *slices = call->slices;
    if (slices->state)
        return slices->state;
    struct listing *listing = calloc(1, sizeof *listing);
    if (!listing)
        return NULL;
    listing->pubsub = call->session->server->pubsub;
    pubsub_walk_on(listing->pubsub, PUBSUB_CHANNEL, &listing->walk);
    slices->state = listing;
    slices->free_state = free_listing;
    return listing;
}

/* Whether the pattern matches a channel.  GLOB_MORE: the match takes longer. */
static enum glob_result is_listed(struct listing *listing, const struct resp_arg *pattern,
                                  const struct resp_arg *channel)
{
    size_t steps = WORK_BETWEEN_LOOKS;
    if (!pattern)
        return GLOB_YES;
    if (!listing->matching)
        glob_begin(&listing->glob, arg_text(pattern), pattern->size, arg_text(channel),
                   channel->size, false);
    enum glob_result result = glob_continue(&listing->glob, &steps);
    listing->matching = result == GLOB_MORE;
    return result;
}

/* Lists more channels.  False if the slice is over. */
static bool list_channels(struct call *call, struct listing *listing)
{
    const struct resp_arg *pattern = call->argc == 3 ? &call->argv[2] : NULL;
    struct resp_writer elements = keep_elements(call);
    struct names_walk *walk = &listing->walk;
    size_t work = 0;
    while (walk->count > 0) {
        if (listing->at == walk->count) {
            pubsub_walk_on(listing->pubsub, PUBSUB_CHANNEL, walk);
            listing->at = 0;
            continue;
        }
        const struct resp_arg *channel = &walk->batch[listing->at]->text;
        enum glob_result result = is_listed(listing, pattern, channel);
        if (result == GLOB_YES) {
            resp_write_bulk(&elements, channel->data, channel->size);
            call->slices->count++;
        }
        listing->at += result != GLOB_MORE;
        if (yields_after(call, &work, channel->size))
            return false;
    }
    return true;
}

static void run_pubsub_channels(struct call *call)
{
    if (call->argc > 3) {
        reply_subcommand_syntax_error(call);
        return;
    }
    struct listing *listing = listing_of(call);
    if (!listing)
        reply_out_of_memory(call);
    else if (list_channels(call, listing))
        reply_kept(call, call->slices->count);
}

static unsigned channels_flags(size_t argc, const struct resp_arg *argv)
{
    (void)argc;
    (void)argv;
    return COMMAND_LONG;
}

static void run_pubsub_numpat(struct call *call)
{
    resp_write_integer(call->reply,
                       (int64_t)pubsub_names(call->session->server->pubsub, PUBSUB_PATTERN));
}

typedef size_t count_fn(struct call *call, const struct resp_arg *channel);

static size_t count_subscribers(struct call *call, const struct resp_arg *channel)
{
    return pubsub_subscribers(call->session->server->pubsub, channel);
}

/* There are no shards: a client that listens to one listens nowhere. */
static size_t count_nobody(struct call *call, const struct resp_arg *channel)
{
    (void)call;
    (void)channel;
    return 0;
}

static void reply_counts(struct call *call, count_fn *fn)
{
    struct resp_writer elements = keep_elements(call);
    size_t work = 0;
    for (size_t *at = &call->slices->at; 2 + *at < call->argc;) {
        const struct resp_arg *channel = &call->argv[2 + *at];
        resp_write_bulk(&elements, channel->data, channel->size);
        resp_write_integer(&elements, (int64_t)fn(call, channel));
        ++*at;
        if (yields_after(call, &work, channel->size))
            return;
    }
    reply_kept(call, (call->argc - 2) * 2);
}

static void run_pubsub_numsub(struct call *call)
{
    reply_counts(call, count_subscribers);
}

static unsigned counts_flags(size_t argc, const struct resp_arg *argv)
{
    (void)argv;
    return argc > NAMES_FOR_SLICES ? COMMAND_LONG : 0;
}

static void run_pubsub_shardchannels(struct call *call)
{
    if (call->argc > 3)
        reply_subcommand_syntax_error(call);
    else
        resp_write_array(call->reply, 0);
}

static void run_pubsub_shardnumsub(struct call *call)
{
    reply_counts(call, count_nobody);
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
     .flags = PUBSUB_FLAGS | COMMAND_SLICED,
     .call_flags = channels_flags,
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
     .flags = PUBSUB_FLAGS | COMMAND_SLICED,
     .call_flags = counts_flags,
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
     .flags = PUBSUB_FLAGS | COMMAND_SLICED,
     .call_flags = counts_flags,
     .since = "7.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels asked for",
     .summary = "Counts the subscribers of channels of shards: there are none."},
    {0},
};

#define SUBSCRIBE_FLAGS                                                                            \
    (PUBSUB_FLAGS | COMMAND_NOSCRIPT | COMMAND_WHILE_SUBSCRIBED | COMMAND_SLICED)

const struct command command_pubsub_rows[] = {
    {.name = "psubscribe",
     .run = run_psubscribe,
     .arity = -2,
     .flags = SUBSCRIBE_FLAGS,
     .call_flags = names_flags,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of patterns",
     .summary = "Listens for messages on channels that match patterns."},
    {.name = "publish",
     .run = run_publish,
     .arity = 3,
     .flags = PUBSUB_FLAGS | COMMAND_FAST | COMMAND_MAY_REPLICATE | COMMAND_SLICED,
     .call_flags = publish_flags,
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
     .call_flags = names_flags,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of patterns",
     .summary = "Stops listening to patterns, to all if none is named."},
    {.name = "subscribe",
     .run = run_subscribe,
     .arity = -2,
     .flags = SUBSCRIBE_FLAGS,
     .call_flags = names_flags,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels",
     .summary = "Listens for messages on channels."},
    {.name = "unsubscribe",
     .run = run_unsubscribe,
     .arity = -1,
     .flags = SUBSCRIBE_FLAGS,
     .call_flags = names_flags,
     .since = "2.0.0",
     .group = "pubsub",
     .complexity = "O(N) where N is the number of channels",
     .summary = "Stops listening to channels, to all if none is named."},
    {0},
};
