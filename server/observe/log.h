/* SPDX-License-Identifier: MIT */
/* The server's log: one line an event, in Redis's form
 * "<pid>:M 22 Nov 2026 07:38:16.123 * text" with . - * # for debug, verbose, notice, warning.
 * Any thread may log; a line is written in one write. */
#ifndef SERVER_OBSERVE_LOG_H
#define SERVER_OBSERVE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

struct log;

/* A log to `path`, appended to and made with mode 0600 if missing; to standard output if path is
 * NULL or empty.  NULL and *cause (allocated: one line naming the file and the reason) if it
 * cannot be opened. */
struct log *log_open(const char *path, enum log_level level, char **cause);
void log_close(struct log *log); /* takes NULL */

void log_set_level(struct log *log, enum log_level level);

/* Opens the path again (after a rotation: SIGHUP).  If that fails the old one stays in use and
 * says so; false then. */
bool log_reopen(struct log *log);

/* A NULL log drops the line.  Control characters in the text come out as \xHH: a client's bytes
 * cannot forge a line.  A text is cut at 4,096 bytes.  errno stays as it is. */
void log_write(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
