/* SPDX-License-Identifier: MIT */
/* A moment of a power run: opens what could be left now and compares it with the model. */
#include "tests/store/power/internal.h"

static uint64_t next_random(void *arg)
{
    return support_random_next(arg);
}

/* Why an image must not exist; NULL: it may. */
static const char *what_is_wrong(const struct run *run, const struct power_image *image)
{
    if (run->opened && !image->existed)
        return "the data file is gone";
    if (image->state.n < 0)
        return "the store does not open";
    if (image->state.n < run->least)
        return "an update is lost that was acknowledged or read";
    if (!power_history_has(&run->history, &image->state))
        return "what is left is nothing that was tried";
    return NULL;
}

static void check(struct run *run, uint64_t hash, const struct memory_cut *cut)
{
    const struct power_image *image = power_images_open(run->images, hash, cut);
    const char *wrong = what_is_wrong(run, image);
    run->totals->crashes++;
    run->totals->digest = (run->totals->digest ^ hash) * UINT64_C(0x9fb21c651e98df25);
    if (!wrong)
        return;
    if (!run->plan->omitted)
        power_fail(run, "%s: %ld of %ld, in call %llu of life %u", wrong, image->state.n,
                   run->least, (unsigned long long)run->calls, run->life);
    run->totals->losses++;
}

static void check_all(struct run *run, struct memory_cut *cut)
{
    bool complete;
    uint64_t count = memory_cut_count(cut, &complete);
    check(run, memory_cut_choose_newest(cut), cut);
    if (run->plan->kills_only)
        return;
    bool full = count > 0 && count <= run->plan->images_most;
    run->totals->full_moments += full && complete;
    for (uint64_t i = 0; i < (full ? count : run->plan->images_most); i++) {
        uint64_t index = i;
        if (!full)
            index = support_random_next(&run->random) % (count > 0 ? count : UINT64_C(1) << 62);
        check(run, memory_cut_choose(cut, index), cut);
    }
}

static struct memory_cut *begin_cut(struct run *run)
{
    return memory_cut_new(run->memory, run->plan->file_most, next_random, &run->random);
}

void power_moment(void *arg)
{
    struct run *run = arg;
    uint64_t changes = memory_disk_changes(run->memory);
    if (run->over || (changes == run->changes && run->least == run->looked_least &&
                      run->opened == run->looked_opened))
        return;
    run->changes = changes;
    run->looked_least = run->least;
    run->looked_opened = run->opened;
    run->totals->moments++;
    struct memory_cut *cut = begin_cut(run);
    check_all(run, cut);
    memory_cut_free(cut);
}

/* One of the images is what the next life begins with. */
static void cut_the_power(struct run *run)
{
    bool complete;
    struct memory_cut *cut = begin_cut(run);
    uint64_t count = memory_cut_count(cut, &complete);
    uint64_t index = support_random_next(&run->random) % (count > 0 ? count : UINT64_C(1) << 62);
    uint64_t hash = memory_cut_choose(cut, index);
    check(run, hash, cut);
    const struct power_image *image = power_images_open(run->images, hash, cut);
    run->next = memory_cut_disk(cut);
    memory_cut_free(cut);
    run->totals->cuts++;
    run->opened = image->existed;
    run->least = image->state.n;
    power_history_begin(&run->history, &image->state);
}

void power_end_life(struct run *run)
{
    if (run->plan->kills_only || support_random_below(&run->random, 3) == 0)
        run->next = memory_disk_after_kill(run->memory);
    else
        cut_the_power(run);
    run->over = true;
}
