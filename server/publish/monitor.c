/* SPDX-License-Identifier: MIT */
/* Makes the lines of MONITOR and sends them. */
#include "server/publish/monitor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "command/args.h"
#include "server/client/client.h"
#include "server/peer/message.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/session.h"
#include "text/quote.h"

void monitors_init(struct monitors *monitors)
{
    *monitors = (struct monitors){.first = NULL};
    pthread_mutex_init(&monitors->mutex, NULL);
}

void monitors_destroy(struct monitors *monitors)
{
    pthread_mutex_destroy(&monitors->mutex);
}

void monitor_join(struct monitors *monitors, struct subscriber *subscriber)
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

void monitor_leave(struct monitors *monitors, struct subscriber *subscriber)
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

/* When, in which database, and who. */
static void append_origin(struct resp_buffer *out, const struct session *session)
{
    const struct client *client = session->client;
    struct timespec now;
    char text[sizeof client->address + 80];
    clock_gettime(CLOCK_REALTIME, &now);
    size_t size = strlen(client->address);
    if (client->is_unix) /* "/path:0" */
        size -= strlen(":0");
    snprintf(text, sizeof text, "+%lld.%06ld [%u %s%.*s]", (long long)now.tv_sec,
             now.tv_nsec / 1000, session->database, client->is_unix ? "unix:" : "", (int)size,
             client->address);
    append_text(out, text);
}

static void append_line(struct resp_buffer *out, const struct call *call)
{
    append_origin(out, call->session);
    for (size_t i = 0; i < call->argc; i++) {
        append_text(out, " ");
        const struct resp_arg arg = arg_shown(call, i);
        quote_to_buffer(out, arg.data, arg.size);
    }
    append_text(out, "\r\n");
}

void monitor_show(struct call *call)
{
    static const struct resp_arg no_channel = {NULL, 0};
    /* What it said while it wanted no replies is not to come when it wants them again. */
    const struct session *session = call->session;
    const struct silence *silence = &session->silence;
    const struct subscriber *silent = silence->off || silence->skip ? session->subscriber : NULL;
    struct monitors *monitors = &call->session->server->monitors;
    struct resp_buffer text = {0};
    append_line(&text, call);
    const struct resp_arg line = {resp_buffer_bytes(&text), resp_buffer_size(&text)};
    struct message *message = text.failed ? NULL : message_new(MESSAGE_LINE, &no_channel, &line);
    resp_buffer_free(&text);
    if (!message)
        return;
    pthread_mutex_lock(&monitors->mutex);
    for (struct subscriber *s = monitors->first; s; s = s->next_monitor) {
        struct delivery *delivery =
            s != silent ? delivery_new(s, message, DELIVERY_LINE, NULL) : NULL;
        if (delivery)
            delivery_send(delivery);
    }
    pthread_mutex_unlock(&monitors->mutex);
    message_release(message);
}
