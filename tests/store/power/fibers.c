/* SPDX-License-Identifier: MIT */
/* Threads that take turns, in place of the system's. */
#include "tests/store/power/fibers.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "tests/store/power/fiber_sanitizer.h"

#define FIBERS_MOST 64
#define STACK_BYTES ((size_t)192 << 10)
#define GUARD_BYTES ((size_t)4096)

enum state { FREE, READY, WAITING, DONE };

struct fiber {
    enum state state;
    unsigned group, depth;
    const void *waits_for;
    bool timed, timed_out;
    volatile bool away; /* between the two returns of getcontext */
    uint64_t deadline_ns;
    ucontext_t context;
    void *stack; /* kept for the next one in this place; the first has the program's */
    struct fiber_sanitizer sanitizer;
    int number; /* errno */
    void *(*fn)(void *arg);
    void *arg, *result;
};

/* One for the program, as it replaces the system's scheduler. */
static struct {
    bool begun;
    struct fiber fibers[FIBERS_MOST];
    struct fiber *running;
    unsigned depth, rarely;
    bool frozen[FIBERS_GROUPS];
    uint64_t random, now_ns, counts[FIBERS_GROUPS];
    void (*on_moment)(void *arg);
    void *moment_arg;
} all;

static void fail(const char *why)
{
    fprintf(stderr, "fibers: %s\n", why);
    abort();
}

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ---- Who runs ----------------------------------------------------------------------------- */

static bool may_run(const struct fiber *fiber)
{
    return fiber->state == READY && fiber->depth == all.depth && !all.frozen[fiber->group];
}

/* Like swapcontext, of which AddressSanitizer complains.  Returns when `from` runs again. */
static __attribute__((noinline)) void swap(struct fiber *from, struct fiber *to)
{
    from->away = true;
    if (getcontext(&from->context) != 0)
        fail("no context");
    if (!from->away)
        return;
    from->away = false;
    setcontext(&to->context);
    fail("no switch");
}

static void switch_to(struct fiber *to)
{
    struct fiber *from = all.running;
    if (to == from)
        return;
    from->number = errno;
    all.running = to;
    fiber_sanitizer_leave(from->state == DONE ? NULL : &from->sanitizer, &to->sanitizer);
    swap(from, to);
    fiber_sanitizer_arrive(&from->sanitizer);
    errno = from->number;
}

/* Moves the time on to the first moment that a thread waits for. */
static void pass_time(void)
{
    struct fiber *first = NULL;
    for (struct fiber *fiber = all.fibers; fiber < all.fibers + FIBERS_MOST; fiber++)
        if (fiber->state == WAITING && fiber->timed && fiber->depth == all.depth &&
            !all.frozen[fiber->group] && (!first || fiber->deadline_ns < first->deadline_ns))
            first = fiber;
    if (!first)
        fail("all threads wait");
    if (first->deadline_ns > all.now_ns)
        all.now_ns = first->deadline_ns;
    first->state = READY;
    first->timed_out = true;
}

static struct fiber *next_fiber(void)
{
    struct fiber *ready[FIBERS_MOST];
    for (;;) {
        size_t count = 0;
        for (struct fiber *fiber = all.fibers; fiber < all.fibers + FIBERS_MOST; fiber++)
            if (may_run(fiber))
                ready[count++] = fiber;
        if (count > 0 && all.depth > 0)
            return ready[0];
        if (count > 0)
            return ready[(all.random = mix(all.random)) % count];
        pass_time();
    }
}

static void wait_for(const void *what)
{
    all.running->state = WAITING;
    all.running->waits_for = what;
    all.running->timed_out = false;
    switch_to(next_fiber());
}

static void wake(const void *what, bool only_one)
{
    for (struct fiber *fiber = all.fibers; fiber < all.fibers + FIBERS_MOST; fiber++)
        if (fiber->state == WAITING && fiber->waits_for == what) {
            fiber->state = READY;
            if (only_one)
                return;
        }
}

/* ---- The interface ------------------------------------------------------------------------ */

void fibers_begin(uint64_t seed)
{
    if (!all.begun) {
        all.begun = true;
        all.running = all.fibers;
        all.running->state = READY;
        fiber_sanitizer_first(&all.running->sanitizer);
    }
    for (struct fiber *fiber = all.fibers; fiber < all.fibers + FIBERS_MOST; fiber++)
        if (fiber->state != FREE && fiber != all.running)
            fail("threads are left");
    all.random = seed;
    all.rarely = 1;
    all.now_ns = UINT64_C(1000000) * 1000000000;
    memset(all.counts, 0, sizeof all.counts);
    memset(all.frozen, 0, sizeof all.frozen);
}

void fibers_set_rarely(unsigned rarely)
{
    all.rarely = rarely;
}

void fibers_set_on_moment(void (*on_moment)(void *arg), void *arg)
{
    all.on_moment = on_moment;
    all.moment_arg = arg;
}

void fibers_set_group(unsigned group)
{
    if (group >= FIBERS_GROUPS)
        fail("too many groups");
    all.running->group = group;
}

void fibers_freeze(unsigned group)
{
    all.frozen[group] = true;
    if (!may_run(all.running))
        switch_to(next_fiber());
}

void fibers_thaw(unsigned group)
{
    all.frozen[group] = false;
}

