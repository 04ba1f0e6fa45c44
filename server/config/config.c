/* SPDX-License-Identifier: MIT */
/* Holds the values of the server's options and lets any thread read them while one changes. */
#include "server/config/config.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/internal.h"
#include "server/config/output_limits.h"

struct config {
    /* Options of every type but text; 0 for texts. */
    _Atomic int64_t numbers[CONFIG_COUNT];

    pthread_mutex_t lock;
    char *texts[CONFIG_COUNT]; /* guard: lock; NULL for all other types */

    pthread_mutex_t changes; /* see config_lock_changes */

    struct output_limits limits; /* set under lock, read without it */
};

/* Reading an option locks as well, but changes no option: the lock alone is mutable. */
static pthread_mutex_t *lock_of(const struct config *config)
{
    return (pthread_mutex_t *)&config->lock;
}

static void lock(const struct config *config)
{
    int error = pthread_mutex_lock(lock_of(config));
    assert(!error);
    (void)error;
}

static void unlock(const struct config *config)
{
    int error = pthread_mutex_unlock(lock_of(config));
    assert(!error);
    (void)error;
}

struct config *config_new(void)
{
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        return NULL;
    if (pthread_mutex_init(&config->lock, NULL) != 0) {
        free(config);
        return NULL;
    }
    if (pthread_mutex_init(&config->changes, NULL) != 0) {
        pthread_mutex_destroy(&config->lock);
        free(config);
        return NULL;
    }
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        if (!config_set(config, id, config_row(id)->default_text, NULL)) {
            config_free(config);
            return NULL;
        }
    }
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < CONFIG_COUNT; i++)
        free(config->texts[i]);
    pthread_mutex_destroy(&config->changes);
    pthread_mutex_destroy(&config->lock);
    free(config);
}

void config_lock_changes(struct config *config)
{
    pthread_mutex_lock(&config->changes);
}

void config_unlock_changes(struct config *config)
{
    pthread_mutex_unlock(&config->changes);
}

int64_t config_number(const struct config *config, enum config_id id)
{
    assert(config_row(id)->type != CONFIG_BOOL && config_row(id)->type != CONFIG_TEXT);
    return atomic_load_explicit(&config->numbers[id], memory_order_relaxed);
}

bool config_flag(const struct config *config, enum config_id id)
{
    assert(config_row(id)->type == CONFIG_BOOL);
    return atomic_load_explicit(&config->numbers[id], memory_order_relaxed) != 0;
}

struct config_output_limit config_output_limit(const struct config *config,
                                               enum config_client_class class)
{
    return output_limits_get(&config->limits, class);
}

static void get_limits_locked(const struct config *config,
                              struct config_output_limit limits[CONFIG_CLASS_COUNT])
{
    for (enum config_client_class class = 0; class < CONFIG_CLASS_COUNT; class ++)
        limits[class] = output_limits_get(&config->limits, class);
}

char *config_text(const struct config *config, enum config_id id)
{
    assert(config_row(id)->type == CONFIG_TEXT);
    if (id == CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT) {
        struct config_output_limit limits[CONFIG_CLASS_COUNT];
        lock(config);
        get_limits_locked(config, limits);
        unlock(config);
        return config_limits_format(limits);
    }
    lock(config);
    char *copy = strdup(config->texts[id]);
    unlock(config);
    return copy;
}

char *config_format(const struct config *config, enum config_id id)
{
    const struct config_row *row = config_row(id);
    if (row->type == CONFIG_TEXT)
        return config_text(config, id);
    return config_value_format(row,
                               atomic_load_explicit(&config->numbers[id], memory_order_relaxed));
}

/* Leaves one blank between words and none around them, as CONFIG GET shows them. */
static void squeeze_blanks(char *text)
{
    static const char blanks[] = " \t\r\n\v\f";
    char *to = text;
    for (const char *from = text + strspn(text, blanks); *from; from += strspn(from, blanks)) {
        size_t size = strcspn(from, blanks);
        if (to > text)
            *to++ = ' ';
        memmove(to, from, size);
        to += size;
        from += size;
    }
    *to = '\0';
}

static bool set_limits(struct config *config, const char *value, char **cause)
{
    struct config_output_limit limits[CONFIG_CLASS_COUNT];
    lock(config);
    get_limits_locked(config, limits);
    bool ok = config_limits_parse(value, limits, cause);
    if (ok)
        output_limits_set(&config->limits, limits);
    unlock(config);
    return ok;
}

/* Takes over `text`, which is allocated and fits the option. */
static void set_text(struct config *config, enum config_id id, char *text)
{
    lock(config);
    char *old = config->texts[id];
    config->texts[id] = text;
    unlock(config);
    free(old);
}

bool config_set(struct config *config, enum config_id id, const char *value, char **cause)
{
    const struct config_definition *definition = config_definition(id);
    int64_t number = 0;
    if (definition->row.type != CONFIG_TEXT &&
        !config_value_parse(&definition->row, value, &number, cause))
        return false;

    char *text = strdup(value);
    if (!text)
        return config_fail(cause, "out of memory");
    if (definition->words)
        squeeze_blanks(text);
    const char *wrong = definition->check ? definition->check(text) : NULL;
    bool ok = !wrong || config_fail(cause, "%s", wrong);
    if (ok && id == CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT) {
        ok = set_limits(config, text, cause);
    } else if (ok && definition->row.type == CONFIG_TEXT) {
        char *tidy = definition->tidy ? definition->tidy(text) : NULL;
        if (definition->tidy)
            free(text);
        if (definition->tidy && !tidy)
            return config_fail(cause, "out of memory");
        set_text(config, id, tidy ? tidy : text);
        return true;
    } else if (ok) {
        atomic_store_explicit(&config->numbers[id], number, memory_order_relaxed);
    }
    free(text);
    return ok;
}
