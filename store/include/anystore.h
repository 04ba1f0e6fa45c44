/* SPDX-License-Identifier: MIT */
/* libanystore: a thread-safe key/value store whose whole data set is one encrypted file that any
 * number of processes on one host share.
 *
 * After every commit the path names the full encrypted map, put there under flock(2) by an atomic
 * rename.  Reads run on the map in memory, take no file lock and never wait for the disk.
 *
 * All functions may be called on any thread unless they say otherwise.  Where an error is an
 * out-parameter it may be NULL: the status or the result says that something failed, too. */
#ifndef ANYSTORE_H
#define ANYSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a program may call.  In a shared library everything else is hidden. */
#define ANYSTORE_API __attribute__((visibility("default")))

/* ---- Errors ------------------------------------------------------------------------------- */

enum anystore_status {
    ANYSTORE_OK = 0,
    ANYSTORE_ABORTED,   /* the update function said no: nothing was changed */
    ANYSTORE_NOMEM,     /* memory is short */
    ANYSTORE_TOO_LARGE, /* a key or value is larger than ANYSTORE_MAX_BYTES */
    ANYSTORE_KEY,       /* the key is missing, malformed or not well enough protected */
    ANYSTORE_WRONG_KEY, /* the file was sealed with another key */
    ANYSTORE_DAMAGED,   /* the file does not authenticate, or ends in the middle */
    ANYSTORE_FOREIGN,   /* the file is not an AnyStore file */
    ANYSTORE_VERSION,   /* the file was written by a newer version */
    ANYSTORE_REPLACED,  /* the file vanished, or another or older one took its place */
    ANYSTORE_NO_SPACE,  /* the disk or the quota is full */
    ANYSTORE_READ_ONLY, /* the file system or a permission forbids it */
    ANYSTORE_IO         /* another system call failed; see sys_errno */
};

/* A short name for a status, "wrong key" for example; never NULL. */
ANYSTORE_API const char *anystore_status_text(enum anystore_status status);

/* What went wrong, for a program and, in one line that names the file and the cause, for a
 * person. */
struct anystore_error {
    enum anystore_status status;
    int sys_errno; /* 0 if no system call was the cause */
    char text[500];
};

/* ---- Keys --------------------------------------------------------------------------------- */

/* A 256-bit master key.  Wiped when freed. */
struct anystore_key;

#define ANYSTORE_KEY_BYTES 32

/* Reads a key file: 32 bytes in base64 (RFC 4648), blanks around them allowed.  The file must be
 * a regular file that nobody but its owner can read (root's may be readable by its group).
 * NULL and *error on failure. */
ANYSTORE_API struct anystore_key *anystore_key_load(const char *path, struct anystore_error *error);

/* The base64 text itself; `name` says in errors where it came from. */
ANYSTORE_API struct anystore_key *anystore_key_from_base64(const char *text, const char *name,
                                                           struct anystore_error *error);

/* Makes a new random key file with mode 0600, synced with its directory.  If the path exists
 * meanwhile (another process was faster), that key is loaded instead. */
ANYSTORE_API struct anystore_key *anystore_key_create(const char *path,
                                                      struct anystore_error *error);

ANYSTORE_API void anystore_key_free(struct anystore_key *key); /* takes NULL */

/* ---- Opening ------------------------------------------------------------------------------ */

enum anystore_fsync {
    ANYSTORE_FSYNC_ALWAYS, /* a write is durable before it is acknowledged or visible */
    ANYSTORE_FSYNC_NO      /* the system decides when: safe against dying processes only */
};

enum anystore_log_level { ANYSTORE_LOG_DEBUG, ANYSTORE_LOG_NOTICE, ANYSTORE_LOG_WARNING };

/* All bytes zero: a store in memory. */
struct anystore_options {
    const char *path; /* the data file; NULL: no file, the data ends with the process */
    const struct anystore_key *key; /* needed with a path; copied */
    enum anystore_fsync fsync;
    /* A sibling: this store joins its family.  Only stores of one family can be used together, see
     * below.  A new file is made as one of that family; the file of another family is refused.  The
     * sibling must stay open until this store is closed.  NULL: a store on its own. */
    struct anystore *sibling;
    /* Gets what an operator may want to know, a line at a time; any thread.  May be NULL. */
    void (*on_log)(enum anystore_log_level level, const char *text, void *arg);
    void *log_arg;
    /* Gets each key that has expired, once: when this process takes it out of its memory, or when a
     * change takes its place; but not a key that anystore_clear removes.  That may be some time
     * later: up to a second if nobody writes.  Called on any thread, also inside other calls of the
     * store and with its locks held: must not block nor call the store.  The key is valid during
     * the call.  May be NULL. */
    void (*on_expired)(const void *key, size_t key_size, void *arg);
    /* Whether somebody wants to know that now.  While it says so, the commits of other processes
     * are read before keys are taken out; so on_expired gets no key that they have removed, or
     * given more time.  Called as on_expired.  NULL: always. */
    bool (*wants_expired)(void *arg);
    void *expired_arg;
};

