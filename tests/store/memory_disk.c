/* SPDX-License-Identifier: MIT */
/* A disk in memory, with a log of what has not been synced. */
#include "memory_disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES        16
#define DESCRIPTORS  64
#define NAME_MOST    128
#define LOCKED_BYTES 4 /* that a file has locks for */

/* Open descriptors start here, so that one of the system used by mistake is noticed. */
#define FIRST_DESCRIPTOR 1000000

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

/* A change of a file's bytes that is not synced: a write, or (no data) a truncation to `offset`. */
struct change {
    struct change *next;
    size_t offset, size;
    uint8_t *data;
};

struct inode {
    struct inode *next; /* of all */
    uint64_t number;
    struct bytes now, synced;
    struct change *changes, **last_change;
    bool pinned;                              /* mapped: `now` must stay where it is */
    int lock_owner, byte_owner[LOCKED_BYTES]; /* descriptors; 0: free */
};

struct directory {
    struct name {
        char path[NAME_MOST];
        struct inode *inode;
    } names[NAMES];
    size_t count;
};

struct memory_disk {
    struct disk table;
    struct memory_disk_abilities abilities;
    pthread_mutex_t mutex;
    pthread_cond_t unlocked;
    struct inode *inodes; /* freed with the disk, not before */
    uint64_t last_number;
    bool lose_next_sync;
    struct directory *states; /* since the last sync; the last one is now */
    size_t state_count;
    struct {
        bool open, directory;
        struct inode *inode;
    } descriptors[DESCRIPTORS];
};

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "memory disk: out of memory\n");
        abort();
    }
    return memory;
}

/* ---- Bytes -------------------------------------------------------------------------------- */

