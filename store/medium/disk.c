/* SPDX-License-Identifier: MIT */
/* The operating system's table of disk calls, and the few transfers built on any table. */
#include "store/medium/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int system_open(const struct disk *disk, const char *path, int flags, mode_t mode)
{
    (void)disk;
    return open(path, flags | O_CLOEXEC, mode);
}

static int system_close(const struct disk *disk, int fd)
{
    (void)disk;
    return close(fd);
}

static ssize_t system_pread(const struct disk *disk, int fd, void *data, size_t size, off_t offset)
{
    (void)disk;
    return pread(fd, data, size, offset);
}

static ssize_t system_pwrite(const struct disk *disk, int fd, const void *data, size_t size,
                             off_t offset)
{
    (void)disk;
    return pwrite(fd, data, size, offset);
}

static int system_fsync(const struct disk *disk, int fd)
{
    (void)disk;
    return fsync(fd);
}

static int system_fdatasync(const struct disk *disk, int fd)
{
    (void)disk;
    return fdatasync(fd);
}

static int system_ftruncate(const struct disk *disk, int fd, off_t size)
{
    (void)disk;
    return ftruncate(fd, size);
}

static int system_fstat(const struct disk *disk, int fd, struct stat *st)
{
    (void)disk;
    return fstat(fd, st);
}

static int system_stat(const struct disk *disk, const char *path, struct stat *st)
{
    (void)disk;
    return stat(path, st);
}

static int system_rename(const struct disk *disk, const char *from, const char *to)
{
    (void)disk;
    return rename(from, to);
}

static int system_exchange(const struct disk *disk, const char *a, const char *b)
{
    (void)disk;
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int system_unlink(const struct disk *disk, const char *path)
{
    (void)disk;
    return unlink(path);
}

static int system_clone(const struct disk *disk, int to, int from)
{
    (void)disk;
    return ioctl(to, FICLONE, from);
}

static ssize_t system_copy_range(const struct disk *disk, int from, off_t from_offset, int to,
                                 off_t to_offset, size_t size)
{
    (void)disk;
    return copy_file_range(from, &from_offset, to, &to_offset, size, 0);
}

static int system_lock(const struct disk *disk, int fd)
{
    (void)disk;
    return flock(fd, LOCK_EX);
}

static int system_unlock(const struct disk *disk, int fd)
{
    (void)disk;
    return flock(fd, LOCK_UN);
}

static int lock_byte(int fd, int command, off_t byte, short type)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, command, &range);
}

static int system_enter(const struct disk *disk, int fd, off_t byte)
{
    (void)disk;
    return lock_byte(fd, F_OFD_SETLKW, byte, F_WRLCK);
}

static int system_leave(const struct disk *disk, int fd, off_t byte)
{
    (void)disk;
    return lock_byte(fd, F_OFD_SETLK, byte, F_UNLCK);
}

static int system_claim(const struct disk *disk, int fd, off_t byte)
{
    (void)disk;
    return lock_byte(fd, F_OFD_SETLK, byte, F_WRLCK);
}

static int system_alone(const struct disk *disk, int fd)
{
    (void)disk;
    return fcntl(fd, F_SETLEASE, F_WRLCK) == 0 ? fcntl(fd, F_SETLEASE, F_UNLCK) : -1;
}

static void *system_map(const struct disk *disk, int fd, size_t size)
{
    (void)disk;
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return address == MAP_FAILED ? NULL : address;
}

static void system_unmap(const struct disk *disk, void *address, size_t size)
{
    (void)disk;
    munmap(address, size);
}

const struct disk disk_system = {
    .open = system_open,
    .close = system_close,
    .pread = system_pread,
    .pwrite = system_pwrite,
    .fsync = system_fsync,
    .fdatasync = system_fdatasync,
    .ftruncate = system_ftruncate,
    .fstat = system_fstat,
    .stat = system_stat,
    .rename = system_rename,
    .exchange = system_exchange,
    .unlink = system_unlink,
    .clone = system_clone,
    .copy_range = system_copy_range,
    .lock = system_lock,
    .unlock = system_unlock,
    .enter = system_enter,
    .leave = system_leave,
    .claim = system_claim,
    .alone = system_alone,
    .map = system_map,
    .unmap = system_unmap,
    .state = NULL,
};

bool disk_read_exact(const struct disk *disk, int fd, void *data, size_t size, off_t offset)
{
    uint8_t *p = data;
    while (size > 0) {
        ssize_t n = disk->pread(disk, fd, p, size, offset);
        if (n == 0) {
            errno = ENODATA;
            return false;
        }
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        p += n;
        size -= (size_t)n;
        offset += n;
    }
    return true;
}

bool disk_write_exact(const struct disk *disk, int fd, const void *data, size_t size, off_t offset)
{
    const uint8_t *p = data;
    while (size > 0) {
        ssize_t n = disk->pwrite(disk, fd, p, size, offset);
        if (n == 0) {
            errno = EIO; /* a file never does that; waiting for more would be in vain */
            return false;
        }
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        p += n;
        size -= (size_t)n;
        offset += n;
    }
    return true;
}

static bool read_bytes(const struct byte_file *file, void *data, size_t size, uint64_t offset)
{
    return disk_read_exact(file->medium, file->fd, data, size, (off_t)offset);
}

static bool write_bytes(const struct byte_file *file, const void *data, size_t size,
                        uint64_t offset)
{
    return disk_write_exact(file->medium, file->fd, data, size, (off_t)offset);
}

struct byte_file disk_file(const struct disk *disk, int fd, const char *path)
{
    return (struct byte_file){
        .read = read_bytes, .write = write_bytes, .medium = disk, .fd = fd, .path = path};
}

bool disk_sync_directory_of(const struct disk *disk, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory =
        slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!directory)
        return false;
    int fd = disk->open(disk, directory, O_RDONLY | O_DIRECTORY, 0);
    free(directory);
    if (fd < 0)
        return false;
    int result = disk->fsync(disk, fd);
    int number = errno;
    disk->close(disk, fd);
    errno = number;
    return result == 0;
}

bool disk_append(const struct disk *disk, int from, int to, off_t offset, off_t end)
{
    const size_t most = (size_t)1 << 20;
    const size_t piece = end - offset < (off_t)most ? (size_t)(end - offset) : most;
    if (offset >= end)
        return true;
    uint8_t *data = malloc(piece);
    if (!data)
        return false;
    bool ok = true;
    while (ok && offset < end) {
        size_t n = end - offset < (off_t)piece ? (size_t)(end - offset) : piece;
        ok = disk_read_exact(disk, from, data, n, offset) &&
             disk_write_exact(disk, to, data, n, offset);
        offset += (off_t)n;
    }
    int number = errno;
    free(data);
    errno = number;
    return ok;
}

bool disk_copy(const struct disk *disk, int from, int to, off_t size, const char **method)
{
    *method = "clone";
    if (disk->clone(disk, to, from) == 0)
        return disk->ftruncate(disk, to, size) == 0;
    *method = "copy_file_range";
    off_t offset = 0;
    while (offset < size) {
        ssize_t n = disk->copy_range(disk, from, offset, to, offset, (size_t)(size - offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* not between these files; read and write, and errno says what fails */
        offset += n;
    }
    if (offset < size) {
        *method = "read/write";
        return disk_append(disk, from, to, offset, size);
    }
    return true;
}
