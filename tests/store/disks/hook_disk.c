/* SPDX-License-Identifier: MIT */
/* A disk that can be told to fail. */
#include "tests/store/disks/hook_disk.h"

#include <errno.h>

static struct hook_disk *hook_of(const struct disk *disk)
{
    return disk->state;
}

/* False, with errno set, if the call fails; *part tells whether it transfers less. */
static bool goes_on(const struct disk *disk, enum hook_call call, bool *part)
{
    struct hook_disk *hook = hook_of(disk);
    int number = hook->on_call ? hook->on_call(hook, call) : 0;
    if (part)
        *part = number == HOOK_SHORT;
    if (number <= 0)
        return true;
    errno = number;
    return false;
}

static size_t size_of(bool part, size_t size)
{
    return part && size > 1 ? size / 2 : size;
}

/* The end of a call that does its work even if it fails. */
static int done(const struct disk *disk, enum hook_call call, int result)
{
    int number = errno;
    if (!goes_on(disk, call, NULL))
        return -1;
    errno = number;
    return result;
}

#define UNDER(disk) (hook_of(disk)->under)

static int hook_open(const struct disk *disk, const char *path, int flags, mode_t mode)
{
    return goes_on(disk, HOOK_OPEN, NULL) ? UNDER(disk)->open(UNDER(disk), path, flags, mode) : -1;
}

static int hook_close(const struct disk *disk, int fd)
{
    return done(disk, HOOK_CLOSE, UNDER(disk)->close(UNDER(disk), fd));
}

static ssize_t hook_pread(const struct disk *disk, int fd, void *data, size_t size, off_t offset)
{
    bool part;
    if (!goes_on(disk, HOOK_PREAD, &part))
        return -1;
    return UNDER(disk)->pread(UNDER(disk), fd, data, size_of(part, size), offset);
}

static ssize_t hook_pwrite(const struct disk *disk, int fd, const void *data, size_t size,
                           off_t offset)
{
    bool part;
    if (!goes_on(disk, HOOK_PWRITE, &part))
        return -1;
    return UNDER(disk)->pwrite(UNDER(disk), fd, data, size_of(part, size), offset);
}

static int hook_fsync(const struct disk *disk, int fd)
{
    return goes_on(disk, HOOK_FSYNC, NULL) ? UNDER(disk)->fsync(UNDER(disk), fd) : -1;
}

static int hook_fdatasync(const struct disk *disk, int fd)
{
    return goes_on(disk, HOOK_FSYNC, NULL) ? UNDER(disk)->fdatasync(UNDER(disk), fd) : -1;
}

static int hook_ftruncate(const struct disk *disk, int fd, off_t size)
{
    return goes_on(disk, HOOK_FTRUNCATE, NULL) ? UNDER(disk)->ftruncate(UNDER(disk), fd, size) : -1;
}

static int hook_fstat(const struct disk *disk, int fd, struct stat *st)
{
    return goes_on(disk, HOOK_FSTAT, NULL) ? UNDER(disk)->fstat(UNDER(disk), fd, st) : -1;
}

static int hook_stat(const struct disk *disk, const char *path, struct stat *st)
{
    return goes_on(disk, HOOK_STAT, NULL) ? UNDER(disk)->stat(UNDER(disk), path, st) : -1;
}

static int hook_rename(const struct disk *disk, const char *from, const char *to)
{
    return goes_on(disk, HOOK_RENAME, NULL) ? UNDER(disk)->rename(UNDER(disk), from, to) : -1;
}

static int hook_exchange(const struct disk *disk, const char *a, const char *b)
{
    return goes_on(disk, HOOK_EXCHANGE, NULL) ? UNDER(disk)->exchange(UNDER(disk), a, b) : -1;
}

static int hook_unlink(const struct disk *disk, const char *path)
{
    return goes_on(disk, HOOK_UNLINK, NULL) ? UNDER(disk)->unlink(UNDER(disk), path) : -1;
}

static int hook_clone(const struct disk *disk, int to, int from)
{
    return goes_on(disk, HOOK_CLONE, NULL) ? UNDER(disk)->clone(UNDER(disk), to, from) : -1;
}

