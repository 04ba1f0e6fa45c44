/* SPDX-License-Identifier: MIT */
/* Keeps the history of slow events. */
#include "server/observe/latency.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/observe/clock.h"

static const char *const event_names[LATENCY_EVENT_COUNT] = {
    [LATENCY_COMMAND] = "command",
    [LATENCY_COMMIT] = "commit",
    [LATENCY_FAST_COMMAND] = "fast-command",
};

struct latency {
    pthread_mutex_t mutex; /* guard of all */
    struct latency_history events[LATENCY_EVENT_COUNT];
};

struct latency *latency_new(void)
{
    struct latency *latency = calloc(1, sizeof *latency);
    if (latency)
        pthread_mutex_init(&latency->mutex, NULL);
    return latency;
}

void latency_free(struct latency *latency)
{
    if (!latency)
        return;
    pthread_mutex_destroy(&latency->mutex);
    free(latency);
}

const char *latency_event_name(enum latency_event event)
{
    return event_names[event];
}

enum latency_event latency_event_find(const void *name, size_t size, bool ignore_case)
{
    enum latency_event event = 0;
    while (event < LATENCY_EVENT_COUNT) {
        const char *known = event_names[event];
        if (strlen(known) == size &&
            (ignore_case ? strncasecmp(known, name, size) == 0 : memcmp(known, name, size) == 0))
            break;
        event++;
    }
    return event;
}

void latency_note(struct latency *latency, enum latency_event event, int64_t ms)
{
    int64_t now_s = wall_ms() / 1000;
    pthread_mutex_lock(&latency->mutex);
    struct latency_history *history = &latency->events[event];
    struct latency_sample *last = history->count ? &history->samples[history->count - 1] : NULL;
    if (ms > history->worst_ms)
        history->worst_ms = ms;
    if (last && last->time_s == now_s) {
        if (ms > last->ms)
            last->ms = ms;
    } else {
        /* Once a second at most, so moving them all costs next to nothing. */
        if (history->count == LATENCY_SAMPLES)
            memmove(history->samples, history->samples + 1,
                    --history->count * sizeof *history->samples);
        history->samples[history->count++] = (struct latency_sample){now_s, ms};
    }
    pthread_mutex_unlock(&latency->mutex);
}

bool latency_history(struct latency *latency, enum latency_event event,
                     struct latency_history *history)
{
    pthread_mutex_lock(&latency->mutex);
    bool exists = latency->events[event].count > 0;
    if (exists)
        *history = latency->events[event];
    pthread_mutex_unlock(&latency->mutex);
    return exists;
}

bool latency_reset(struct latency *latency, enum latency_event event)
{
    pthread_mutex_lock(&latency->mutex);
    bool exists = latency->events[event].count > 0;
    latency->events[event] = (struct latency_history){.count = 0};
    pthread_mutex_unlock(&latency->mutex);
    return exists;
}