struct anystore;

/* Opens the store; makes the file if there is none (its directory must exist).  Beside the file lie
 * <path>.lock, which stays, and <path>.spare, the second copy that commits take turns with.  While
 * a new base is written there are <path>.base and <path>.base.spare, or <path>.tmp.  What a dead
 * process left of these is removed.  Waits while another process commits.  NULL and *error on
 * failure; a failing open never changes an existing file. */
ANYSTORE_API struct anystore *anystore_open(const struct anystore_options *options,
                                            struct anystore_error *error);

/* Finishes what was submitted, then frees everything.  No other call may be in progress or come
 * later.  Takes NULL. */
ANYSTORE_API void anystore_close(struct anystore *store);

/* ---- Transactions ------------------------------------------------------------------------- */

#define ANYSTORE_MAX_BYTES ((size_t)UINT32_MAX) /* of a key, and of a value */

enum anystore_type { ANYSTORE_STRING = 0 }; /* stored in the file: numbers never change meaning */

struct anystore_value {
    enum anystore_type type;
    const void *data;
    size_t size;
    int64_t expire_ms; /* Unix time in milliseconds at which the key is gone; 0: never */
};

/* The handle through which a transaction sees and changes the map.  Valid only inside the function
 * it was given to, on that thread. */
struct anystore_txn;

/* One transaction.  In an update, false means: undo all that this call did. */
typedef bool anystore_fn(struct anystore_txn *txn, void *arg);

/* Runs fn on a consistent state of the map, which holds every write that any process acknowledged
 * before this call.  fn must not write or block, and must call the store through the handle only;
 * while it runs it delays the publication of commits.  Fails (fn does not run) only if another
 * process committed something that cannot be read. */
ANYSTORE_API enum anystore_status anystore_view(struct anystore *store, anystore_fn *fn, void *arg,
                                                struct anystore_error *error);

/* Runs fn in the order of arrival with all other updates, on the newest state of all processes,
 * and returns when its changes are durable and visible to all, or are undone.  Updates that
 * wait at the same time share a commit.  In a store with a file fn runs on the commit thread;
 * without one, on the caller's. */
ANYSTORE_API enum anystore_status anystore_update(struct anystore *store, anystore_fn *fn,
                                                  void *arg, struct anystore_error *error);

/* What a submission asks for. */
enum anystore_submission_kind {
    ANYSTORE_SUBMIT_UPDATE = 0,      /* run fn */
    ANYSTORE_SUBMIT_UPDATE_AND_BASE, /* run fn, then write a new base: the file without history */
    ANYSTORE_SUBMIT_BASE,            /* only write a new base; fn is not used */
    ANYSTORE_SUBMIT_PROBE            /* make a commit, even if nothing changes: fn is not used */
};

/* An update without waiting.  The caller fills in and owns the submission and keeps it until
 * on_done is called. */
struct anystore_submission {
    enum anystore_submission_kind kind;
    anystore_fn *fn;
    void *arg;
    /* Gets the outcome, on the commit thread; must not block.  `ran` says whether fn was run at
     * all.  error->status is ANYSTORE_OK, ANYSTORE_ABORTED, or the reason why nothing was kept.
     * The submission may be freed or submitted again from here. */
    void (*on_done)(struct anystore_submission *submission, bool ran,
                    const struct anystore_error *error);
    union { /* the store's, from anystore_submit to on_done */
        uint64_t aligned;
        unsigned char bytes[32];
    } private_;
};

/* Without a file the update is run, and on_done called, before this returns. */
ANYSTORE_API void anystore_submit(struct anystore *store, struct anystore_submission *submission);

/* ---- Several stores together -------------------------------------------------------------- */

/* One transaction over several stores; txns[i] is that of stores[i]. */
typedef bool anystore_several_fn(struct anystore_txn *const *txns, void *arg);

/* Runs fn in an update on each of several different stores of a family (at least one) at the same
 * time, and returns when all is durable, or undone.  What fn reads is of one moment, whatever other
 * processes do.
 *
 * The changes of one store are all or nothing.  But each store has a file of its own: the stores
 * become durable, and visible to views, one after the other, the last one in `stores` first.  A
 * store that fn only reads belongs before those that it changes: it stays as it is until they are
 * durable.  If one cannot be made durable, it and all before it are undone; *failed (may be NULL)
 * is its index, and those behind it stay changed.
 *
 * new_base: each of them gets a new base, too.  Must not be called in a transaction. */