static ssize_t hook_copy_range(const struct disk *disk, int from, off_t from_offset, int to,
                               off_t to_offset, size_t size)
{
    bool part;
    if (!goes_on(disk, HOOK_COPY_RANGE, &part))
        return -1;
    return UNDER(disk)->copy_range(UNDER(disk), from, from_offset, to, to_offset,
                                   size_of(part, size));
}

static int hook_lock(const struct disk *disk, int fd)
{
    return goes_on(disk, HOOK_LOCK, NULL) ? UNDER(disk)->lock(UNDER(disk), fd) : -1;
}

static int hook_unlock(const struct disk *disk, int fd)
{
    return done(disk, HOOK_UNLOCK, UNDER(disk)->unlock(UNDER(disk), fd));
}

static int hook_enter(const struct disk *disk, int fd, off_t byte)
{
    return goes_on(disk, HOOK_ENTER, NULL) ? UNDER(disk)->enter(UNDER(disk), fd, byte) : -1;
}

static int hook_leave(const struct disk *disk, int fd, off_t byte)
{
    return done(disk, HOOK_LEAVE, UNDER(disk)->leave(UNDER(disk), fd, byte));
}

static int hook_claim(const struct disk *disk, int fd, off_t byte)
{
    return goes_on(disk, HOOK_CLAIM, NULL) ? UNDER(disk)->claim(UNDER(disk), fd, byte) : -1;
}

static int hook_alone(const struct disk *disk, int fd)
{
    return goes_on(disk, HOOK_ALONE, NULL) ? UNDER(disk)->alone(UNDER(disk), fd) : -1;
}

static void *hook_map(const struct disk *disk, int fd, size_t size)
{
    return goes_on(disk, HOOK_MAP, NULL) ? UNDER(disk)->map(UNDER(disk), fd, size) : NULL;
}

static void hook_unmap(const struct disk *disk, void *address, size_t size)
{
    goes_on(disk, HOOK_UNMAP, NULL);
    UNDER(disk)->unmap(UNDER(disk), address, size);
}

void hook_disk_init(struct hook_disk *hook, const struct disk *under)
{
    *hook = (struct hook_disk){
        .table =
            {
                .open = hook_open,
                .close = hook_close,
                .pread = hook_pread,
                .pwrite = hook_pwrite,
                .fsync = hook_fsync,
                .fdatasync = hook_fdatasync,
                .ftruncate = hook_ftruncate,
                .fstat = hook_fstat,
                .stat = hook_stat,
                .rename = hook_rename,
                .exchange = hook_exchange,
                .unlink = hook_unlink,
                .clone = hook_clone,
                .copy_range = hook_copy_range,
                .lock = hook_lock,
                .unlock = hook_unlock,
                .enter = hook_enter,
                .leave = hook_leave,
                .claim = hook_claim,
                .alone = hook_alone,
                .map = hook_map,
                .unmap = hook_unmap,
                .state = hook,
            },
        .under = under,
    };
}

const char *hook_call_name(enum hook_call call)
{
    static const char *const names[] = {
        [HOOK_OPEN] = "open",         [HOOK_CLOSE] = "close",   [HOOK_PREAD] = "pread",
        [HOOK_PWRITE] = "pwrite",     [HOOK_FSYNC] = "fsync",   [HOOK_FTRUNCATE] = "ftruncate",
        [HOOK_FSTAT] = "fstat",       [HOOK_STAT] = "stat",     [HOOK_RENAME] = "rename",
        [HOOK_EXCHANGE] = "exchange", [HOOK_UNLINK] = "unlink", [HOOK_CLONE] = "clone",
        [HOOK_COPY_RANGE] = "copy",   [HOOK_LOCK] = "lock",     [HOOK_UNLOCK] = "unlock",
        [HOOK_ENTER] = "enter",       [HOOK_LEAVE] = "leave",   [HOOK_CLAIM] = "claim",
        [HOOK_ALONE] = "alone",       [HOOK_MAP] = "map",       [HOOK_UNMAP] = "unmap",
    };
    return names[call];
}
