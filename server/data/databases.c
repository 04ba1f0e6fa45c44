/* SPDX-License-Identifier: MIT */
/* Opens the stores of the databases, and runs the thread for work that may wait for the disk. */
#include "server/data/databases.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "text/number.h"

/* How often the thread looks for files that other processes made, and for commits that fail. */
#define LOOK_SECONDS 1

/* After an attempt to commit, the pause is this many times as long as the attempt took.  An attempt
 * may copy a large file onto a full disk, and must not take all of the disk's time. */
#define PROBE_PAUSE 10

/* Tells a store's callbacks which database it is. */
struct slot {
    struct databases *databases;
    unsigned number;
    struct anystore_submission probe; /* the store's while `probing` */
    atomic_bool probing;              /* set by the thread, cleared on the commit thread */
    int64_t probe_began_ns;           /* guard: the thread */
    int64_t next_probe_ns;            /* the commit thread's while `probing`, else the thread's */
};

struct databases {
    struct databases_options all;
    struct anystore_options options; /* of the first database; path is first_path */
    struct log *log;
    unsigned count;
    struct slot slots[DATABASES_MOST];
    char *first_path; /* with links resolved; NULL: no files */
    char *paths[DATABASES_MOST];
    _Atomic(struct anystore *) stores[DATABASES_MOST]; /* NULL: not open */
    struct anystore *nothing;                          /* always empty */
    database_bits hopeless; /* guard: the thread; could not be opened: tried only on demand */

    pthread_t thread;
    bool thread_started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct database_job *jobs, **jobs_end; /* guard: mutex */
    bool ending;                           /* guard: mutex */
};

/* ---- Paths -------------------------------------------------------------------------------- */

/* "data.db" -> "data.3.db", "data" -> "data.3".  NULL if memory is short. */
static char *path_of(const char *first, unsigned number)
{
    char *path = NULL;
    const char *slash = strrchr(first, '/');
    const char *name = slash ? slash + 1 : first;
    const char *dot = strrchr(name, '.');
    int stem = (int)(dot && dot != name ? dot - first : (ptrdiff_t)strlen(first));
    return asprintf(&path, "%.*s.%u%s", stem, first, number, first + stem) < 0 ? NULL : path;
}

static bool make_paths(struct databases *databases)
{
    if (!databases->options.path)
        return true;
    databases->first_path = realpath(databases->options.path, NULL);
    for (unsigned i = 1; databases->first_path && i < databases->count; i++) {
        databases->paths[i] = path_of(databases->first_path, i);
        if (!databases->paths[i])
            return false;
    }
    return databases->first_path != NULL;
}

static bool has_file(const struct databases *databases, unsigned number)
{
    return databases->paths[number] &&
           (access(databases->paths[number], F_OK) == 0 || errno != ENOENT);
}

/* ---- Opening ------------------------------------------------------------------------------ */

struct anystore *databases_store(const struct databases *databases, unsigned number)
{
    return atomic_load_explicit(&databases->stores[number], memory_order_acquire);
}

static void on_expired(const void *key, size_t key_size, void *arg)
{
    const struct slot *slot = arg;
    const struct databases_options *all = &slot->databases->all;
    all->on_expired(slot->number, key, key_size, all->expired_arg);
}

static bool wants_expired(void *arg)
{
    const struct databases_options *all = &((const struct slot *)arg)->databases->all;
    return all->wants_expired(all->expired_arg);
}

/* The options of one database: its callbacks know its number. */
static struct anystore_options options_of(struct databases *databases, unsigned number)
{
    struct anystore_options options = databases->options;
    databases->slots[number].databases = databases;
    databases->slots[number].number = number;
    options.on_expired = databases->all.on_expired ? on_expired : NULL;
    options.wants_expired = databases->all.wants_expired ? wants_expired : NULL;
    options.expired_arg = &databases->slots[number];
    return options;
}

static enum anystore_status open_one(struct databases *databases, unsigned number,
                                     struct anystore_error *error)
{
    struct anystore_options options = options_of(databases, number);
    options.path = databases->paths[number];
    options.sibling = databases_store(databases, 0);
    struct anystore *store = anystore_open(&options, error);
    if (!store)
        return error->status;
    struct anystore_stats stats;
    anystore_stats_read(store, &stats);
    if (options.path)
        log_write(databases->log, LOG_NOTICE, "Database %u: %s (%llu key%s, %llu bytes)", number,
                  options.path, (unsigned long long)stats.keys, number_plural(stats.keys),
                  (unsigned long long)stats.file_size);
    atomic_store_explicit(&databases->stores[number], store, memory_order_release);
    return ANYSTORE_OK;
}