ANYSTORE_API enum anystore_status anystore_update_several(struct anystore *const *stores,
                                                          size_t count, anystore_several_fn *fn,
                                                          void *arg, bool new_base, size_t *failed,
                                                          struct anystore_error *error);

/* Exchanges what two stores of a family hold, and with it their files, for all processes, in one
 * atomic step on the disk.  Both files are written anew for that.  If it fails nothing was
 * exchanged.  Must not be called in a transaction. */
ANYSTORE_API enum anystore_status anystore_swap(struct anystore *a, struct anystore *b,
                                                struct anystore_error *error);

/* ---- In a transaction --------------------------------------------------------------------- */

/* Keys and values are any bytes.  A key that has expired is not there. */

/* What a key holds; false if it is not there.  *value points into the store and is valid until the
 * next change in this transaction, at most until its end.  value may be NULL. */
ANYSTORE_API bool anystore_get(struct anystore_txn *txn, const void *key, size_t key_size,
                               struct anystore_value *value);

/* Sets a key to a value; replaces what was there, its expiry too.  OK, NOMEM or TOO_LARGE. */
ANYSTORE_API enum anystore_status anystore_put(struct anystore_txn *txn, const void *key,
                                               size_t key_size, const struct anystore_value *value);

/* Removes a key.  *existed (may be NULL) says whether it was there.  OK or NOMEM. */
ANYSTORE_API enum anystore_status anystore_delete(struct anystore_txn *txn, const void *key,
                                                  size_t key_size, bool *existed);

/* Gives an existing key another expiry (Unix time in milliseconds, 0: none).  *existed (may be
 * NULL) says whether the key was there.  OK or NOMEM. */
ANYSTORE_API enum anystore_status anystore_set_expiry(struct anystore_txn *txn, const void *key,
                                                      size_t key_size, int64_t expire_ms,
                                                      bool *existed);

/* A point in an update to go back to: all changes made since are undone. */
ANYSTORE_API size_t anystore_savepoint(const struct anystore_txn *txn);
ANYSTORE_API void anystore_rollback(struct anystore_txn *txn, size_t savepoint);

/* Promises that nothing which was done in this call of the update function will be undone:
 * savepoints taken so far are void, and the function must not return false any more.  Frees the
 * values that are kept only to be put back; so a function that changes the same large values many
 * times calls this now and then.  Within anystore_update_several only the last store's transaction
 * may be settled: the changes in the others are undone if the commit of a later one fails. */
ANYSTORE_API void anystore_settle(struct anystore_txn *txn);

/* Bytes of memory that the changes of an update take, together with those of the updates that share
 * its commit.  anystore_memory counts them once they are published. */
ANYSTORE_API uint64_t anystore_update_memory(const struct anystore_txn *txn);

/* Removes all keys. */
ANYSTORE_API enum anystore_status anystore_clear(struct anystore_txn *txn);

/* Number of keys.  Expired keys count until they are taken out. */
ANYSTORE_API uint64_t anystore_count(struct anystore_txn *txn);

/* Calls fn for each key; it must not change the map.  Stops when fn returns false. */
typedef bool anystore_each_fn(const void *key, size_t key_size, const struct anystore_value *value,
                              void *arg);
ANYSTORE_API void anystore_each(struct anystore_txn *txn, anystore_each_fn *fn, void *arg);

/* One step of a scan over all keys: calls fn for some of them and returns the cursor for the next
 * step, 0 at the end; the first is 0.  A key that is there from the first step to the last is
 * visited at least once, whatever is changed in between, and in whichever processes the steps are
 * made. */
ANYSTORE_API uint64_t anystore_scan(struct anystore_txn *txn, uint64_t cursor, anystore_each_fn *fn,
                                    void *arg);

/* The time of this transaction, Unix time in milliseconds. */
ANYSTORE_API int64_t anystore_now(const struct anystore_txn *txn);

/* ---- Watching keys ------------------------------------------------------------------------ */

/* Notices changes of one key from anystore_watch_start on, by any process, this one included.  A
 * change counts even if it is undone later, or leaves the value as it was.  One is not noticed: a
 * key that the same commit of another process both makes and removes.  The caller fills in key and
 * key_size, keeps both, and calls anystore_watch_end. */
struct anystore_watch {
    const void *key;
    size_t key_size;
    union { /* the store's, from anystore_watch_start to anystore_watch_end */
        uint64_t aligned;
        unsigned char bytes[40];
    } private_;
};

