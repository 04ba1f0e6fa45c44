/* SPDX-License-Identifier: MIT */
#include "tests/store/siblings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"
#include "tests/store/support.h"

struct anystore *siblings_open(const char *path, struct anystore *sibling, const struct disk *disk,
                               struct anystore_error *error)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = path, .key = path ? key : NULL, .sibling = sibling};
    struct anystore *store = store_open_on_disk(&options, disk, error);
    anystore_key_free(key);
    return store;
}

void siblings_start(struct siblings *process, const char *directory, const struct disk *disk)
{
    static const char *const names[COUNT] = {"a", "b", "c"};
    struct anystore *first = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        struct anystore_error error;
        const char *path = directory ? support_path(directory, names[i]) : NULL;
        process->stores[i] = siblings_open(path, first, disk, &error);
        if (!process->stores[i])
            print_error("%s\n", error.text);
        assert_non_null(process->stores[i]);
        first = process->stores[0];
    }
}

void siblings_end(struct siblings *process)
{
    for (size_t i = COUNT; i-- > 0;)
        anystore_close(process->stores[i]);
}

void siblings_put(struct anystore_txn *txn, const char *key, const char *text)
{
    const struct anystore_value value = {.data = text, .size = strlen(text)};
    assert_int_equal(anystore_put(txn, key, strlen(key), &value), ANYSTORE_OK);
}
