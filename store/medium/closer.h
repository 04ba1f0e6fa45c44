/* SPDX-License-Identifier: MIT */
/* Descriptors that a thread with time closes.
 *
 * When the last descriptor of a file without a name is closed, the file system gives its space
 * back.  For a large file that takes long, and a commit would have to wait for it: so a thread that
 * nobody waits for does it, in pieces. */
#ifndef STORE_MEDIUM_CLOSER_H
#define STORE_MEDIUM_CLOSER_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/medium/disk.h"

struct closer {
    const struct disk *disk; /* constant after init */
    pthread_mutex_t mutex;   /* a leaf: no other lock is taken under it */
    int fds[4];              /* guard: mutex */
    size_t count;            /* guard: mutex */
    bool accepts;            /* guard: mutex; there is a thread that closes */
    atomic_bool hurries;     /* pieces are not worth the time any more */
    /* Wakes that thread; called with no lock of the closer held.  Constant while it accepts. */
    void (*wake)(void *arg);
    void *wake_arg;
};

/* False if the system has no more locks. */
bool closer_init(struct closer *closer, const struct disk *disk);
void closer_destroy(struct closer *closer);

/* The thread that calls closer_close_all when it is woken is about to start. */
void closer_accept(struct closer *closer, void (*wake)(void *arg), void *arg);

/* The store is being closed: what is being closed is closed at once from now on. */
void closer_hurry(struct closer *closer);

/* Has a file closed (-1: none) that may have no name any more.  Any thread.  If nobody accepts it,
 * or too many wait already, it is closed here. */
void closer_give(struct closer *closer, int fd);

/* ---- The thread that closes --------------------------------------------------------------- */

bool closer_has_some(struct closer *closer);

void closer_close_all(struct closer *closer);

/* Closes one file (-1: none).  If it has no name and is open nowhere else, its space is given back
 * piece by piece before. */
void closer_close_slowly(const struct closer *closer, int fd);

#endif