/* Starts watching, in a transaction: changes of what that sees will be noticed. */
ANYSTORE_API void anystore_watch_start(struct anystore_txn *txn, struct anystore_watch *watch);

/* Whether the key was changed, or has expired, since.  In an update the answer covers the changes
 * of all processes; a view may miss the newest. */
ANYSTORE_API bool anystore_watch_changed(const struct anystore_txn *txn,
                                         const struct anystore_watch *watch);

/* A hash of the key, the same for all watches of that key in a store: for tables of watches. */
ANYSTORE_API uint32_t anystore_watch_hash(const struct anystore_watch *watch);

ANYSTORE_API void anystore_watch_end(struct anystore *store, struct anystore_watch *watch);

/* ---- Looking inside ----------------------------------------------------------------------- */

/* Counters of this process since open, unless they say otherwise. */
struct anystore_stats {
    bool persistent;
    uint64_t generation;     /* commits in the life of the data, of all processes */
    uint64_t commits;        /* made by this process */
    uint64_t updates;        /* update functions that ran */
    uint64_t committed;      /* of these, those that were part of a commit */
    uint64_t failed_commits; /* batches that could not be made durable */
    uint64_t catch_ups;      /* times that commits of other processes were read */
    uint64_t catch_up_bytes; /* read for that */
    uint64_t reloads;        /* times that the whole file was read for that */
    uint64_t bases_written;  /* new bases */
    bool base_in_progress;   /* one is being written beside commits */
    uint64_t bytes_written;  /* to the data file, sealed */
    uint64_t bytes_copied;   /* that the second copy lacked */
    uint64_t last_commit_us; /* duration of the last commit, lock to publication */
    uint64_t last_batch;     /* updates in the last commit */
    uint64_t largest_batch;
    int64_t last_commit_ms; /* Unix time of the last commit this process made or read; 0: none */
    uint64_t file_size;     /* bytes */
    uint64_t base_size;     /* bytes of it that are the base; the rest are changes since */
    uint64_t keys;
    uint64_t expiring;      /* keys with an expiry */
    int64_t mean_expiry_ms; /* of these, Unix time, to a second; 0: there are none */
    uint64_t data_bytes;    /* keys and values */
    uint64_t expired;       /* expired keys that were taken out */
    /* Why the last commit that this process tried failed, and the last new base.  OK: it did
     * not. */
    enum anystore_status last_commit_status, last_base_status;
    const char *copy_method; /* how the last commit got a copy to append to: "swap", "clone", ... */
};

/* Takes no lock, so it may be called in a transaction.  The numbers need not be of one instant. */
ANYSTORE_API void anystore_stats_read(struct anystore *store, struct anystore_stats *stats);

/* The same as last_commit_status above, by itself: one load. */
ANYSTORE_API enum anystore_status anystore_commit_status(struct anystore *store);

/* Bytes of memory that the published map takes, about, with what the allocator needs for it.  Takes
 * no lock, so it may be called in a transaction. */
ANYSTORE_API uint64_t anystore_memory(struct anystore *store);

/* A number in memory that all processes with the same file share, for whatever they want to tell
 * each other; without a file this process has its own.  The store does not use it.
 *
 * The number stands in the lock file: it is 0 in a new file, and what was left there in an old one.
 * If somebody replaces the lock file there is another number, so ask for it again now and then.
 * The pointer is valid until anystore_close.
 *
 * All functions over it are atomic, and all but anystore_shared_peek are ordered with each other in
 * all processes (sequentially consistent). */
struct anystore_shared;
ANYSTORE_API struct anystore_shared *anystore_shared_number(struct anystore *store);

/* The number, with no order to other memory: as cheap as reading a variable. */
static inline uint64_t anystore_shared_peek(const struct anystore_shared *number)
{
    return __atomic_load_n((const uint64_t *)(const void *)number, __ATOMIC_RELAXED);
}

ANYSTORE_API uint64_t anystore_shared_load(const struct anystore_shared *number);
ANYSTORE_API void anystore_shared_store(struct anystore_shared *number, uint64_t value);

/* Sets the number to `value` if it is *seen.  Otherwise returns false, and *seen is what it is. */
ANYSTORE_API bool anystore_shared_replace(struct anystore_shared *number, uint64_t *seen,
                                          uint64_t value);

/* Checks every numbered invariant of the structures in memory (store/DESIGN.md lists them) and
 * aborts with a message if one does not hold.  Changes that are on their way to the disk are
 * checked by the commit thread, at the end of its next round.  Slow: for tests. */
ANYSTORE_API void anystore_check(struct anystore *store);

#ifdef __cplusplus
}
#endif

#endif
