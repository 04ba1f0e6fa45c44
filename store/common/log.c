/* SPDX-License-Identifier: MIT */
/* Lines for the caller's log. */
#include "store/common/log.h"

#include <stdarg.h>
#include <stdio.h>

void store_log(const struct store_log *log, enum anystore_log_level level, const char *format, ...)
{
    if (!log->fn)
        return;
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log->fn(level, text, log->arg);
}
