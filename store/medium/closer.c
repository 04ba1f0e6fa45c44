/* SPDX-License-Identifier: MIT */
/* Closing files so slowly that commits do not notice. */
#include "store/medium/closer.h"

#include <time.h>

/* How much of a file is given back at once, and how long others may use the disk then. */
#define PIECE_BYTES   ((off_t)1 << 20)
#define PIECE_WAIT_NS 1000000

bool closer_init(struct closer *closer, const struct disk *disk)
{
    *closer = (struct closer){.disk = disk};
    return pthread_mutex_init(&closer->mutex, NULL) == 0;
}

void closer_destroy(struct closer *closer)
{
    pthread_mutex_destroy(&closer->mutex);
}

void closer_accept(struct closer *closer, void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&closer->mutex);
    closer->wake = wake;
    closer->wake_arg = arg;
    closer->accepts = true;
    pthread_mutex_unlock(&closer->mutex);
}

void closer_hurry(struct closer *closer)
{
    atomic_store(&closer->hurries, true);
}

void closer_give(struct closer *closer, int fd)
{
    if (fd < 0)
        return;
    pthread_mutex_lock(&closer->mutex);
    bool later = closer->accepts && closer->count < sizeof closer->fds / sizeof *closer->fds;
    if (later)
        closer->fds[closer->count++] = fd;
    pthread_mutex_unlock(&closer->mutex);
    if (later)
        closer->wake(closer->wake_arg);
    else
        closer->disk->close(closer->disk, fd);
}

/* -1: there is none. */
static int take(struct closer *closer)
{
    pthread_mutex_lock(&closer->mutex);
    int fd = closer->count > 0 ? closer->fds[--closer->count] : -1;
    pthread_mutex_unlock(&closer->mutex);
    return fd;
}

bool closer_has_some(struct closer *closer)
{
    pthread_mutex_lock(&closer->mutex);
    bool some = closer->count > 0;
    pthread_mutex_unlock(&closer->mutex);
    return some;
}

void closer_close_all(struct closer *closer)
{
    for (int fd; (fd = take(closer)) >= 0;)
        closer_close_slowly(closer, fd);
}

void closer_close_slowly(const struct closer *closer, int fd)
{
    static const struct timespec moment = {.tv_nsec = PIECE_WAIT_NS};
    const struct disk *disk = closer->disk;
    struct stat st;
    if (fd < 0)
        return;
    if (disk->fstat(disk, fd, &st) == 0 && st.st_nlink == 0 && st.st_size > PIECE_BYTES &&
        disk->alone(disk, fd) == 0) {
        for (off_t size = st.st_size - PIECE_BYTES; size > 0; size -= PIECE_BYTES) {
            if (atomic_load(&closer->hurries) || disk->ftruncate(disk, fd, size) != 0)
                break;
            nanosleep(&moment, NULL);
        }
    }
    disk->close(disk, fd);
}
