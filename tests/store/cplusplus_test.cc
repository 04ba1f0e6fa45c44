// SPDX-License-Identifier: MIT
// Protects the public header's use from C++: it compiles there, links, and a program works with it.
#include "anystore.h"

#include <cstdio>
#include <cstring>

static bool done;

static void on_done(anystore_submission *submission, bool ran, const anystore_error *error)
{
    (void)submission;
    done = ran && error->status == ANYSTORE_OK;
}

int main()
{
    anystore_options options = {};
    anystore_error error;
    anystore *store = anystore_open(&options, &error);
    if (!store)
        return std::fprintf(stderr, "%s\n", error.text), 1;
    anystore_submission submission = {};
    submission.fn = [](anystore_txn *txn, void *) {
        anystore_value value = {};
        value.data = "C++";
        value.size = 3;
        return anystore_put(txn, "key", 3, &value) == ANYSTORE_OK;
    };
    submission.on_done = on_done;
    anystore_submit(store, &submission);
    anystore_watch watch = {};
    watch.key = "key";
    watch.key_size = 3;
    anystore_fn *look = [](anystore_txn *txn, void *arg) {
        anystore_value value;
        anystore_watch_start(txn, static_cast<struct anystore_watch *>(arg));
        return anystore_get(txn, "key", 3, &value) && value.size == 3 &&
               std::memcmp(value.data, "C++", 3) == 0;
    };
    anystore_status status = anystore_view(store, look, &watch, &error);
    anystore_watch_end(store, &watch);
    anystore_shared_store(anystore_shared_number(store), 7);
    bool shared = anystore_shared_peek(anystore_shared_number(store)) == 7;
    anystore_close(store);
    return done && status == ANYSTORE_OK && shared ? 0 : 1;
}
