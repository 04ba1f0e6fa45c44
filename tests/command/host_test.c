/* SPDX-License-Identifier: MIT */
/* Protects the seam between commands and the program that runs them: the commands on data run over
 * a host that is no server, within its limits, and report to it each event that it wants and no
 * other. */
#include "command/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "command/families.h"
#include "command/table.h"

enum { DATABASES = 2, LONGEST = 10 };

/* ---- A program that runs commands -------------------------------------------------------- */

struct program {
    struct command_host host;
    struct command_table *table;
    struct anystore *stores[DATABASES];
    char events[400]; /* of the last call, "0 set k" */
    size_t hits, misses;
};

/* The host's functions find the program through the call's host, its first member. */
static void on_event(struct call *call, enum notify_class class, unsigned database,
                     const char *event, const struct resp_arg *key)
{
    struct program *program = (struct program *)(uintptr_t)call->host;
    size_t size = strlen(program->events);
    assert_true(call_event_wanted(call, class));
    snprintf(program->events + size, sizeof program->events - size, "%s%u %s %.*s",
             size > 0 ? ", " : "", database, event, (int)key->size, (const char *)key->data);
}

static size_t string_bytes_most(const struct call *call)
{
    (void)call;
    return LONGEST;
}

static int set_up(void **state)
{
    struct program *program = calloc(1, sizeof *program);
    assert_non_null(program);
    program->table = command_table_new(command_families, NULL);
    assert_non_null(program->table);
    for (unsigned i = 0; i < DATABASES; i++) {
        const struct anystore_options options = {.sibling = i > 0 ? program->stores[0] : NULL};
        program->stores[i] = anystore_open(&options, NULL);
        assert_non_null(program->stores[i]);
    }
    program->host.event = on_event;
    program->host.string_bytes_most = string_bytes_most;
    program->host.databases = DATABASES;
    atomic_store(&program->host.events_wanted, anystore_shared_number(program->stores[0]));
    *state = program;
    return 0;
}

static int tear_down(void **state)
{
    struct program *program = *state;
    for (unsigned i = DATABASES; i-- > 0;)
        anystore_close(program->stores[i]);
    command_table_free(program->table);
    free(program);
    return 0;
}

static void want(const struct program *program, unsigned classes)
{
    anystore_shared_store(anystore_shared_number(program->stores[0]), classes);
}

/* ---- A call ------------------------------------------------------------------------------- */

struct run {
    struct program *program;
    struct call *call;
};

static bool run_over_all(struct anystore_txn *const *txns, void *arg)
{
    struct run *run = arg;
    const struct scope scope = {.databases = (1 << DATABASES) - 1, .txns = txns, .updating = true};
    run->call->scope = &scope;
    run->call->txn = txns[run->call->database];
    run->call->command->run(run->call);
    return !run->call->store_failed;
}

/* Runs a line as a call on a database; the reply and the events are as expected. */
static void check(struct program *program, unsigned database, const char *line, const char *reply,
                  const char *events)
{
    struct resp_buffer out = {0};
    struct resp_writer writer = {&out, 2};
    struct resp_arg *argv = NULL;
    struct call call = {.host = &program->host, .database = database, .reply = &writer};
    struct run run = {program, &call};
    const struct command *container;
    assert_true(resp_split_words((const uint8_t *)line, strlen(line), &argv, &call.argc));
    call.argv = argv;
    call.command = command_find_call(program->table, call.argc, argv, &container);
    assert_non_null(call.command);
    program->events[0] = '\0';
    assert_int_equal(
        anystore_update_several(program->stores, DATABASES, run_over_all, &run, false, NULL, NULL),
        call.store_failed ? ANYSTORE_ABORTED : ANYSTORE_OK);
    resp_buffer_append(&out, "", 1);
    assert_string_equal((const char *)resp_buffer_bytes(&out), reply);
    assert_string_equal(program->events, events);
    program->hits += call.hits;
    program->misses += call.misses;
    resp_buffer_free(&out);
    free(argv);
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void test_replies_and_events(void **state)
{
    struct program *program = *state;
    want(program, NOTIFY_STRING | NOTIFY_GENERIC | NOTIFY_NEW | NOTIFY_KEY_MISS);
    check(program, 0, "SET k v", "+OK\r\n", "0 new k, 0 set k");
    check(program, 0, "SET k w", "+OK\r\n", "0 set k");
    check(program, 0, "GET k", "$1\r\nw\r\n", "");
    check(program, 0, "GET missing", "$-1\r\n", "0 keymiss missing");
    check(program, 1, "INCR n", ":1\r\n", "1 new n, 1 incrby n");
    check(program, 0, "EXPIRE k 100", ":1\r\n", "0 expire k");
    check(program, 0, "RENAME k l", "+OK\r\n", "0 new l, 0 rename_from k, 0 rename_to l");
    check(program, 0, "DEL k l", ":1\r\n", "0 del l");
    assert_int_equal(program->hits, 1);
    assert_int_equal(program->misses, 1);
}

static void test_only_wanted_events(void **state)
{
    struct program *program = *state;
    check(program, 0, "SET k v", "+OK\r\n", "");
    want(program, NOTIFY_GENERIC);
    check(program, 0, "APPEND k w", ":2\r\n", "");
    check(program, 0, "DEL k", ":1\r\n", "0 del k");
    /* The host may point at another number later. */
    struct anystore_shared *other = anystore_shared_number(program->stores[1]);
    anystore_shared_store(other, NOTIFY_STRING);
    atomic_store(&program->host.events_wanted, other);
    check(program, 0, "APPEND k w", ":1\r\n", "0 append k");
}

static void test_several_databases(void **state)
{
    struct program *program = *state;
    want(program, NOTIFY_GENERIC);
    check(program, 0, "SET k v", "+OK\r\n", "");
    check(program, 0, "MOVE k 1", ":1\r\n", "0 move_from k, 1 move_to k");
    check(program, 0, "EXISTS k", ":0\r\n", "");
    check(program, 1, "COPY k k DB 0", ":1\r\n", "0 copy_to k");
    check(program, 0, "MGET k", "*1\r\n$1\r\nv\r\n", "");
    check(program, 0, "MOVE k 2", "-ERR DB index is out of range\r\n", "");
}

static void test_longest_string(void **state)
{
    struct program *program = *state;
    check(program, 0, "SETRANGE k 9 x", ":10\r\n", "");
    check(program, 0, "APPEND k y",
          "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n", "");
    check(program, 0, "SETBIT k 80 1", "-ERR bit offset is not an integer or out of range\r\n", "");
    check(program, 0, "STRLEN k", ":10\r\n", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replies_and_events),
        TEST(test_only_wanted_events),
        TEST(test_several_databases),
        TEST(test_longest_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
