/* SPDX-License-Identifier: MIT */
/* Repeatable random numbers (splitmix64, Steele et al. 2014: a counter through a mixer). */
#include "tests/client/harness/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

uint64_t random_run_seed(const char *what)
{
    uint64_t seed = 0;
    const char *given = getenv("ANYSTORE_SEED");
    if (given && *given)
        seed = strtoull(given, NULL, 0);
    else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)time(NULL);
    printf("%s: to repeat, set ANYSTORE_SEED=%" PRIu64 "\n", what, seed);
    fflush(stdout);
    return seed;
}

void random_start(struct random *random, uint64_t seed, uint64_t stream)
{
    struct random mixer = {.state = seed ^ (stream * 0xd1342543de82ef95u)};
    random->state = random_next(&mixer);
}

uint64_t random_next(struct random *random)
{
    uint64_t value = random->state += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

uint64_t random_below(struct random *random, uint64_t limit)
{
    return limit ? random_next(random) % limit : 0;
}

bool random_chance(struct random *random, unsigned percent)
{
    return random_below(random, 100) < percent;
}

void random_fill(struct random *random, void *data, size_t size)
{
    uint8_t *to = data;
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)random_next(random);
}