static void bytes_resize(struct bytes *bytes, size_t size)
{
    if (size > bytes->capacity) {
        size_t capacity = size < 4096 ? 4096 : size + size / 2;
        bytes->data = need(realloc(bytes->data, capacity));
        bytes->capacity = capacity;
    }
    if (bytes->data && size > bytes->size)
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void bytes_write(struct bytes *bytes, size_t offset, const uint8_t *data, size_t size)
{
    if (offset + size > bytes->size)
        bytes_resize(bytes, offset + size);
    if (size > 0)
        memcpy(bytes->data + offset, data, size);
}

/* The first number of a mapped page is the commit mark, which other threads may be storing. */
static void bytes_copy(struct bytes *to, const struct bytes *from)
{
    bytes_resize(to, from->size);
    size_t start = 0;
    if (from->size >= sizeof(uint64_t)) {
        uint64_t mark =
            __atomic_load_n((const uint64_t *)(const void *)from->data, __ATOMIC_ACQUIRE);
        memcpy(to->data, &mark, sizeof mark);
        start = sizeof mark;
    }
    if (from->size > start)
        memcpy(to->data + start, from->data + start, from->size - start);
}

/* ---- Files -------------------------------------------------------------------------------- */

static struct inode *inode_new(struct memory_disk *memory)
{
    struct inode *inode = need(calloc(1, sizeof *inode));
    inode->number = ++memory->last_number;
    inode->last_change = &inode->changes;
    inode->next = memory->inodes;
    memory->inodes = inode;
    return inode;
}

static void forget_changes(struct inode *inode)
{
    while (inode->changes) {
        struct change *next = inode->changes->next;
        free(inode->changes->data);
        free(inode->changes);
        inode->changes = next;
    }
    inode->last_change = &inode->changes;
}

static void log_change(struct inode *inode, size_t offset, const uint8_t *data, size_t size)
{
    struct change *change = need(calloc(1, sizeof *change));
    change->offset = offset;
    change->size = size;
    if (data) {
        change->data = need(malloc(size > 0 ? size : 1));
        memcpy(change->data, data, size);
    }
    *inode->last_change = change;
    inode->last_change = &change->next;
}

static void inode_write(struct inode *inode, size_t offset, const uint8_t *data, size_t size)
{
    if (inode->pinned && offset + size > inode->now.capacity) {
        fprintf(stderr, "memory disk: a mapped file grows\n");
        abort();
    }
    log_change(inode, offset, data, size);
    bytes_write(&inode->now, offset, data, size);
}

static void apply(struct bytes *bytes, const struct change *change)
{
    if (change->data)
        bytes_write(bytes, change->offset, change->data, change->size);
    else
        bytes_resize(bytes, change->offset);
}

/* Only what is logged: what an earlier sync lost stays lost. */
static void inode_sync(struct inode *inode)
{
    for (const struct change *change = inode->changes; change; change = change->next)
        apply(&inode->synced, change);
    forget_changes(inode);
    if (inode->pinned)
        bytes_copy(&inode->synced, &inode->now);
}

/* All that is there counts as synced. */
static void inode_settle(struct inode *inode)
{
    forget_changes(inode);
    bytes_copy(&inode->synced, &inode->now);
}

/* ---- The directory ------------------------------------------------------------------------ */

static struct directory *directory_now(struct memory_disk *memory)
{
    return &memory->states[memory->state_count - 1];
}

/* A new state, a copy of the one now, to be changed. */
static struct directory *directory_change(struct memory_disk *memory)
{
    memory->states =
        need(realloc(memory->states, (memory->state_count + 1) * sizeof *memory->states));
    memory->states[memory->state_count] = memory->states[memory->state_count - 1];
    memory->state_count++;
    return directory_now(memory);
}

/* The place of a path; directory->count if it is not there. */
static size_t place_of(const struct directory *directory, const char *path)
{
    size_t i = 0;
    while (i < directory->count && strcmp(directory->names[i].path, path) != 0)
        i++;
    return i;
}

/* NULL if it is not there. */
static struct inode *find(const struct directory *directory, const char *path)
{
    size_t i = place_of(directory, path);
    return i < directory->count ? directory->names[i].inode : NULL;
}

static void directory_set(struct directory *directory, const char *path, struct inode *inode)
{
    size_t i = place_of(directory, path);
    if (i == NAMES || strlen(path) >= NAME_MOST) {
        fprintf(stderr, "memory disk: too many names, or one too long\n");
        abort();
    }
    if (i == directory->count) {
        memcpy(directory->names[i].path, path, strlen(path) + 1);
        directory->count++;
    }
    directory->names[i].inode = inode;
}

static void directory_remove(struct directory *directory, const char *path)
{
    size_t i = place_of(directory, path);
    if (i < directory->count)
        directory->names[i] = directory->names[--directory->count];
}

static void directory_sync(struct memory_disk *memory)
{
    memory->states[0] = *directory_now(memory);
    memory->state_count = 1;
}

/* ---- The table of calls ------------------------------------------------------------------- */

static struct memory_disk *begin(const struct disk *disk)
{
    struct memory_disk *memory = disk->state;
    pthread_mutex_lock(&memory->mutex);
    return memory;
}

/* Ends a call; number 0: it worked. */
static int end(struct memory_disk *memory, int number, int result)
{
    pthread_mutex_unlock(&memory->mutex);
    if (number == 0)
        return result;
    errno = number;
    return -1;
}

/* NULL for a directory. */
static struct inode *inode_of(struct memory_disk *memory, int fd)
{
    int i = fd - FIRST_DESCRIPTOR;
    if (i < 0 || i >= DESCRIPTORS || !memory->descriptors[i].open) {
        fprintf(stderr, "memory disk: descriptor %d is not open\n", fd);
        abort();
    }
    return memory->descriptors[i].inode;
}

static int memory_open(const struct disk *disk, const char *path, int flags, mode_t mode)
{
    (void)mode;
    struct memory_disk *memory = begin(disk);
    int fd = 0;
    while (fd < DESCRIPTORS && memory->descriptors[fd].open)
        fd++;
    if (fd == DESCRIPTORS)
        return end(memory, EMFILE, -1);
    bool directory = (flags & O_DIRECTORY) != 0;
    struct inode *inode = directory ? NULL : find(directory_now(memory), path);
    if (inode && (flags & O_EXCL))
        return end(memory, EEXIST, -1);
    if (!inode && !directory) {
        if (!(flags & O_CREAT))
            return end(memory, ENOENT, -1);
        inode = inode_new(memory);
        directory_set(directory_change(memory), path, inode);
    }
    memory->descriptors[fd].open = true;
    memory->descriptors[fd].directory = directory;
    memory->descriptors[fd].inode = inode;
    return end(memory, 0, fd + FIRST_DESCRIPTOR);
}

static int memory_close(const struct disk *disk, int fd)
{
    struct memory_disk *memory = begin(disk);
    struct inode *inode = inode_of(memory, fd);
    if (inode && inode->lock_owner == fd)
        inode->lock_owner = 0;
    for (size_t i = 0; inode && i < LOCKED_BYTES; i++)
        if (inode->byte_owner[i] == fd)
            inode->byte_owner[i] = 0;
    memory->descriptors[fd - FIRST_DESCRIPTOR].open = false;
    pthread_cond_broadcast(&memory->unlocked);
    return end(memory, 0, 0);
}

static ssize_t memory_pread(const struct disk *disk, int fd, void *data, size_t size, off_t offset)
{
    struct memory_disk *memory = begin(disk);
    const struct bytes *now = &inode_of(memory, fd)->now;
    size_t start = (size_t)offset;
    size_t n = start >= now->size ? 0 : now->size - start < size ? now->size - start : size;
    if (n > 0)
        memcpy(data, now->data + start, n);
    pthread_mutex_unlock(&memory->mutex);
    return (ssize_t)n;
}

static ssize_t memory_pwrite(const struct disk *disk, int fd, const void *data, size_t size,
                             off_t offset)
{
    struct memory_disk *memory = begin(disk);
    inode_write(inode_of(memory, fd), (size_t)offset, data, size);
    pthread_mutex_unlock(&memory->mutex);
    return (ssize_t)size;
}

static int memory_fsync(const struct disk *disk, int fd)
{
    struct memory_disk *memory = begin(disk);
    struct inode *inode = inode_of(memory, fd);
    if (inode && memory->lose_next_sync) {
        memory->lose_next_sync = false;
        forget_changes(inode);
        return end(memory, EIO, -1);
    }
    if (inode)
        inode_sync(inode);
    else
        directory_sync(memory);
    return end(memory, 0, 0);
}

static int memory_ftruncate(const struct disk *disk, int fd, off_t size)
{
    struct memory_disk *memory = begin(disk);
    struct inode *inode = inode_of(memory, fd);
    log_change(inode, (size_t)size, NULL, 0);
    bytes_resize(&inode->now, (size_t)size);
    return end(memory, 0, 0);
}

static void fill_stat(const struct inode *inode, struct stat *st)
{
    memset(st, 0, sizeof *st);
    st->st_dev = 7;
    st->st_ino = inode ? inode->number : 0;
    st->st_mode = inode ? S_IFREG | 0600 : S_IFDIR | 0700;
    st->st_nlink = 1;
    st->st_size = inode ? (off_t)inode->now.size : 0;
}

static int memory_fstat(const struct disk *disk, int fd, struct stat *st)
{
    struct memory_disk *memory = begin(disk);
    fill_stat(inode_of(memory, fd), st);
    return end(memory, 0, 0);
}

static int memory_stat(const struct disk *disk, const char *path, struct stat *st)
{
    struct memory_disk *memory = begin(disk);
    const struct inode *inode = find(directory_now(memory), path);
    if (!inode)
        return end(memory, ENOENT, -1);
    fill_stat(inode, st);
    return end(memory, 0, 0);
}

static int memory_rename(const struct disk *disk, const char *from, const char *to)
{
    struct memory_disk *memory = begin(disk);
    struct inode *inode = find(directory_now(memory), from);
    if (!inode)
        return end(memory, ENOENT, -1);
    struct directory *directory = directory_change(memory);
    directory_set(directory, to, inode);
    directory_remove(directory, from);
    return end(memory, 0, 0);
}

static int memory_exchange(const struct disk *disk, const char *a, const char *b)
{
    struct memory_disk *memory = begin(disk);
    if (!memory->abilities.exchange)
        return end(memory, EINVAL, -1);
    struct inode *inode_a = find(directory_now(memory), a);
    struct inode *inode_b = find(directory_now(memory), b);
    if (!inode_a || !inode_b)
        return end(memory, ENOENT, -1);
    struct directory *directory = directory_change(memory);
    directory_set(directory, a, inode_b);
    directory_set(directory, b, inode_a);
    return end(memory, 0, 0);
}

static int memory_unlink(const struct disk *disk, const char *path)
{
    struct memory_disk *memory = begin(disk);
    if (!find(directory_now(memory), path))
        return end(memory, ENOENT, -1);
    directory_remove(directory_change(memory), path);
    return end(memory, 0, 0);
}

static int memory_clone(const struct disk *disk, int to, int from)
{
    struct memory_disk *memory = begin(disk);
    if (!memory->abilities.clone)
        return end(memory, EOPNOTSUPP, -1);
    const struct inode *source = inode_of(memory, from);
    inode_write(inode_of(memory, to), 0, source->now.data, source->now.size);
    return end(memory, 0, 0);
}

static ssize_t memory_copy_range(const struct disk *disk, int from, off_t from_offset, int to,
                                 off_t to_offset, size_t size)
{
    struct memory_disk *memory = begin(disk);
    if (!memory->abilities.copy_range)
        return end(memory, EXDEV, -1);
    const struct bytes *source = &inode_of(memory, from)->now;
    size_t start = (size_t)from_offset;
    size_t n = start >= source->size         ? 0
               : source->size - start < size ? source->size - start
                                             : size;
    if (n > 0)
        inode_write(inode_of(memory, to), (size_t)to_offset, source->data + start, n);
    pthread_mutex_unlock(&memory->mutex);
    return (ssize_t)n;
}

/* Waits until the owner is nobody (or this one already). */
static int take(struct memory_disk *memory, int *owner, int fd)
{
    while (*owner != 0 && *owner != fd)
        pthread_cond_wait(&memory->unlocked, &memory->mutex);
    *owner = fd;
    return end(memory, 0, 0);
}

static int give(struct memory_disk *memory, int *owner, int fd)
{
    if (*owner == fd)
        *owner = 0;
    pthread_cond_broadcast(&memory->unlocked);
    return end(memory, 0, 0);
}

static int memory_lock(const struct disk *disk, int fd)
{
    struct memory_disk *memory = begin(disk);
    return take(memory, &inode_of(memory, fd)->lock_owner, fd);
}

static int memory_unlock(const struct disk *disk, int fd)
{
    struct memory_disk *memory = begin(disk);
    return give(memory, &inode_of(memory, fd)->lock_owner, fd);
}

static int memory_enter(const struct disk *disk, int fd, off_t byte)
{
    struct memory_disk *memory = begin(disk);
    assert(byte >= 0 && byte < LOCKED_BYTES);
    return take(memory, &inode_of(memory, fd)->byte_owner[byte], fd);
}

static int memory_leave(const struct disk *disk, int fd, off_t byte)
{
    struct memory_disk *memory = begin(disk);
    assert(byte >= 0 && byte < LOCKED_BYTES);
    return give(memory, &inode_of(memory, fd)->byte_owner[byte], fd);
}

static int memory_claim(const struct disk *disk, int fd, off_t byte)
{
    struct memory_disk *memory = begin(disk);
    assert(byte >= 0 && byte < LOCKED_BYTES);
    int *owner = &inode_of(memory, fd)->byte_owner[byte];
    bool mine = *owner == 0 || *owner == fd;
    if (mine)
        *owner = fd;
    return end(memory, mine ? 0 : EAGAIN, 0);
}

static void *memory_map(const struct disk *disk, int fd, size_t size)
{
    struct memory_disk *memory = begin(disk);
    struct inode *inode = inode_of(memory, fd);
    bool fits = inode->now.size >= size;
    inode->pinned = inode->pinned || fits;
    end(memory, fits ? 0 : EINVAL, 0);
    return fits ? inode->now.data : NULL;
}

static void memory_unmap(const struct disk *disk, void *address, size_t size)
{
    (void)disk;
    (void)address;
    (void)size;
}

/* ---- The disk ----------------------------------------------------------------------------- */

struct memory_disk *memory_disk_new(const struct memory_disk_abilities *abilities)
{
    struct memory_disk *memory = need(calloc(1, sizeof *memory));
    memory->table = (struct disk){
        .open = memory_open,
        .close = memory_close,
        .pread = memory_pread,
        .pwrite = memory_pwrite,
        .fsync = memory_fsync,
        .fdatasync = memory_fsync,
        .ftruncate = memory_ftruncate,
        .fstat = memory_fstat,
        .stat = memory_stat,
        .rename = memory_rename,
        .exchange = memory_exchange,
        .unlink = memory_unlink,
        .clone = memory_clone,
        .copy_range = memory_copy_range,
        .lock = memory_lock,
        .unlock = memory_unlock,
        .enter = memory_enter,
        .leave = memory_leave,
        .claim = memory_claim,
        .map = memory_map,
        .unmap = memory_unmap,
        .state = memory,
    };
    memory->abilities = *abilities;
    pthread_mutex_init(&memory->mutex, NULL);
    pthread_cond_init(&memory->unlocked, NULL);
    memory->states = need(calloc(1, sizeof *memory->states));
    memory->state_count = 1;
    return memory;
}

void memory_disk_free(struct memory_disk *memory)
{
    if (!memory)
        return;
    if (memory_disk_descriptors(memory) != 0) {
        fprintf(stderr, "memory disk: descriptors were left open\n");
        abort();
    }
    while (memory->inodes) {
        struct inode *next = memory->inodes->next;
        forget_changes(memory->inodes);
        free(memory->inodes->now.data);
        free(memory->inodes->synced.data);
        free(memory->inodes);
        memory->inodes = next;
    }
    pthread_cond_destroy(&memory->unlocked);
    pthread_mutex_destroy(&memory->mutex);
    free(memory->states);
    free(memory);
}

const struct disk *memory_disk_table(struct memory_disk *memory)
{
    return &memory->table;
}

void memory_disk_set_file(struct memory_disk *memory, const char *path, const void *data,
                          size_t size)
{
    pthread_mutex_lock(&memory->mutex);
    struct inode *inode = inode_new(memory);
    bytes_write(&inode->now, 0, data, size);
    inode_settle(inode);
    directory_set(directory_change(memory), path, inode);
    directory_sync(memory);
    pthread_mutex_unlock(&memory->mutex);
}

uint8_t *memory_disk_get_file(struct memory_disk *memory, const char *path, size_t *size)
{
    pthread_mutex_lock(&memory->mutex);
    const struct inode *inode = find(directory_now(memory), path);
    struct bytes copy = {NULL, 0, 0};
    if (inode) {
        bytes_copy(&copy, &inode->now);
        *size = copy.size;
        if (!copy.data)
            copy.data = need(malloc(1));
    }
    pthread_mutex_unlock(&memory->mutex);
    return copy.data;
}

void memory_disk_lose_next_sync(struct memory_disk *memory)
{
    pthread_mutex_lock(&memory->mutex);
    memory->lose_next_sync = true;
    pthread_mutex_unlock(&memory->mutex);
}

size_t memory_disk_descriptors(struct memory_disk *memory)
{
    size_t count = 0;
    pthread_mutex_lock(&memory->mutex);
    for (int i = 0; i < DESCRIPTORS; i++)
        count += memory->descriptors[i].open;
    pthread_mutex_unlock(&memory->mutex);
    return count;
}

/* ---- Crashes ------------------------------------------------------------------------------ */

void memory_disk_release_locks(struct memory_disk *memory)
{
    pthread_mutex_lock(&memory->mutex);
    for (struct inode *inode = memory->inodes; inode; inode = inode->next)
        inode->lock_owner = 0, memset(inode->byte_owner, 0, sizeof inode->byte_owner);
    pthread_cond_broadcast(&memory->unlocked);
    pthread_mutex_unlock(&memory->mutex);
}

static struct inode *inode_copy(struct memory_disk *to, const struct inode *from)
{
    struct inode *inode = inode_new(to);
    inode->number = from->number;
    bytes_copy(&inode->now, &from->now);
    bytes_copy(&inode->synced, &from->synced);
    for (const struct change *change = from->changes; change; change = change->next)
        log_change(inode, change->offset, change->data, change->size);
    return inode;
}

struct memory_disk *memory_disk_after_kill(struct memory_disk *memory)
{
    struct memory_disk *copy = memory_disk_new(&memory->abilities);
    pthread_mutex_lock(&memory->mutex);
    for (const struct inode *inode = memory->inodes; inode; inode = inode->next)
        inode_copy(copy, inode);
    copy->last_number = memory->last_number;
    free(copy->states);
    copy->state_count = memory->state_count;
    copy->states = need(calloc(copy->state_count, sizeof *copy->states));
    for (size_t i = 0; i < memory->state_count; i++) {
        copy->states[i] = memory->states[i];
        for (size_t j = 0; j < copy->states[i].count; j++) {
            struct inode *inode = copy->inodes;
            while (inode->number != copy->states[i].names[j].inode->number)
                inode = inode->next;
            copy->states[i].names[j].inode = inode;
        }
    }
    pthread_mutex_unlock(&memory->mutex);
    return copy;
}

/* A write of which some blocks reach the disk; its size may reach it in any case. */
static void cut_write(struct bytes *out, const struct change *change,
                      uint64_t (*next_random)(void *arg), void *arg)
{
    const size_t block = 512;
    size_t end = change->offset + change->size;
    for (size_t from = change->offset; from < end;) {
        size_t to = from - from % block + block;
        to = to < end ? to : end;
        if (next_random(arg) % 4 > 0)
            bytes_write(out, from, change->data + (from - change->offset), to - from);
        from = to;
    }
    if (end > out->size && next_random(arg) % 2 > 0)
        bytes_resize(out, end);
}

/* The synced bytes, and some of what was done since. */
static void cut_file(struct bytes *out, const struct inode *inode,
                     uint64_t (*next_random)(void *arg), void *arg)
{
    /* A mapped page is not logged. */
    bytes_copy(out, inode->pinned && next_random(arg) % 2 > 0 ? &inode->now : &inode->synced);
    uint64_t choice = next_random(arg) % 4; /* often all or nothing */
    for (const struct change *change = inode->changes; change && choice > 0; change = change->next)
        switch (choice == 1 ? 1 : next_random(arg) % 3) {
        case 1:
            apply(out, change);
            break;
        case 2:
            if (change->data)
                cut_write(out, change, next_random, arg);
            break;
        default:
            break;
        }
}

struct memory_disk *memory_disk_after_power_cut(struct memory_disk *memory,
                                                uint64_t (*next_random)(void *arg), void *arg)
{
    struct memory_disk *copy = memory_disk_new(&memory->abilities);
    pthread_mutex_lock(&memory->mutex);
    const struct directory *directory = &memory->states[next_random(arg) % memory->state_count];
    for (size_t i = 0; i < directory->count; i++) {
        struct inode *inode = inode_new(copy);
        cut_file(&inode->now, directory->names[i].inode, next_random, arg);
        inode_settle(inode);
        directory_set(directory_now(copy), directory->names[i].path, inode);
    }
    pthread_mutex_unlock(&memory->mutex);
    return copy;
}
