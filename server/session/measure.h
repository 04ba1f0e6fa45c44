/* SPDX-License-Identifier: MIT */
/* What is noted about each command that runs: its count, its duration, its error, and whether it
 * was slow.
 *
 * The clock is read once for each command, and only if an option asks for durations
 * (slowlog-log-slower-than, latency-tracking, latency-monitor-threshold): the end of one command of
 * a run is the beginning of the next one, which therefore includes its parsing.  All functions are
 * for the thread that has the session (session.h). */
#ifndef SERVER_SESSION_MEASURE_H
#define SERVER_SESSION_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct call;

/* What a connection keeps for that; all bytes zero: nothing is timed. */
struct measure {
    bool timed, histograms;
    int64_t slow_us;  /* below zero: no slow log */
    int64_t spike_ms; /* 0: no latency monitor */
    int64_t last_ns;  /* the steady clock when it was last read in this run; 0: not yet */
};

/* To be called before the requests of a run: looks at the options. */
void measure_prepare(struct session *session);

/* Before a command runs: when that is, to be given to measure_end; 0: it is not timed. */
int64_t measure_begin(struct session *session);

/* After a slice of a command that is not finished: its time counts when it is. */
void measure_slice(struct session *session, int64_t began);

/* After it: its reply begins at reply_start in request->reply->out. */
void measure_end(struct call *call, size_t reply_start, int64_t began);

/* A request that was refused before it ran; request->command may be NULL. */
void measure_rejected(struct call *call, size_t reply_start);

#endif
