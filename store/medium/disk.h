/* SPDX-License-Identifier: MIT */
/* Every system call of the store that touches the disk goes through this table, so that tests can
 * fail, cut short, reorder or record each of them.
 *
 * Each function does what the system call of its name does, with the same arguments, results and
 * errno; callers handle EINTR. Several threads may use a table at once. */
#ifndef STORE_MEDIUM_DISK_H
#define STORE_MEDIUM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "store/format/byte_file.h"

struct disk {
    int (*open)(const struct disk *disk, const char *path, int flags, mode_t mode);
    int (*close)(const struct disk *disk, int fd);
    ssize_t (*pread)(const struct disk *disk, int fd, void *data, size_t size, off_t offset);
    ssize_t (*pwrite)(const struct disk *disk, int fd, const void *data, size_t size, off_t offset);
    int (*fsync)(const struct disk *disk, int fd);
    int (*fdatasync)(const struct disk *disk, int fd);
    int (*ftruncate)(const struct disk *disk, int fd, off_t size);
    int (*fstat)(const struct disk *disk, int fd, struct stat *st);
    int (*stat)(const struct disk *disk, const char *path, struct stat *st);
    int (*rename)(const struct disk *disk, const char *from, const char *to);
    int (*exchange)(const struct disk *disk, const char *a, const char *b); /* RENAME_EXCHANGE */
    int (*unlink)(const struct disk *disk, const char *path);
    int (*clone)(const struct disk *disk, int to, int from); /* FICLONE: the whole file */
    ssize_t (*copy_range)(const struct disk *disk, int from, off_t from_offset, int to,
                          off_t to_offset, size_t size); /* copy_file_range */
    int (*lock)(const struct disk *disk, int fd);        /* flock LOCK_EX, waits */
    int (*unlock)(const struct disk *disk, int fd);      /* flock LOCK_UN */
    /* An open file description lock on one byte, see lockfile.h. enter waits for it (F_OFD_SETLKW);
     * claim fails with EAGAIN if somebody has it (F_OFD_SETLK). */
    int (*enter)(const struct disk *disk, int fd, off_t byte);
    int (*leave)(const struct disk *disk, int fd, off_t byte);
    int (*claim)(const struct disk *disk, int fd, off_t byte);
    /* 0 if the file is open nowhere else, in no process (a write lease, F_SETLEASE, is granted);
     * else -1. */
    int (*alone)(const struct disk *disk, int fd);
    void *(*map)(const struct disk *disk, int fd,
                 size_t size); /* shared, read and write; or NULL */
    void (*unmap)(const struct disk *disk, void *address, size_t size);
    void *state; /* of a test's table */
};

/* The operating system's. */
extern const struct disk disk_system;

/* Whether two descriptions are of the same file. */
static inline bool disk_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whole transfers: short ones and EINTR are continued.  False with errno set; disk_read_exact
 * says ENODATA where the file ends early. */
bool disk_read_exact(const struct disk *disk, int fd, void *data, size_t size, off_t offset);
bool disk_write_exact(const struct disk *disk, int fd, const void *data, size_t size, off_t offset);

/* An open file for the format; valid as long as disk and path are. */
struct byte_file disk_file(const struct disk *disk, int fd, const char *path);

/* Syncs the directory a path lies in.  False with errno set. */
bool disk_sync_directory_of(const struct disk *disk, const char *path);

/* Gives `to`, which ends at `offset`, the bytes of `from` between offset and end.  False with errno
 * set. */
bool disk_append(const struct disk *disk, int from, int to, off_t offset, off_t end);

/* Gives the empty file `to` the first `size` bytes of `from` in the cheapest way the file system
 * has: clone, copy_file_range, or reading and writing; *method says which.  False with errno
 * set. */
bool disk_copy(const struct disk *disk, int from, int to, off_t size, const char **method);

#endif
