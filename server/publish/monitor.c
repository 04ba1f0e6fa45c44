/* SPDX-License-Identifier: MIT */
/* Makes the lines of MONITOR and sends them. */
#include "server/publish/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/args.h"
#include "command/call.h"
#include "server/observe/clock.h"
#include "server/peer/message.h"
#include "server/publish/subscriber.h"
#include "text/quote.h"

struct monitors *monitors_new(void)
{
    struct monitors *monitors = calloc(1, sizeof *monitors);
    if (monitors)
        pthread_mutex_init(&monitors->mutex, NULL);
    return monitors;
}

void monitors_free(struct monitors *monitors)
{
    if (!monitors)
        return;
    pthread_mutex_destroy(&monitors->mutex);
    free(monitors);
}

void monitors_join(struct monitors *monitors, struct subscriber *subscriber)
{
    pthread_mutex_lock(&monitors->mutex);
    if (!subscriber_monitors(subscriber)) {
        subscriber->next_monitor = monitors->first;
        monitors->first = subscriber;
        atomic_store_explicit(&subscriber->monitors, true, memory_order_relaxed);
        atomic_fetch_add_explicit(&monitors->count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&monitors->mutex);
}

void monitors_leave(struct monitors *monitors, struct subscriber *subscriber)
{
    if (!subscriber_monitors(subscriber))
        return;
    pthread_mutex_lock(&monitors->mutex);
    struct subscriber **at = &monitors->first;
    while (*at != subscriber)
        at = &(*at)->next_monitor;
    *at = subscriber->next_monitor;
    atomic_store_explicit(&subscriber->monitors, false, memory_order_relaxed);
    atomic_fetch_sub_explicit(&monitors->count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&monitors->mutex);
}

/* ---- The line ----------------------------------------------------------------------------- */

static void append_text(struct resp_buffer *out, const char *text)
{
    resp_buffer_append(out, text, strlen(text));
}

/* The time, the database, and the client. */
static void append_origin(struct resp_buffer *out, const struct monitor_origin *origin)
{
    int64_t now_us = wall_us();
    char text[256];
    size_t size = strlen(origin->address);
    if (origin->is_unix)
        size -= strlen(":0");
    snprintf(text, sizeof text, "+%lld.%06ld [%u %s%.*s]", (long long)(now_us / 1000000),
             (long)(now_us % 1000000), origin->database, origin->is_unix ? "unix:" : "", (int)size,
             origin->address);
    append_text(out, text);
}

/* NULL if memory is short. */
static struct message *make_line(const struct call *call, const struct monitor_origin *origin)
{
    static const struct resp_arg no_channel = {NULL, 0};
    struct resp_buffer text = {0};
    append_origin(&text, origin);
    for (size_t i = 0; i < call->argc; i++) {
        append_text(&text, " ");
        const struct resp_arg arg = arg_shown(call, i);
        quote_to_buffer(&text, arg.data, arg.size);
    }
    append_text(&text, "\r\n");
    const struct resp_arg line = {resp_buffer_bytes(&text), resp_buffer_size(&text)};
    struct message *message = text.failed ? NULL : message_new(MESSAGE_LINE, &no_channel, &line);
    resp_buffer_free(&text);
    return message;
}

void monitors_show(struct monitors *monitors, const struct call *call,
                   const struct monitor_origin *origin, const struct subscriber *except)
{
    struct message *message = make_line(call, origin);
    if (!message)
        return;
    pthread_mutex_lock(&monitors->mutex);
    for (struct subscriber *s = monitors->first; s; s = s->next_monitor) {
        struct delivery *delivery =
            s != except ? delivery_new(s, message, DELIVERY_LINE, NULL) : NULL;
        if (delivery)
            delivery_send(delivery);
    }
    pthread_mutex_unlock(&monitors->mutex);
    message_release(message);
}
