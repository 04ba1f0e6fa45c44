/* SPDX-License-Identifier: MIT */
/* Keeps slow commands. */
#include "server/observe/slowlog.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resp/parser.h"
#include "resp/writer.h"
#include "server/observe/clock.h"

enum {
    MOST_BYTES = 128 /* of an argument; behind them stands the number of bytes left out */
};

struct entry {
    struct entry *next; /* older */
    struct entry *newer;
    int64_t id, time_s, duration_us;
    char address[128];
    char *client_name; /* NULL: none */
    size_t argc;
    struct resp_arg argv[SLOWLOG_ARGUMENTS]; /* each allocated */
};

struct slowlog {
    pthread_mutex_t mutex; /* guard of all */
    struct entry *newest, *oldest;
    size_t length;
    int64_t next_id;
};

struct slowlog *slowlog_new(void)
{
    struct slowlog *slowlog = calloc(1, sizeof *slowlog);
    if (slowlog)
        pthread_mutex_init(&slowlog->mutex, NULL);
    return slowlog;
}

void slowlog_free(struct slowlog *slowlog)
{
    if (!slowlog)
        return;
    slowlog_clear(slowlog);
    pthread_mutex_destroy(&slowlog->mutex);
    free(slowlog);
}

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    for (size_t i = 0; i < entry->argc; i++)
        free((void *)(uintptr_t)entry->argv[i].data);
    free(entry->client_name);
    free(entry);
}

/* ---- What is noted ------------------------------------------------------------------------ */

/* Appends a text to the arguments; false if memory is short. */
static bool add_argument(struct entry *entry, const void *bytes, size_t size, const char *more)
{
    size_t more_size = strlen(more);
    uint8_t *copy = malloc(size + more_size + 1);
    if (!copy)
        return false;
    if (size > 0)
        memcpy(copy, bytes, size);
    memcpy(copy + size, more, more_size);
    entry->argv[entry->argc++] = (struct resp_arg){copy, size + more_size};
    /* cppcheck-suppress memleak ; does not see that the structure keeps it */
    return true;
}

static bool add_shortened(struct entry *entry, const struct resp_arg *arg)
{
    char more[64] = "";
    size_t size = arg->size;
    if (size > MOST_BYTES) {
        snprintf(more, sizeof more, "... (%zu more bytes)", size - MOST_BYTES);
        size = MOST_BYTES;
    }
    return add_argument(entry, arg->data, size, more);
}

static bool add_arguments(struct entry *entry, const struct slow_command *command)
{
    size_t argc = command->argc;
    size_t shown = argc > SLOWLOG_ARGUMENTS ? SLOWLOG_ARGUMENTS - 1 : argc;
    for (size_t i = 0; i < shown; i++) {
        if (!add_shortened(entry, &command->argv[i]))
            return false;
    }
    if (shown == argc)
        return true;
    char more[64];
    snprintf(more, sizeof more, "... (%zu more arguments)", argc - shown);
    return add_argument(entry, "", 0, more);
}

static void forget_oldest_locked(struct slowlog *slowlog)
{
    struct entry *oldest = slowlog->oldest;
    assert(oldest); /* as the length is not 0 */
    slowlog->oldest = oldest->newer;
    if (oldest->newer)
        oldest->newer->next = NULL;
    else
        slowlog->newest = NULL;
    slowlog->length--;
    entry_free(oldest);
}

void slowlog_note(struct slowlog *slowlog, const struct slow_command *command, size_t most)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry && command->client_name)
        entry->client_name = strdup(command->client_name);
    if (!entry || !add_arguments(entry, command) || (command->client_name && !entry->client_name)) {
        entry_free(entry);
        return;
    }
    entry->time_s = wall_ms() / 1000;
    entry->duration_us = command->duration_us;
    snprintf(entry->address, sizeof entry->address, "%s", command->address);
    pthread_mutex_lock(&slowlog->mutex);
    entry->id = slowlog->next_id++;
    entry->next = slowlog->newest;
    if (slowlog->newest)
        slowlog->newest->newer = entry;
    else
        slowlog->oldest = entry;
    slowlog->newest = entry;
    slowlog->length++;
    while (slowlog->length > most)
        forget_oldest_locked(slowlog);
    pthread_mutex_unlock(&slowlog->mutex);
}

/* ---- What is asked ------------------------------------------------------------------------ */

size_t slowlog_length(struct slowlog *slowlog)
{
    pthread_mutex_lock(&slowlog->mutex);
    size_t length = slowlog->length;
    pthread_mutex_unlock(&slowlog->mutex);
    return length;
}

void slowlog_clear(struct slowlog *slowlog)
{
    pthread_mutex_lock(&slowlog->mutex);
    while (slowlog->length > 0)
        forget_oldest_locked(slowlog);
    pthread_mutex_unlock(&slowlog->mutex);
}

static void reply_entry(const struct entry *entry, struct resp_writer *reply)
{
    resp_write_array(reply, 6);
    resp_write_integer(reply, entry->id);
    resp_write_integer(reply, entry->time_s);
    resp_write_integer(reply, entry->duration_us);
    resp_write_array(reply, entry->argc);
    for (size_t i = 0; i < entry->argc; i++)
        resp_write_bulk(reply, entry->argv[i].data, entry->argv[i].size);
    resp_write_bulk_text(reply, entry->address);
    resp_write_bulk_text(reply, entry->client_name ? entry->client_name : "");
}

void slowlog_reply(struct slowlog *slowlog, size_t most, struct resp_writer *reply)
{
    pthread_mutex_lock(&slowlog->mutex);
    resp_write_array(reply, slowlog->length < most ? slowlog->length : most);
    for (const struct entry *entry = slowlog->newest; entry && most > 0;
         entry = entry->next, most--)
        reply_entry(entry, reply);
    pthread_mutex_unlock(&slowlog->mutex);
}
