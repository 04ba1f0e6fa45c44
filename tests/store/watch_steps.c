/* SPDX-License-Identifier: MIT */
#include "tests/store/watch_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store/support.h"

static bool name_is(const char *word, const char *name, const char **rest)
{
    size_t size = strlen(name);
    if (strncmp(word, name, size) != 0 || (word[size] != '\0' && word[size] != ' '))
        return false;
    *rest = word[size] ? word + size + 1 : "";
    return true;
}

static bool step(struct anystore_txn *txn, struct watch_steps *steps, const char *word)
{
    struct anystore_value value = {.data = "value", .size = 5};
    int64_t now = anystore_now(txn);
    const char *rest = "";
    bool ok = true;
    if (name_is(word, "put", &rest))
        ok = anystore_put(txn, rest, strlen(rest), &value) == ANYSTORE_OK;
    else if (name_is(word, "del", &rest))
        ok = anystore_delete(txn, rest, strlen(rest), NULL) == ANYSTORE_OK;
    else if (name_is(word, "expire", &rest))
        ok = anystore_set_expiry(txn, rest, strlen(rest), now + 1000000, NULL) == ANYSTORE_OK;
    else if (name_is(word, "soon", &rest))
        ok = anystore_set_expiry(txn, rest, strlen(rest), now + 50, NULL) == ANYSTORE_OK;
    else if (name_is(word, "past", &rest))
        ok = anystore_set_expiry(txn, rest, strlen(rest), now - 1000, NULL) == ANYSTORE_OK;
    else if (name_is(word, "persist", &rest))
        ok = anystore_set_expiry(txn, rest, strlen(rest), 0, NULL) == ANYSTORE_OK;
    else if (name_is(word, "clear", &rest))
        ok = anystore_clear(txn) == ANYSTORE_OK;
    else if (name_is(word, "watch", &rest))
        anystore_watch_start(txn, &steps->watches[atoi(rest)]);
    else if (name_is(word, "changed", &rest))
        ok = anystore_watch_changed(txn, &steps->watches[atoi(rest)]);
    else if (name_is(word, "unchanged", &rest))
        ok = !anystore_watch_changed(txn, &steps->watches[atoi(rest)]);
    else if (name_is(word, "save", &rest))
        steps->savepoint = anystore_savepoint(txn);
    else if (name_is(word, "rollback", &rest))
        anystore_rollback(txn, steps->savepoint);
    else
        ok = false;
    if (!ok)
        print_error("step \"%s\" fails\n", word);
    return ok;
}

bool watch_run_steps(struct anystore_txn *txn, void *arg)
{
    struct watch_steps *steps = arg;
    for (const char *const *word = steps->words; *word; word++) {
        if (strcmp(*word, "abort") == 0)
            return false;
        if (!step(txn, steps, *word))
            steps->failed = true;
    }
    return true;
}

enum anystore_status watch_try_steps(struct anystore *store, struct anystore_watch *watches,
                                     const char *const *words)
{
    bool in_view = strcmp(words[0], "view") == 0;
    struct watch_steps steps = {.words = words + in_view, .watches = watches};
    struct anystore_error error;
    if (in_view)
        anystore_view(store, watch_run_steps, &steps, &error);
    else
        anystore_update(store, watch_run_steps, &steps, &error);
    assert_false(steps.failed);
    return error.status;
}

void watch_name(struct anystore_watch watches[WATCHES])
{
    static const char names[] = "abcd";
    memset(watches, 0, WATCHES * sizeof *watches);
    for (size_t i = 0; i < WATCHES; i++) {
        watches[i].key = names + i;
        watches[i].key_size = 1;
    }
}

void watch_expect(struct anystore *store, struct anystore_watch *watches, const char *changed)
{
    for (int in_view = 0; in_view < 2; in_view++)
        for (size_t i = 0; changed[i]; i++) {
            char word[40];
            snprintf(word, sizeof word, "%s %zu", changed[i] == 'x' ? "changed" : "unchanged", i);
            const char *const words[] = {in_view ? "view" : word, in_view ? word : NULL, NULL};
            assert_int_equal(watch_try_steps(store, watches, words), ANYSTORE_OK);
        }
}

void watch_end(struct anystore *store, struct anystore_watch *watches, size_t count)
{
    for (size_t i = 0; i < count; i++)
        anystore_watch_end(store, &watches[i]);
}
