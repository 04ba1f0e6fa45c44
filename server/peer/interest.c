/* SPDX-License-Identifier: MIT */
/* Makes and maps the shared pages. */
#include "server/peer/interest.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)4096)

int peer_interest_make(struct peer_interest **page)
{
    int fd = memfd_create("anystore-interest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    void *place = MAP_FAILED;
    if (ftruncate(fd, (off_t)PAGE_BYTES) == 0)
        place = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (place == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
        if (place != MAP_FAILED)
            munmap(place, PAGE_BYTES);
        close(fd);
        return -1;
    }
    /* From Linux 5.1 on, peers can only read the page. */
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    *page = place;
    return fd;
}

const struct peer_interest *peer_interest_map(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) != 0 ||
        st.st_size < (off_t)PAGE_BYTES)
        return NULL;
    void *place = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    return place == MAP_FAILED ? NULL : place;
}

void peer_interest_unmap(const struct peer_interest *page)
{
    if (page)
        munmap((void *)(uintptr_t)page, PAGE_BYTES);
}
