/* SPDX-License-Identifier: MIT */
/* The commands that took longer than slowlog-log-slower-than, newest first.  Any thread. */
#ifndef SERVER_OBSERVE_SLOWLOG_H
#define SERVER_OBSERVE_SLOWLOG_H

#include <stddef.h>
#include <stdint.h>

struct call;
struct resp_writer;
struct slowlog;

struct slowlog *slowlog_new(void); /* NULL if memory is short */
void slowlog_free(struct slowlog *slowlog);

/* Notes a command that has just run, shortened, without passwords, and forgets the oldest beyond `most`
 * entries.  If memory is short the command is not noted. */
void slowlog_note(struct slowlog *slowlog, const struct call *call, int64_t duration_us,
                  size_t most);

size_t slowlog_length(struct slowlog *slowlog);
void slowlog_clear(struct slowlog *slowlog);

/* Replies the newest entries, at most `most`, as SLOWLOG GET does. */
void slowlog_reply(struct slowlog *slowlog, size_t most, struct resp_writer *reply);

#endif
