/* SPDX-License-Identifier: MIT */
/* The server's log.  Each event is one line in Redis's form, written in one write:
 *
 *     <pid>:M 22 Nov 2026 07:38:16.123 * text
 *
 * with . - * # for debug, verbose, notice and warning.  Any thread may log. */
#ifndef SERVER_OBSERVE_LOG_H
#define SERVER_OBSERVE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

struct log;

/* Opens a log: the file `path`, which is made with mode 0600 if missing and appended to, or
 * standard output if path is NULL or empty.  NULL and *cause (allocated: one line with file and
 * reason) on failure. */
struct log *log_open(const char *path, enum log_level level, char **cause);
void log_close(struct log *log); /* takes NULL */

void log_set_level(struct log *log, enum log_level level);

/* Opens the path again, after a rotation (SIGHUP).  If that fails the old file stays in use, with a
 * line that says so, and the result is false. */
bool log_reopen(struct log *log);

/* Writes a line; a NULL log drops it.  Control characters in the text come out as \xHH, so a
 * client's bytes cannot forge a line.  A text is cut at 4,096 bytes.  errno does not change. */
void log_write(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
