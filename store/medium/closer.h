/* SPDX-License-Identifier: MIT */
/* Descriptors that a thread closes which nobody waits for.
 *
 * When the last descriptor of a file without a name is closed, the file system gives its space
 * back.  For a large file that takes long, and commits would have to wait: so a thread that nobody
 * waits for does it, in pieces. */
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

/* From now on there is a thread that calls closer_close_all whenever `wake` wakes it. */
void closer_accept(struct closer *closer, void (*wake)(void *arg), void *arg);

/* The store is being closed: from now on files are closed in one piece. */
void closer_hurry(struct closer *closer);

/* Hands over a file (-1: none) that may have no name any more.  If there is no such thread, or too
 * many files wait already, it is closed here.  Any thread. */
void closer_give(struct closer *closer, int fd);

/* ---- The thread that closes --------------------------------------------------------------- */

bool closer_has_some(struct closer *closer);

void closer_close_all(struct closer *closer);

/* Closes one file (-1: none).  If it has no name and is open nowhere else, its space is given back
 * piece by piece before. */
void closer_close_slowly(const struct closer *closer, int fd);

#endif