enum anystore_status databases_open(struct databases *databases, database_bits bits,
                                    struct anystore_error *error)
{
    enum anystore_status status = ANYSTORE_OK;
    bits &= ~databases_opened(databases);
    for (; bits != 0 && status == ANYSTORE_OK; bits &= bits - 1)
        status = open_one(databases, database_first(bits), error);
    return status;
}

/* ---- The thread --------------------------------------------------------------------------- */

/* The next job; NULL at the end, and after LOOK_SECONDS without a job. */
static struct database_job *wait_for_job(struct databases *databases, bool *end)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_SECONDS;
    pthread_mutex_lock(&databases->mutex);
    int result = 0;
    while (!databases->jobs && !databases->ending && result == 0)
        result = pthread_cond_timedwait(&databases->changed, &databases->mutex, &until);
    struct database_job *job = databases->jobs;
    if (job)
        databases->jobs = job->next;
    if (!databases->jobs)
        databases->jobs_end = &databases->jobs;
    *end = !job && databases->ending;
    pthread_mutex_unlock(&databases->mutex);
    return job;
}

/* Opens databases whose files other processes made, so that no command waits for that later. */
static void look_for_files(struct databases *databases)
{
    struct anystore_error error;
    database_bits found = databases_present(databases) & ~databases->hopeless;
    for (database_bits bits = found & ~databases_opened(databases); bits != 0; bits &= bits - 1) {
        database_bits one = bits & -bits;
        if (databases_open(databases, one, &error) != ANYSTORE_OK) {
            databases->hopeless |= one;
            log_write(databases->log, LOG_WARNING, "Database %u: %s", database_first(one),
                      error.text);
        }
    }
}

static void on_probed(struct anystore_submission *probe, bool ran,
                      const struct anystore_error *error)
{
    struct slot *slot = (struct slot *)(void *)((char *)probe - offsetof(struct slot, probe));
    int64_t now_ns = steady_ns();
    (void)ran;
    (void)error; /* the store keeps it */
    slot->next_probe_ns = now_ns + PROBE_PAUSE * (now_ns - slot->probe_began_ns);
    atomic_store(&slot->probing, false);
}

/* Tries a commit where the last one failed. */
static void probe_failing(struct databases *databases)
{
    for (database_bits bits = databases_opened(databases); bits != 0; bits &= bits - 1) {
        struct slot *slot = &databases->slots[database_first(bits)];
        struct anystore *store = databases_store(databases, database_first(bits));
        int64_t now_ns = steady_ns();
        if (anystore_commit_status(store) == ANYSTORE_OK || atomic_load(&slot->probing) ||
            now_ns < slot->next_probe_ns)
            continue;
        slot->probe_began_ns = now_ns;
        slot->probe =
            (struct anystore_submission){.kind = ANYSTORE_SUBMIT_PROBE, .on_done = on_probed};
        atomic_store(&slot->probing, true);
        anystore_submit(store, &slot->probe);
    }
}

static void *run_thread(void *arg)
{
    struct databases *databases = arg;
    bool end = false;
    while (!end) {
        struct database_job *job = wait_for_job(databases, &end);
        if (job)
            job->run(job);
        if (!job && !end) {
            look_for_files(databases);
            probe_failing(databases);
        }
    }
    return NULL;
}

void databases_submit(struct databases *databases, struct database_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&databases->mutex);
    *databases->jobs_end = job;
    databases->jobs_end = &job->next;
    pthread_cond_signal(&databases->changed);
    pthread_mutex_unlock(&databases->mutex);
}

/* ---- Start and end ------------------------------------------------------------------------ */

static bool start(struct databases *databases)
{
    pthread_condattr_t monotonic;
    databases->jobs_end = &databases->jobs;
    if (pthread_mutex_init(&databases->mutex, NULL) != 0 || pthread_condattr_init(&monotonic) != 0)
        return false;
    databases->thread_started =
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
        pthread_cond_init(&databases->changed, &monotonic) == 0 &&
        pthread_create(&databases->thread, NULL, run_thread, databases) == 0;
    return databases->thread_started;
}

static bool open_present(struct databases *databases, struct anystore_error *error)
{
    struct anystore_options nothing = {0};
    struct anystore_options options = options_of(databases, 0);
    struct anystore *first = anystore_open(&options, error);
    atomic_store(&databases->stores[0], first);
    databases->nothing = first ? anystore_open(&nothing, error) : NULL;
    if (!databases->nothing)
        return false;
    bool ready = make_paths(databases);
    if (ready && databases_open(databases, databases_present(databases), error) != ANYSTORE_OK)
        return false;
    if (ready && start(databases))
        return true;
    *error =
        (struct anystore_error){.status = ANYSTORE_NOMEM, .text = "memory or threads are short"};
    return false;
}

