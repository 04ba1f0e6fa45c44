/* SPDX-License-Identifier: MIT */
/* Resolving the path of a data file, and naming the files beside it. */
#include "store/medium/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/common/error.h"

/* NULL with errno set. */
static char *resolve(const char *path)
{
    char *whole = realpath(path, NULL);
    if (whole || errno != ENOENT)
        return whole;
    const char *slash = strrchr(path, '/');
    char *directory =
        slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    char *real = directory ? realpath(directory, NULL) : NULL;
    free(directory);
    if (!real)
        return NULL;
    const char *name = slash ? slash + 1 : path;
    if (asprintf(&whole, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0)
        whole = NULL;
    free(real);
    return whole;
}

/* NULL if memory is short. */
static char *beside(const struct paths *paths, const char *suffix)
{
    char *path = NULL;
    return asprintf(&path, "%s%s", paths->file, suffix) < 0 ? NULL : path;
}

enum anystore_status paths_set(struct paths *paths, const char *path, struct anystore_error *error)
{
    size_t size = strlen(path);
    if (size == 0 || path[size - 1] == '/')
        return error_set(error, ANYSTORE_IO, "the data file's path \"%s\" names no file", path);
    paths->file = resolve(path);
    if (!paths->file)
        return error_system(error, "cannot open %s", path);
    paths->lock = beside(paths, ".lock");
    paths->spare = beside(paths, ".spare");
    paths->temp = beside(paths, ".tmp");
    paths->base = beside(paths, ".base");
    paths->base_spare = beside(paths, ".base.spare");
    if (!paths->lock || !paths->spare || !paths->temp || !paths->base || !paths->base_spare)
        return error_nomem(error);
    return ANYSTORE_OK;
}

void paths_free(struct paths *paths)
{
    free(paths->file);
    free(paths->lock);
    free(paths->spare);
    free(paths->temp);
    free(paths->base);
    free(paths->base_spare);
    *paths = (struct paths){.file = NULL};
}
