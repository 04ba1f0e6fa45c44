/* SPDX-License-Identifier: MIT */
/* Finds the files, loads the key and opens the databases. */
#include "server/startup.h"

#include <stdlib.h>
#include <string.h>

#include "anystore.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/data/files.h"
#include "server/observe/log.h"
#include "server/publish/notify.h"
#include "server/server.h"

/* Sets *cause, which may become NULL if memory is short, and answers false. */
static bool fail(char **cause, const char *text)
{
    *cause = strdup(text);
    return false;
}

static void on_store_log(enum anystore_log_level level, const char *text, void *arg)
{
    static const enum log_level levels[] = {[ANYSTORE_LOG_DEBUG] = LOG_DEBUG,
                                            [ANYSTORE_LOG_NOTICE] = LOG_NOTICE,
                                            [ANYSTORE_LOG_WARNING] = LOG_WARNING};
    log_write(arg, levels[level], "%s", text);
}

/* Finds the files and loads the key. */
static bool find_files(struct server *server, char **cause)
{
    struct anystore_error error = {0};
    bool made = false;
    server->data_path = files_data_path(server->config, cause);
    if (!server->data_path || !files_key_path(server->config, &server->key_path, cause))
        return *cause ? false : fail(cause, "out of memory");
    server->key = files_key(server->data_path, server->key_path, &made, &error);
    if (!server->key)
        return fail(cause, error.text);
    if (made)
        log_write(server->log, LOG_NOTICE,
                  "Made a new key file %s. Keep a copy of it in a safe place: without it nobody "
                  "can read the data, not even you",
                  server->key_path);
    unsetenv("ANYSTORE_KEY"); /* so that processes started from here do not have it */
    return true;
}

bool startup_open_store(struct server *server, char **cause)
{
    struct databases_options options = {
        .first = {.on_log = on_store_log, .log_arg = server->log},
        .on_expired = notify_expired,
        .wants_expired = notify_wants_expired,
        .expired_arg = server->notify,
        .count = (unsigned)config_number(server->config, CONFIG_DATABASES),
        .log = server->log};
    struct anystore_error error = {0};
    *cause = NULL;
    if (config_flag(server->config, CONFIG_PERSISTENCE)) {
        if (!find_files(server, cause))
            return false;
        options.first.path = server->data_path;
        options.first.key = server->key;
        if (config_number(server->config, CONFIG_FSYNC) == CONFIG_FSYNC_NO)
            options.first.fsync = ANYSTORE_FSYNC_NO;
    }
    server->databases = databases_new(&options, &error);
    if (!server->databases)
        return fail(cause, error.text);
    int number = server->data_path ? files_commit_error(server->data_path) : 0;
    if (number != 0)
        log_write(server->log, LOG_WARNING,
                  "Writes will fail: cannot write to the directory of %s: %s", server->data_path,
                  strerror(number));
    return true;
}
