/* SPDX-License-Identifier: MIT */
/* Tells AddressSanitizer and ThreadSanitizer that another stack is in use now; without sanitizers
 * it does nothing. */
#ifndef TESTS_STORE_POWER_FIBER_SANITIZER_H
#define TESTS_STORE_POWER_FIBER_SANITIZER_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(FIBER_ASAN)
#define FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(FIBER_TSAN)
#define FIBER_TSAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct fiber_sanitizer {
    const void *stack; /* its lowest address */
    size_t size;
    void *state;
};

/* The thread that runs now, on the program's own stack. */
static inline void fiber_sanitizer_first(struct fiber_sanitizer *self)
{
#ifdef FIBER_ASAN
    /* A switch to itself reports where the stack is. */
    void *state;
    __sanitizer_start_switch_fiber(&state, NULL, 0);
    __sanitizer_finish_switch_fiber(state, &self->stack, &self->size);
    __sanitizer_start_switch_fiber(&state, self->stack, self->size);
    __sanitizer_finish_switch_fiber(state, NULL, NULL);
#endif
#ifdef FIBER_TSAN
    self->state = __tsan_get_current_fiber();
#endif
    (void)self;
}

static inline void fiber_sanitizer_new(struct fiber_sanitizer *self, const void *stack, size_t size)
{
    *self = (struct fiber_sanitizer){.stack = stack, .size = size};
#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(stack, size); /* what the last one left there */
#endif
#ifdef FIBER_TSAN
    self->state = __tsan_create_fiber(0);
#endif
}

static inline void fiber_sanitizer_end(struct fiber_sanitizer *self)
{
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(self->state);
#endif
    (void)self;
}

/* Just before a switch; from NULL: that thread will not run again. */
static inline void fiber_sanitizer_leave(struct fiber_sanitizer *from,
                                         const struct fiber_sanitizer *to)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(from ? &from->state : NULL, to->stack, to->size);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(to->state, 0);
#endif
    (void)from;
    (void)to;
}

/* Just after a switch, by the thread that runs now. */
static inline void fiber_sanitizer_arrive(struct fiber_sanitizer *self)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(self->state, NULL, NULL);
#endif
    (void)self;
}

#endif
