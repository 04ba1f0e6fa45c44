/* SPDX-License-Identifier: MIT */
/* Finding data and key, and opening the store.
 *
 * The key is, in this order: the file that encryption-key-file names; ANYSTORE_KEY, the base64
 * itself; the file that ANYSTORE_KEY_FILE names; the default file.  A key file that is missing is
 * made only if there are no data yet: data are never met with a fresh key. */
#include "server/startup.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "anystore.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/observe/log.h"
#include "server/publish/notify.h"
#include "server/server.h"

#define KEY_NAME "anystore.key"

static bool fail(char **cause, char *text)
{
    *cause = text;
    return false;
}

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

static bool find_data_path(struct server *server, char **cause)
{
    char *directory = config_text(server->config, CONFIG_DIR);
    char *name = config_text(server->config, CONFIG_DBFILENAME);
    bool ok = directory && name;
    if (ok && directory[0] == '\0') {
        free(directory);
        directory = xdg_directory("XDG_DATA_HOME", ".local/share");
        ok = directory ? make_directory(directory, cause)
                       : fail(cause, strdup("there is no home directory: set dir"));
    }
    char *real = ok ? realpath(directory, NULL) : NULL;
    if (ok && !real) {
        if (asprintf(cause, "cannot use the data directory %s: %s", directory, strerror(errno)) < 0)
            *cause = NULL;
        ok = false;
    }
    if (ok) {
        server->data_path = join(real, name);
        ok = server->data_path != NULL;
    }
    free(real);
    free(directory);
    free(name);
    return ok;
}

/* A variable of the environment; NULL if it is not set, or empty, as with "docker run -e NAME=". */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] != '\0' ? value : NULL;
}

/* The key file to use; NULL without *cause: the key is in the environment. */
static bool find_key_path(struct server *server, char **path, char **cause)
{
    const char *text = environment("ANYSTORE_KEY"), *file = environment("ANYSTORE_KEY_FILE");
    *path = config_text(server->config, CONFIG_ENCRYPTION_KEY_FILE);
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

static bool parent_exists(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    bool exists = parent && stat(parent, &st) == 0 && S_ISDIR(st.st_mode);
    free(parent);
    return exists;
}

/* Whether something is at the path; false and *error if that cannot be told. */
static bool look(const char *path, bool *there, struct anystore_error *error)
{
    struct stat st;
    *there = lstat(path, &st) == 0;
    if (*there || errno == ENOENT)
        return true;
    char reason[128];
    error->status = ANYSTORE_IO;
    error->sys_errno = errno;
    snprintf(error->text, sizeof error->text, "cannot examine %s: %s", path,
             strerror_r(errno, reason, sizeof reason));
    return false;
}

/* Loads the key at key_path, or makes it if there are neither key nor data. */
static struct anystore_key *key_of_file(struct server *server, struct anystore_error *error)
{
    const char *path = server->key_path;
    bool data, key;
    if (!look(server->data_path, &data, error) || !look(path, &key, error))
        return NULL;
    if (!key && data) {
        error->status = ANYSTORE_KEY;
        snprintf(error->text, sizeof error->text,
                 "there is no key file %s for the data file %s: put the key back, or name it with "
                 "encryption-key-file",
                 path, server->data_path);
        return NULL;
    }
    if (key)
        return anystore_key_load(path, error);
    if (!parent_exists(path)) {
        error->status = ANYSTORE_KEY;
        snprintf(error->text, sizeof error->text,
                 "there is no key file %s, and no directory to make it in", path);
        return NULL;
    }
    struct anystore_key *made = anystore_key_create(path, error);
    if (made)
        log_write(
            server->log, LOG_NOTICE,
            "Made a new key file %s. Keep a copy of it in a safe place: without it nobody can "
            "read the data, not even you",
            path);
    return made;
}

static void on_store_log(enum anystore_log_level level, const char *text, void *arg)
{
    static const enum log_level levels[] = {[ANYSTORE_LOG_DEBUG] = LOG_DEBUG,
                                            [ANYSTORE_LOG_NOTICE] = LOG_NOTICE,
                                            [ANYSTORE_LOG_WARNING] = LOG_WARNING};
    log_write(arg, levels[level], "%s", text);
}

bool startup_open_store(struct server *server, char **cause)
{
    struct databases_options options = {
        .first = {.on_log = on_store_log, .log_arg = server->log},
        .on_expired = notify_expired,
        .wants_expired = notify_wants_expired,
        .expired_arg = server,
        .count = (unsigned)config_number(server->config, CONFIG_DATABASES),
        .log = server->log};
    struct anystore_error error = {0};
    *cause = NULL;
    if (config_flag(server->config, CONFIG_PERSISTENCE)) {
        if (!find_data_path(server, cause) || !find_key_path(server, &server->key_path, cause)) {
            if (!*cause)
                *cause = strdup("out of memory");
            return false;
        }
        server->key = server->key_path ? key_of_file(server, &error)
                                       : anystore_key_from_base64(environment("ANYSTORE_KEY"),
                                                                  "ANYSTORE_KEY", &error);
        if (!server->key)
            return fail(cause, strdup(error.text));
        unsetenv("ANYSTORE_KEY"); /* for what this process might start */
        options.first.path = server->data_path;
        options.first.key = server->key;
        if (config_number(server->config, CONFIG_FSYNC) == CONFIG_FSYNC_NO)
            options.first.fsync = ANYSTORE_FSYNC_NO;
    }
    server->databases = databases_new(&options, &error);
    return server->databases ? true : fail(cause, strdup(error.text));
}
