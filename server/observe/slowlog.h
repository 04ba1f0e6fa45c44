/* SPDX-License-Identifier: MIT */
/* The commands that took longer than slowlog-log-slower-than, newest first.  Any thread. */
#ifndef SERVER_OBSERVE_SLOWLOG_H
#define SERVER_OBSERVE_SLOWLOG_H

#include <stddef.h>
#include <stdint.h>

struct resp_arg;
struct resp_writer;
struct slowlog;

enum {
    SLOWLOG_ARGUMENTS = 32
}; /* that an entry shows; the last one may be a count of the others */

/* A command that has just run. */
struct slow_command {
    const struct resp_arg *argv; /* the first SLOWLOG_ARGUMENTS or all, secrets replaced */
    size_t argc;                 /* of the command, also beyond these */
    const char *address;         /* of its client */
    const char *client_name;     /* NULL: none */
    int64_t duration_us;
};

struct slowlog *slowlog_new(void); /* NULL if memory is short */
void slowlog_free(struct slowlog *slowlog);

/* Keeps a shortened copy of a command and forgets the oldest entries beyond `most`.  If memory is
 * short the command is not noted. */
void slowlog_note(struct slowlog *slowlog, const struct slow_command *command, size_t most);

size_t slowlog_length(struct slowlog *slowlog);
void slowlog_clear(struct slowlog *slowlog);

/* Replies the newest entries, at most `most`, in the form of SLOWLOG GET. */
void slowlog_reply(struct slowlog *slowlog, size_t most, struct resp_writer *reply);

#endif
