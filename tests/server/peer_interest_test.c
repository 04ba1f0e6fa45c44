/* SPDX-License-Identifier: MIT */
/* Protects the pages in which servers publish their interests: a peer sees the writes, cannot write
 * itself, accepts nothing else as a page, and nothing stays open where a page cannot be made. */
#include "server/peer/interest.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE_BYTES 4096

static void test_a_peer_sees_what_is_written(void **state)
{
    (void)state;
    struct peer_interest *own = NULL;
    int fd = peer_interest_make(&own);
    assert_true(fd >= 0);
    const struct peer_interest *seen = peer_interest_map(fd);
    assert_non_null(seen);
    assert_int_equal(atomic_load(&seen->names), 0);
    atomic_store(&own->names, 7);
    atomic_store(&own->events, 0x1234);
    assert_int_equal(atomic_load(&seen->names), 7);
    assert_int_equal(atomic_load(&seen->events), 0x1234);
    /* Nobody can take the memory away, and a peer cannot write: it cannot even map it for
     * writing. */
    assert_int_not_equal(ftruncate(fd, 0), 0);
    assert_ptr_equal(mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    peer_interest_unmap(seen);
    peer_interest_unmap(own);
    peer_interest_unmap(NULL);
    close(fd);
}

/* A page that its owner could make shorter would end its readers with SIGBUS. */
static void test_what_is_no_page(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_null(peer_interest_map(ends[0]));
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_null(peer_interest_map(zero));
    assert_null(peer_interest_map(-1));
    int open_memory = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(open_memory, PAGE_BYTES), 0);
    assert_null(peer_interest_map(open_memory));
    assert_int_equal(fcntl(open_memory, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_null(peer_interest_map(open_memory));
    assert_int_equal(fcntl(open_memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    const struct peer_interest *page = peer_interest_map(open_memory);
    assert_non_null(page);
    peer_interest_unmap(page);
    int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(small, PAGE_BYTES - 1), 0);
    assert_int_equal(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_null(peer_interest_map(small));
    const int fds[] = {ends[0], ends[1], zero, open_memory, small};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        close(fds[i]);
}

static void set_limit(__rlimit_resource_t resource, rlim_t value, struct rlimit *before)
{
    assert_int_equal(getrlimit(resource, before), 0);
    struct rlimit limit = {.rlim_cur = value, .rlim_max = before->rlim_max};
    assert_int_equal(setrlimit(resource, &limit), 0);
}

static int lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

static void test_a_page_that_cannot_be_made(void **state)
{
    (void)state;
    struct rlimit before;
    struct peer_interest *own = NULL;
    int lowest = lowest_free();
    set_limit(RLIMIT_NOFILE, (rlim_t)lowest, &before);
    int fd = peer_interest_make(&own);
    int number = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(number, EMFILE);

    signal(SIGXFSZ, SIG_IGN);
    set_limit(RLIMIT_FSIZE, 100, &before);
    fd = peer_interest_make(&own);
    number = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(number, EFBIG);
    assert_null(own);
    assert_int_equal(lowest_free(), lowest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_peer_sees_what_is_written),
        cmocka_unit_test(test_what_is_no_page),
        cmocka_unit_test(test_a_page_that_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
