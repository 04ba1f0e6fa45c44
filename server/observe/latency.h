/* SPDX-License-Identifier: MIT */
/* The latency monitor: events that took at least latency-monitor-threshold milliseconds.  It keeps
 * the worst of each second, and the last 160 of these for each kind of event.  Any thread. */
#ifndef SERVER_OBSERVE_LATENCY_H
#define SERVER_OBSERVE_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kinds of events, with Redis's names and one of ours. */
enum latency_event {
    LATENCY_COMMAND,      /* "command" */
    LATENCY_COMMIT,       /* "commit": the time of a write, on its way to the disk and back */
    LATENCY_FAST_COMMAND, /* "fast-command" */
    LATENCY_EVENT_COUNT
};

enum { LATENCY_SAMPLES = 160 };

struct latency_sample {
    int64_t time_s; /* Unix time */
    int64_t ms;
};

/* The history of an event, oldest first. */
struct latency_history {
    size_t count;
    struct latency_sample samples[LATENCY_SAMPLES];
    int64_t worst_ms; /* of all events, forgotten ones too */
};

struct latency;

struct latency *latency_new(void); /* NULL if memory is short */
void latency_free(struct latency *latency);

const char *latency_event_name(enum latency_event event);

/* The event of that name; LATENCY_EVENT_COUNT if there is none. */
enum latency_event latency_event_find(const void *name, size_t size, bool ignore_case);

void latency_note(struct latency *latency, enum latency_event event, int64_t ms);

/* False if no such event was noted; *history is then not set. */
bool latency_history(struct latency *latency, enum latency_event event,
                     struct latency_history *history);

/* Forgets an event; false if there was nothing to forget. */
bool latency_reset(struct latency *latency, enum latency_event event);

#endif
