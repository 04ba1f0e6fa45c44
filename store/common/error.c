/* SPDX-License-Identifier: MIT */
/* Error texts: one line that names what was tried and why it failed. */
#include "store/common/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *anystore_status_text(enum anystore_status status)
{
    switch (status) {
    case ANYSTORE_OK:
        return "ok";
    case ANYSTORE_ABORTED:
        return "aborted";
    case ANYSTORE_NOMEM:
        return "out of memory";
    case ANYSTORE_TOO_LARGE:
        return "too large";
    case ANYSTORE_KEY:
        return "unusable key";
    case ANYSTORE_WRONG_KEY:
        return "wrong key";
    case ANYSTORE_DAMAGED:
        return "damaged file";
    case ANYSTORE_FOREIGN:
        return "not an AnyStore file";
    case ANYSTORE_VERSION:
        return "file of a newer version";
    case ANYSTORE_REPLACED:
        return "file vanished or replaced";
    case ANYSTORE_NO_SPACE:
        return "no space, or a size limit";
    case ANYSTORE_READ_ONLY:
        return "read-only";
    case ANYSTORE_IO:
        return "I/O error";
    }
    return "unknown";
}

static void error_text(struct anystore_error *error, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void error_text(struct anystore_error *error, const char *format, va_list args)
{
    int size = vsnprintf(error->text, sizeof error->text, format, args);
    if (size < 0)
        error->text[0] = '\0';
}

enum anystore_status error_set(struct anystore_error *error, enum anystore_status status,
                               const char *format, ...)
{
    if (error) {
        error->status = status;
        error->sys_errno = 0;
        va_list args;
        va_start(args, format);
        error_text(error, format, args);
        va_end(args);
    }
    return status;
}

static enum anystore_status status_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ANYSTORE_NO_SPACE;
    case EROFS:
    case EACCES:
    case EPERM:
        return ANYSTORE_READ_ONLY;
    case ENOMEM:
        return ANYSTORE_NOMEM;
    default:
        return ANYSTORE_IO;
    }
}

enum anystore_status error_system(struct anystore_error *error, const char *format, ...)
{
    int number = errno;
    enum anystore_status status = status_of_errno(number);
    if (error) {
        error->status = status;
        error->sys_errno = number;
        va_list args;
        va_start(args, format);
        error_text(error, format, args);
        va_end(args);
        size_t used = strlen(error->text);
        char reason[128];
        snprintf(error->text + used, sizeof error->text - used, ": %s",
                 strerror_r(number, reason, sizeof reason));
    }
    return status;
}

enum anystore_status error_ok(struct anystore_error *error)
{
    if (error) {
        error->status = ANYSTORE_OK;
        error->sys_errno = 0;
        error->text[0] = '\0';
    }
    return ANYSTORE_OK;
}

enum anystore_status error_nomem(struct anystore_error *error)
{
    return error_set(error, ANYSTORE_NOMEM, "out of memory");
}