struct databases *databases_new(const struct databases_options *options,
                                struct anystore_error *error)
{
    struct databases *databases = calloc(1, sizeof *databases);
    if (!databases) {
        *error = (struct anystore_error){.status = ANYSTORE_NOMEM, .text = "out of memory"};
        return NULL;
    }
    databases->all = *options;
    databases->options = options->first;
    databases->log = options->log;
    databases->count = options->count;
    if (open_present(databases, error))
        return databases;
    databases_free(databases);
    return NULL;
}

void databases_free(struct databases *databases)
{
    if (!databases)
        return;
    if (databases->thread_started) {
        pthread_mutex_lock(&databases->mutex);
        databases->ending = true;
        pthread_cond_signal(&databases->changed);
        pthread_mutex_unlock(&databases->mutex);
        pthread_join(databases->thread, NULL);
        pthread_cond_destroy(&databases->changed);
        pthread_mutex_destroy(&databases->mutex);
    }
    for (unsigned i = databases->count; i-- > 0;) { /* the first one last: the others need it */
        anystore_close(databases_store(databases, i));
        free(databases->paths[i]);
    }
    anystore_close(databases->nothing);
    free(databases->first_path);
    free(databases);
}

/* ---- Looking ------------------------------------------------------------------------------ */

struct anystore *databases_to_read(const struct databases *databases, unsigned number)
{
    struct anystore *store = databases_store(databases, number);
    if (store)
        return store;
    return has_file(databases, number) ? NULL : databases->nothing;
}

database_bits databases_opened(const struct databases *databases)
{
    database_bits bits = 0;
    for (unsigned i = 0; i < databases->count; i++)
        if (databases_store(databases, i))
            bits |= database_bit(i);
    return bits;
}

database_bits databases_present(const struct databases *databases)
{
    database_bits bits = databases_opened(databases);
    for (unsigned i = 0; i < databases->count; i++)
        if (!(bits & database_bit(i)) && has_file(databases, i))
            bits |= database_bit(i);
    return bits;
}

enum anystore_status databases_last_failure(const struct databases *databases)
{
    for (unsigned i = 0; i < databases->count; i++) {
        struct anystore *store = databases_store(databases, i);
        enum anystore_status status = store ? anystore_commit_status(store) : ANYSTORE_OK;
        if (status != ANYSTORE_OK)
            return status;
    }
    return ANYSTORE_OK;
}

static void add_stats(struct anystore_stats *sum, const struct anystore_stats *one)
{
    sum->persistent = one->persistent;
    sum->generation += one->generation;
    sum->commits += one->commits;
    sum->updates += one->updates;
    sum->committed += one->committed;
    sum->failed_commits += one->failed_commits;
    sum->catch_ups += one->catch_ups;
    sum->catch_up_bytes += one->catch_up_bytes;
    sum->reloads += one->reloads;
    sum->bases_written += one->bases_written;
    sum->bytes_written += one->bytes_written;
    sum->bytes_copied += one->bytes_copied;
    if (one->largest_batch > sum->largest_batch)
        sum->largest_batch = one->largest_batch;
    sum->file_size += one->file_size;
    sum->base_size += one->base_size;
    sum->keys += one->keys;
    sum->expiring += one->expiring;
    sum->base_in_progress |= one->base_in_progress;
    sum->data_bytes += one->data_bytes;
    sum->expired += one->expired;
    if (sum->last_commit_status == ANYSTORE_OK)
        sum->last_commit_status = one->last_commit_status;
    if (sum->last_base_status == ANYSTORE_OK)
        sum->last_base_status = one->last_base_status;
    if (sum->copy_method && one->last_commit_ms <= sum->last_commit_ms)
        return;
    sum->last_commit_us = one->last_commit_us;
    sum->last_batch = one->last_batch;
    sum->last_commit_ms = one->last_commit_ms;
    sum->copy_method = one->copy_method;
}

void databases_stats(const struct databases *databases, struct anystore_stats *stats)
{
    *stats = (struct anystore_stats){.copy_method = NULL};
    for (database_bits bits = databases_opened(databases); bits != 0; bits &= bits - 1) {
        struct anystore_stats one;
        anystore_stats_read(databases_store(databases, database_first(bits)), &one);
        add_stats(stats, &one);
    }
}
