/* SPDX-License-Identifier: MIT */
/* Finds the data file and the key. */
#include "server/data/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/config/config.h"

#define KEY_NAME "anystore.key"

/* Sets *cause, which may become NULL if memory is short, and answers false. */
static bool fail(char **cause, char *text)
{
    *cause = text;
    return false;
}

/* ---- Directories -------------------------------------------------------------------------- */

static char *join(const char *directory, const char *name)
{
    char *path = NULL;
    size_t size = strlen(directory);
    const char *slash = size > 0 && directory[size - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s", directory, slash, name) < 0 ? NULL : path;
}

/* $variable/anystore, or ~/fallback/anystore (XDG Base Directory Specification). */
static char *xdg_directory(const char *variable, const char *fallback)
{
    const char *base = getenv(variable);
    if (base && base[0] == '/')
        return join(base, "anystore");
    const char *home = getenv("HOME");
    if (!home || home[0] != '/') {
        const struct passwd *user = getpwuid(getuid());
        home = user ? user->pw_dir : NULL;
    }
    if (!home || home[0] != '/')
        return NULL;
    char *rest = join(home, fallback);
    char *path = rest ? join(rest, "anystore") : NULL;
    free(rest);
    return path;
}

/* mkdir -p, for the owner only. */
static bool make_directory(const char *path, char **cause)
{
    char *copy = strdup(path);
    bool ok = copy != NULL;
    for (char *p = copy; ok && p && *p;) {
        char *slash = strchr(p + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
            if (asprintf(cause, "cannot make the directory %s: %s", copy, strerror(errno)) < 0)
                *cause = NULL;
            ok = false;
        }
        if (slash)
            *slash = '/';
        p = slash;
    }
    free(copy);
    return ok;
}

/* A variable of the environment; NULL if it is not set or empty, as with "docker run -e NAME=". */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] != '\0' ? value : NULL;
}

/* ---- Paths -------------------------------------------------------------------------------- */

char *files_data_path(const struct config *config, char **cause)
{
    char *directory = config_text(config, CONFIG_DIR);
    char *name = config_text(config, CONFIG_DBFILENAME);
    char *path = NULL;
    bool ok = directory && name;
    *cause = NULL;
    if (ok && directory[0] == '\0') {
        free(directory);
        directory = xdg_directory("XDG_DATA_HOME", ".local/share");
        ok = directory ? make_directory(directory, cause)
                       : fail(cause, strdup("there is no home directory: set dir"));
    }
    char *real = ok ? realpath(directory, NULL) : NULL;
    if (real)
        path = join(real, name);
    else if (ok && asprintf(cause, "cannot use the data directory %s: %s", directory,
                            strerror(errno)) < 0)
        *cause = NULL;
    free(real);
    free(directory);
    free(name);
    return path;
}

bool files_key_path(const struct config *config, char **path, char **cause)
{
    const char *text = environment("ANYSTORE_KEY"), *file = environment("ANYSTORE_KEY_FILE");
    *cause = NULL;
    *path = config_text(config, CONFIG_ENCRYPTION_KEY_FILE);
    if (!*path || (*path)[0] != '\0')
        return *path != NULL;
    free(*path);
    *path = NULL;
    if (text && file)
        return fail(cause, strdup("both ANYSTORE_KEY and ANYSTORE_KEY_FILE are set: which key is "
                                  "meant? Set one"));
    if (text)
        return true;
    if (file) {
        *path = strdup(file);
        return *path != NULL;
    }
    char *directory = xdg_directory("XDG_CONFIG_HOME", ".config");
    if (!directory)
        return fail(cause, strdup("there is no home directory: set encryption-key-file"));
    bool ok = make_directory(directory, cause);
    if (ok)
        *path = join(directory, KEY_NAME);
    free(directory);
    return ok && *path;
}

/* ---- The key ------------------------------------------------------------------------------ */

static bool parent_exists(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    bool exists = parent && stat(parent, &st) == 0 && S_ISDIR(st.st_mode);
    free(parent);
    return exists;
}

/* Whether the path exists; false and *error if that cannot be told. */
static bool look(const char *path, bool *exists, struct anystore_error *error)
{
    struct stat st;
    *exists = lstat(path, &st) == 0;
    if (*exists || errno == ENOENT)
        return true;
    char reason[128];
    error->status = ANYSTORE_IO;
    error->sys_errno = errno;
    snprintf(error->text, sizeof error->text, "cannot examine %s: %s", path,
             strerror_r(errno, reason, sizeof reason));
    return false;
}

struct anystore_key *files_key(const char *data_path, const char *key_path, bool *made,
                               struct anystore_error *error)
{
    bool data, key;
    *made = false;
    if (!key_path)
        return anystore_key_from_base64(environment("ANYSTORE_KEY"), "ANYSTORE_KEY", error);
    if (!look(data_path, &data, error) || !look(key_path, &key, error))
        return NULL;
    if (key)
        return anystore_key_load(key_path, error);
    error->status = ANYSTORE_KEY;
    if (data) {
        snprintf(error->text, sizeof error->text,
                 "there is no key file %s for the data file %s: put the key back, or name it with "
                 "encryption-key-file",
                 key_path, data_path);
        return NULL;
    }
    if (!parent_exists(key_path)) {
        snprintf(error->text, sizeof error->text,
                 "there is no key file %s, and no directory to make it in", key_path);
        return NULL;
    }
    struct anystore_key *fresh = anystore_key_create(key_path, error);
    *made = fresh != NULL;
    return fresh;
}

/* ---- Writing ------------------------------------------------------------------------------ */

int files_commit_error(const char *data_path)
{
    struct statvfs space;
    size_t size = (size_t)(strrchr(data_path, '/') - data_path);
    char *directory = strndup(data_path, size > 0 ? size : 1);
    int error = 0;
    if (directory && faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) != 0)
        error = errno;
    else if (directory && statvfs(directory, &space) == 0 && space.f_blocks > 0 &&
             space.f_bavail == 0)
        error = ENOSPC;
    free(directory);
    return error;
}