struct fibers_entry fibers_enter(void)
{
    struct fibers_entry entry = {all.now_ns, all.counts[0], all.running->group, all.depth};
    all.depth++;
    all.running->depth = all.depth;
    all.running->group = 0;
    all.counts[0] = 0;
    return entry;
}

void fibers_leave(const struct fibers_entry *entry)
{
    all.depth = entry->depth;
    all.running->depth = entry->depth;
    all.running->group = entry->group;
    all.counts[0] = entry->count;
    all.now_ns = entry->now_ns;
}

void fibers_pause(void)
{
    if (!all.begun || all.depth > 0)
        return;
    int number = errno;
    if (all.on_moment) {
        struct fibers_entry entry = fibers_enter();
        all.on_moment(all.moment_arg);
        fibers_leave(&entry);
    }
    if ((all.random = mix(all.random)) % all.rarely == 0 || !may_run(all.running))
        switch_to(next_fiber());
    errno = number;
}

/* ---- Threads ------------------------------------------------------------------------------ */

/* The functions that the linker puts in place of the system's. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_RAND_bytes(unsigned char *bytes, int count);

static void run_fiber(void)
{
    struct fiber *self = all.running;
    fiber_sanitizer_arrive(&self->sanitizer);
    self->result = self->fn(self->arg);
    self->state = DONE;
    wake(self, false);
    switch_to(next_fiber());
    fail("a thread that had ended goes on");
}

static struct fiber *free_fiber(void)
{
    for (struct fiber *fiber = all.fibers; fiber < all.fibers + FIBERS_MOST; fiber++)
        if (fiber->state == FREE)
            return fiber;
    fail("too many threads");
    return NULL;
}

static void make_context(struct fiber *fiber)
{
    if (getcontext(&fiber->context) != 0)
        fail("no context");
    fiber->context.uc_stack.ss_sp = (char *)fiber->stack + GUARD_BYTES;
    fiber->context.uc_stack.ss_size = STACK_BYTES - GUARD_BYTES;
    fiber->context.uc_link = NULL;
    fiber_sanitizer_new(&fiber->sanitizer, fiber->context.uc_stack.ss_sp,
                        fiber->context.uc_stack.ss_size);
    makecontext(&fiber->context, run_fiber, 0);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg)
{
    (void)attributes;
    struct fiber *fiber = free_fiber();
    if (!fiber->stack) {
        fiber->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (fiber->stack == MAP_FAILED || mprotect(fiber->stack, GUARD_BYTES, PROT_NONE) != 0)
            fail("no stack");
    }
    make_context(fiber);
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->group = all.running->group;
    fiber->depth = all.depth;
    fiber->state = READY;
    *thread = (pthread_t)(fiber - all.fibers);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    struct fiber *fiber = &all.fibers[thread];
    while (fiber->state != DONE)
        wait_for(fiber);
    if (result)
        *result = fiber->result;
    fiber_sanitizer_end(&fiber->sanitizer);
    fiber->state = FREE;
    return 0;
}

/* ---- Locks: their first word is the state -------------------------------------------------- */

static int word_of(const void *lock)
{
    int word;
    memcpy(&word, lock, sizeof word);
    return word;
}

static void set_word(void *lock, int word)
{
    memcpy(lock, &word, sizeof word);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    while (word_of(mutex) != 0)
        wait_for(mutex);
    set_word(mutex, 1);
    return 0;
}

static void unlock(pthread_mutex_t *mutex)
{
    set_word(mutex, 0);
    wake(mutex, false);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    unlock(mutex);
    fibers_pause();
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    unlock(mutex);
    wait_for(cond);
    return __wrap_pthread_mutex_lock(mutex);
}

static bool wait_until(const void *what, uint64_t deadline_ns)
{
    struct fiber *self = all.running;
    self->timed = true;
    self->deadline_ns = deadline_ns;
    wait_for(what);
    self->timed = false;
    return self->timed_out;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    uint64_t deadline_ns = (uint64_t)until->tv_sec * 1000000000 + (uint64_t)until->tv_nsec;
    unlock(mutex);
    bool timed_out = wait_until(cond, deadline_ns);
    __wrap_pthread_mutex_lock(mutex);
    return timed_out ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    wake(cond, true);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    wake(cond, false);
    return 0;
}

/* -1: one writer; else the number of readers. */
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    while (word_of(lock) < 0)
        wait_for(lock);
    set_word(lock, word_of(lock) + 1);
    return 0;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    while (word_of(lock) != 0)
        wait_for(lock);
    set_word(lock, -1);
    return 0;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    int word = word_of(lock);
    set_word(lock, word < 0 ? 0 : word - 1);
    wake(lock, false);
    return 0;
}

/* ---- Time and chance ---------------------------------------------------------------------- */

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    wait_until(time, all.now_ns + (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec);
    return 0;
}

/* All clocks are one. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (!all.begun)
        return __real_clock_gettime(clock, time);
    time->tv_sec = (time_t)(all.now_ns / 1000000000);
    time->tv_nsec = (long)(all.now_ns % 1000000000);
    return 0;
}

int __wrap_RAND_bytes(unsigned char *bytes, int count)
{
    unsigned group = all.begun ? all.running->group : 0;
    uint64_t seed = mix(mix(group) + all.counts[group]++);
    for (int i = 0; i < count; i++) {
        if (i % 8 == 0)
            seed = mix(seed);
        bytes[i] = (unsigned char)(seed >> (i % 8 * 8));
    }
    return 1;
}
