/* SPDX-License-Identifier: MIT */
/* System calls that fail while a server starts: it says in one line what happened and ends, or
 * starts all the same.  Nothing is lost, and the next start works. */
#include "tests/client/faults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/client/harness/random.h"

#define CALLS TRACER_DISK_CALLS ",mmap"
#define TRIES 2 /* errors for each call; other runs take the others */

static const struct fault {
    const char *name;
    int number;
} faults[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EMFILE", EMFILE}, {"EROFS", EROFS}};

/* The place where a server starts, and what a start uses there. */
struct place {
    char *data, *key, *log;
    char *paths[6];
};

static void place_make(struct harness *harness, struct place *place, unsigned number)
{
    place->data = text_format("%s/data%u", harness->dir, number);
    place->key = text_format("%s/key%u", harness->dir, number);
    place->log = text_format("%s/start%u", harness->dir, number);
    check(!mkdir(place->data, 0700), "%s: %s", place->data, strerror(errno));
    static const char *const names[] = {"", "/anystore.db", "/anystore.db.lock",
                                        "/anystore.db.spare", "/anystore.db.tmp"};
    for (size_t i = 0; i < 5; i++)
        place->paths[i] = text_format("%s%s", place->data, names[i]);
    place->paths[5] = text_format("%s", place->key);
}

static void place_free(struct place *place)
{
    for (size_t i = 0; i < sizeof place->paths / sizeof *place->paths; i++)
        free(place->paths[i]);
    free(place->data);
    free(place->key);
    free(place->log);
}

/* Starts a server under strace: its exit status and its output; -1 if it started and was killed. */
static int start_traced(struct harness *harness, const struct place *place, const char *inject,
                        struct bytes *errors)
{
    const char *wrapper[24] = {tracer_program(), "-Dfy", "-s", "0", "-o", place->log, "-e", NULL};
    wrapper[7] = "trace=" CALLS;
    size_t count = 8;
    for (size_t i = 0; i < sizeof place->paths / sizeof *place->paths; i++) {
        wrapper[count++] = "-P";
        wrapper[count++] = place->paths[i];
    }
    char *option = text_format("inject=%s", inject ? inject : "");
    if (inject) {
        wrapper[count++] = "-e";
        wrapper[count++] = option;
    }
    struct server_options options = {
        .data = place->data,
        .no_key_file = true,
        .args = (const char *const[]){"--encryption-key-file", place->key, NULL},
        .env = (const char *const[]){"ASAN_OPTIONS=detect_leaks=0", NULL}, /* not under strace */
        .wrapper = wrapper,
    };
    int status = server_run_failing(harness, &options, errors);
    free(option);
    return status;
}

/* Without strace: the data are there, and the server writes. */
static void starts_now(struct harness *harness, const struct place *place, bool has_data)
{
    struct server_options options = {
        .data = place->data,
        .no_key_file = true,
        .args = (const char *const[]){"--encryption-key-file", place->key, NULL}};
    struct server *server = server_start(harness, &options);
    redisContext *client = client_connect(server);
    client_expect(client, has_data ? "$value" : "_", "GET kept");
    client_expect(client, "+OK", "SET kept value");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
}

static void fail_start(struct harness *harness, const struct place *place,
                       const struct tracer_step *step, const struct fault *fault, unsigned *refused)
{
    struct bytes errors = {0};
    char *inject = text_format("%s:error=%s:when=%u", step->call, fault->name, step->when);
    int status = start_traced(harness, place, inject, &errors);
    if (status != -1) {
        const char *line = bytes_text(&errors), *end = strchr(line, '\n');
        check(status == 1, "%s: exit status %d: %s", inject, status, line);
        check(end && !end[1], "%s: not one line: %s", inject, line);
        check(strstr(line, strerror(fault->number)), "%s: the cause is not named: %s", inject,
              line);
        (*refused)++;
    }
    bytes_free(&errors);
    free(inject);
}

/* Notes the calls of a start that works; skips the test where strace cannot be used. */
static size_t rehearse(struct harness *harness, const struct place *place,
                       struct tracer_step *steps)
{
    struct bytes errors = {0};
    int status = start_traced(harness, place, NULL, &errors);
    if (status != -1 && strstr(bytes_text(&errors), "not permitted"))
        harness_skip(harness, "strace may not trace other processes here");
    check(status == -1, "no start under strace: %s", bytes_text(&errors));
    bytes_free(&errors);
    struct tracer tracer = {.log = place->log};
    return tracer_steps(&tracer, harness->dir, steps, COMMIT_STEPS_MAX);
}

/* Lets each call of a start fail; with data from the beginning, or in a new place each time. */
static void fail_starts(struct harness *harness, struct random *random, bool has_data)
{
    static struct tracer_step steps[COMMIT_STEPS_MAX];
    struct place place;
    unsigned trials = 0, refused = 0, places = has_data ? 0 : 1;
    place_make(harness, &place, places);
    if (has_data)
        starts_now(harness, &place, false);
    size_t count = rehearse(harness, &place, steps);
    for (size_t i = 0; i < TRIES * count; i++) {
        const struct tracer_step *step = &steps[i / TRIES];
        harness->stage = step->text;
        if (!strcmp(step->call, "close") || random_below(random, 1000) >= harness_scaled(1000))
            continue;
        if (!has_data) {
            remove_tree(place.data);
            place_free(&place);
            place_make(harness, &place, ++places);
        }
        fail_start(harness, &place, step, &faults[random_below(random, 4)], &refused);
        starts_now(harness, &place, has_data);
        trials++;
    }
    harness->stage = NULL;
    place_free(&place);
    print_message("a start %s: %zu steps, %u failed calls, it did not start in %u\n",
                  has_data ? "with data" : "without data", count, trials, refused);
}

/* Without the key the data are lost.  So no fresh key takes its place, even if the disk does not
 * tell whether there are data. */
static void make_no_fresh_key(struct harness *harness)
{
    struct place place;
    place_make(harness, &place, 1000);
    starts_now(harness, &place, false);
    char *kept = text_format("%s-kept", place.key);
    check(!rename(place.key, kept), "rename: %s", strerror(errno));
    for (unsigned when = 1; when <= 3; when++) {
        struct bytes errors = {0};
        char *inject = text_format("?newfstatat,?lstat:error=EIO:when=%u", when);
        int status = start_traced(harness, &place, inject, &errors);
        check(status == 1, "%s: exit status %d: %s", inject, status, bytes_text(&errors));
        check(access(place.key, F_OK), "%s: a fresh key was made", inject);
        bytes_free(&errors);
        free(inject);
    }
    check(!rename(kept, place.key), "rename: %s", strerror(errno));
    starts_now(harness, &place, true);
    place_free(&place);
    free(kept);
}

void calls_of_a_start_fail(struct harness *harness)
{
    struct random random;
    random_start(&random, random_run_seed("starts"), 0);
    fail_starts(harness, &random, true);
    fail_starts(harness, &random, false);
    make_no_fresh_key(harness);
}
