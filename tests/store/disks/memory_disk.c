/* SPDX-License-Identifier: MIT */
/* A disk in memory: its table of calls, and how one is made. */
#include "tests/store/disks/memory_disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/store/disks/memory_internal.h"

/* Open descriptors start here, so that a system descriptor used by mistake is noticed. */
#define FIRST_DESCRIPTOR 1000000

/* ---- The table of calls ------------------------------------------------------------------- */

static const struct memory_client *client_of(const struct disk *disk)
{
    return disk->state;
}

static struct memory_disk *begin(const struct disk *disk)
{
    struct memory_disk *memory = client_of(disk)->memory;
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
    if (i < 0 || i >= MEMORY_DESCRIPTORS || !memory->descriptors[i].open) {
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
    while (fd < MEMORY_DESCRIPTORS && memory->descriptors[fd].open)
        fd++;
    if (fd == MEMORY_DESCRIPTORS)
        return end(memory, EMFILE, -1);
    bool directory = (flags & O_DIRECTORY) != 0;
    struct inode *inode = directory ? NULL : directory_find(&memory->now, path);
    if (inode && (flags & O_EXCL))
        return end(memory, EEXIST, -1);
    if (!inode && !directory) {
        if (!(flags & O_CREAT))
            return end(memory, ENOENT, -1);
        inode = inode_new(memory);
        directory_change(memory, path, inode, NULL, NULL);
    }
    memory->descriptors[fd].open = true;
    memory->descriptors[fd].directory = directory;
    memory->descriptors[fd].inode = inode;
    memory->descriptors[fd].client = client_of(disk);
    return end(memory, 0, fd + FIRST_DESCRIPTOR);
}

/* Gives back what a descriptor holds. */
static void release(struct memory_disk *memory, int fd)
{
    struct inode *inode = inode_of(memory, fd);
    if (inode && inode->lock_owner == fd)
        inode->lock_owner = 0;
    for (size_t i = 0; inode && i < MEMORY_LOCKED_BYTES; i++)
        if (inode->byte_owner[i] == fd)
            inode->byte_owner[i] = 0;
    pthread_cond_broadcast(&memory->unlocked);
}

static int memory_close(const struct disk *disk, int fd)
{
    struct memory_disk *memory = begin(disk);
    release(memory, fd);
    memory->descriptors[fd - FIRST_DESCRIPTOR].open = false;
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
    memory->changes++;
    pthread_mutex_unlock(&memory->mutex);
    return (ssize_t)size;
}

/* Whether a sync of the file (NULL: of the directory) is left out. */
static bool is_omitted(const struct memory_disk *memory, const struct inode *inode)
{
    const char *omitted = memory->omitted;
    if (!omitted || !inode)
        return omitted && strcmp(omitted, "/") == 0;
    for (size_t i = 0; i < memory->now.count; i++) {
        const char *path = memory->now.names[i].path;
        size_t size = strlen(path), tail = strlen(omitted);
        if (memory->now.names[i].inode == inode && size >= tail &&
            strcmp(path + size - tail, omitted) == 0)
            return true;
    }
    return false;
}

static int memory_fsync(const struct disk *disk, int fd)
{
    struct memory_disk *memory = begin(disk);
    struct inode *inode = inode_of(memory, fd);
    if (is_omitted(memory, inode))
        return end(memory, 0, 0);
    memory->changes++;
    if (memory->lose_next_sync) {
        memory->lose_next_sync = false;
        if (inode)
            inode_forget_changes(inode);
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
    inode_truncate(inode_of(memory, fd), (size_t)size);
    memory->changes++;
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
    const struct inode *inode = directory_find(&memory->now, path);
    if (!inode)
        return end(memory, ENOENT, -1);
    fill_stat(inode, st);
    return end(memory, 0, 0);
}

static int memory_rename(const struct disk *disk, const char *from, const char *to)
{
    struct memory_disk *memory = begin(disk);
    struct inode *inode = directory_find(&memory->now, from);
    if (!inode)
        return end(memory, ENOENT, -1);
    directory_change(memory, to, inode, from, NULL);
    return end(memory, 0, 0);
}

static int memory_exchange(const struct disk *disk, const char *a, const char *b)
{
    struct memory_disk *memory = begin(disk);
    if (!memory->abilities.exchange)
        return end(memory, EINVAL, -1);
    struct inode *inode_a = directory_find(&memory->now, a);
    struct inode *inode_b = directory_find(&memory->now, b);
    if (!inode_a || !inode_b)
        return end(memory, ENOENT, -1);
    directory_change(memory, a, inode_b, b, inode_a);
    return end(memory, 0, 0);
}

static int memory_unlink(const struct disk *disk, const char *path)
{
    struct memory_disk *memory = begin(disk);
    if (!directory_find(&memory->now, path))
        return end(memory, ENOENT, -1);
    directory_change(memory, path, NULL, NULL, NULL);
    return end(memory, 0, 0);
}

static int memory_clone(const struct disk *disk, int to, int from)
{
    struct memory_disk *memory = begin(disk);
    if (!memory->abilities.clone)
        return end(memory, EOPNOTSUPP, -1);
    const struct inode *source = inode_of(memory, from);
    inode_write(inode_of(memory, to), 0, source->now.data, source->now.size);
    memory->changes++;
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
    memory->changes += n > 0;
    pthread_mutex_unlock(&memory->mutex);
    return (ssize_t)n;
}

/* Waits until there is no owner (or this one is it already). */
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
    assert(byte >= 0 && byte < MEMORY_LOCKED_BYTES);
    return take(memory, &inode_of(memory, fd)->byte_owner[byte], fd);
}

static int memory_leave(const struct disk *disk, int fd, off_t byte)
{
    struct memory_disk *memory = begin(disk);
    assert(byte >= 0 && byte < MEMORY_LOCKED_BYTES);
    return give(memory, &inode_of(memory, fd)->byte_owner[byte], fd);
}

/* Files without a name are of no interest here. */
static int memory_alone(const struct disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    errno = EAGAIN;
    return -1;
}

static int memory_claim(const struct disk *disk, int fd, off_t byte)
{
    struct memory_disk *memory = begin(disk);
    assert(byte >= 0 && byte < MEMORY_LOCKED_BYTES);
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

static void client_init(struct memory_client *client, struct memory_disk *memory)
{
    client->memory = memory;
    client->table = (struct disk){
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
        .alone = memory_alone,
        .map = memory_map,
        .unmap = memory_unmap,
        .state = client,
    };
}

struct memory_disk *memory_disk_new(const struct memory_disk_abilities *abilities)
{
    struct memory_disk *memory = memory_need(calloc(1, sizeof *memory));
    for (size_t i = 0; i < MEMORY_CLIENTS; i++)
        client_init(&memory->clients[i], memory);
    memory->abilities = *abilities;
    pthread_mutex_init(&memory->mutex, NULL);
    pthread_cond_init(&memory->unlocked, NULL);
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
        inode_free(memory->inodes);
        memory->inodes = next;
    }
    pthread_cond_destroy(&memory->unlocked);
    pthread_mutex_destroy(&memory->mutex);
    free(memory->steps);
    free(memory);
}

const struct disk *memory_disk_table(struct memory_disk *memory)
{
    return memory_disk_client(memory, 0);
}

const struct disk *memory_disk_client(struct memory_disk *memory, unsigned client)
{
    assert(client < MEMORY_CLIENTS);
    return &memory->clients[client].table;
}

void memory_disk_set_file(struct memory_disk *memory, const char *path, const void *data,
                          size_t size)
{
    pthread_mutex_lock(&memory->mutex);
    struct inode *inode = inode_new(memory);
    bytes_write(&inode->now, 0, data, size);
    inode_settle(inode);
    directory_set(&memory->now, path, inode);
    directory_sync(memory);
    pthread_mutex_unlock(&memory->mutex);
}

uint8_t *memory_disk_get_file(struct memory_disk *memory, const char *path, size_t *size)
{
    pthread_mutex_lock(&memory->mutex);
    const struct inode *inode = directory_find(&memory->now, path);
    struct bytes copy = {NULL, 0, 0};
    if (inode) {
        bytes_copy(&copy, &inode->now);
        *size = copy.size;
        if (!copy.data)
            copy.data = memory_need(malloc(1));
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

void memory_disk_omit_syncs(struct memory_disk *memory, const char *names)
{
    pthread_mutex_lock(&memory->mutex);
    memory->omitted = names;
    pthread_mutex_unlock(&memory->mutex);
}

void memory_disk_settle(struct memory_disk *memory)
{
    pthread_mutex_lock(&memory->mutex);
    for (struct inode *inode = memory->inodes; inode; inode = inode->next)
        inode_settle(inode);
    directory_sync(memory);
    pthread_mutex_unlock(&memory->mutex);
}

uint64_t memory_disk_changes(struct memory_disk *memory)
{
    pthread_mutex_lock(&memory->mutex);
    uint64_t changes = memory->changes;
    for (const struct inode *inode = memory->inodes; inode; inode = inode->next)
        if (inode->pinned) /* the mark: it only grows */
            changes +=
                __atomic_load_n((const uint64_t *)(const void *)inode->now.data, __ATOMIC_ACQUIRE) *
                UINT64_C(0x9e3779b97f4a7c15);
    pthread_mutex_unlock(&memory->mutex);
    return changes;
}

size_t memory_disk_descriptors(struct memory_disk *memory)
{
    size_t count = 0;
    pthread_mutex_lock(&memory->mutex);
    for (int i = 0; i < MEMORY_DESCRIPTORS; i++)
        count += memory->descriptors[i].open;
    pthread_mutex_unlock(&memory->mutex);
    return count;
}

void memory_disk_release_locks(struct memory_disk *memory, unsigned client)
{
    pthread_mutex_lock(&memory->mutex);
    for (int i = 0; i < MEMORY_DESCRIPTORS; i++)
        if (memory->descriptors[i].open &&
            memory->descriptors[i].client == &memory->clients[client])
            release(memory, FIRST_DESCRIPTOR + i);
    pthread_mutex_unlock(&memory->mutex);
}
