/* SPDX-License-Identifier: MIT */
/* Writes the server's log, line by line, to a file or to standard output. */
#include "server/observe/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/observe/clock.h"

enum {
    TEXT_MAX = 4096,                        /* bytes of a text; "..." marks one that was cut */
    HEAD_MAX = 80,                          /* bytes of the process id and the time, and more */
    LINE_SIZE = HEAD_MAX + 4 * TEXT_MAX + 1 /* each byte may become \xHH */
};

struct log {
    _Atomic int level; /* enum log_level */
    char *path;        /* NULL: standard output; never changes */
    pthread_mutex_t lock;
    int fd; /* guarded by lock */
};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
}

static void set_cause(char **cause, const char *path, const char *reason)
{
    if (asprintf(cause, "cannot open the log file %s: %s", path, reason) < 0)
        *cause = NULL;
}

struct log *log_open(const char *path, enum log_level level, char **cause)
{
    bool to_file = path && *path;
    const char *reason = "out of memory";
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        goto fail;
    log->fd = STDOUT_FILENO;
    atomic_init(&log->level, (int)level);
    if (to_file) {
        log->path = strdup(path);
        if (!log->path)
            goto fail;
        log->fd = open_file(path);
        if (log->fd < 0) {
            reason = strerror(errno);
            goto fail;
        }
    }
    if (pthread_mutex_init(&log->lock, NULL) == 0)
        return log;
    if (to_file)
        close(log->fd);
fail:
    set_cause(cause, to_file ? path : "(standard output)", reason);
    if (log)
        free(log->path);
    free(log);
    return NULL;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    if (log->path)
        close(log->fd);
    pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

static void lock(struct log *log)
{
    int error = pthread_mutex_lock(&log->lock);
    assert(!error);
    (void)error;
}

static void unlock(struct log *log)
{
    int error = pthread_mutex_unlock(&log->lock);
    assert(!error);
    (void)error;
}

bool log_reopen(struct log *log)
{
    if (!log->path)
        return true;
    int fd = open_file(log->path);
    if (fd < 0) {
        log_write(log, LOG_WARNING,
                  "cannot open the log file %s again: %s; the old one stays in use", log->path,
                  strerror(errno));
        return false;
    }
    lock(log);
    int old = log->fd;
    log->fd = fd;
    unlock(log);
    close(old);
    return true;
}

/* "<pid>:M <time> <mark> ", in Redis's form: M is a server that takes writes, as all of ours do. */
static size_t format_head(char *head, enum log_level level)
{
    int64_t now_ms = wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm local;
    char date[40] = "";
    if (localtime_r(&now_s, &local))
        strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &local);
    int size = snprintf(head, HEAD_MAX, "%ld:M %s.%03d %c ", (long)getpid(), date,
                        (int)(now_ms % 1000), ".-*#"[level]);
    assert(size > 0 && size < HEAD_MAX);
    return (size_t)size;
}

/* How many bytes the control character at `text` has, 0 if it is none.  Control characters are C0
 * with DEL, and C1 in UTF-8 (c2 80 to c2 9f: another end of line and another escape are among
 * them). */
static size_t control_size(const uint8_t *text)
{
    if (text[0] < ' ' || text[0] == 0x7f)
        return 1;
    if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f)
        return 2;
    return 0;
}

/* Copies a text that ends with NUL and makes its control characters visible. */
static size_t escape(char *to, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *start = to;
    const uint8_t *from = (const uint8_t *)text;
    while (*from) {
        size_t control = control_size(from);
        if (control == 0)
            *to++ = (char)*from++;
        for (; control > 0; control--, from++) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = digits[*from >> 4];
            *to++ = digits[*from & 15];
        }
    }
    return (size_t)(to - start);
}

/* Usually one call writes the line.  A full disk or pipe, or a signal, may cut it short; then the
 * rest follows if it can.  A log that cannot be written has nowhere to say so. */
static void write_line(int fd, const char *line, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, line, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        line += written;
        size -= (size_t)written;
    }
}

void log_write(struct log *log, enum log_level level, const char *format, ...)
{
    if (!log || (int)level < atomic_load_explicit(&log->level, memory_order_relaxed))
        return;
    /* The caller may log a failure and then look at errno. */
    int saved_errno = errno;

    char text[TEXT_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0)
        snprintf(text, sizeof text, "(a line that cannot be formatted) %s", format);
    else if (size > TEXT_MAX)
        memcpy(text + TEXT_MAX - 3, "...", 3);

    char line[LINE_SIZE];
    size_t line_size = format_head(line, level);
    line_size += escape(line + line_size, text);
    line[line_size++] = '\n';

    lock(log);
    write_line(log->fd, line, line_size);
    unlock(log);
    errno = saved_errno;
}
