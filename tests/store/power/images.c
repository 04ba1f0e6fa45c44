/* SPDX-License-Identifier: MIT */
/* Opens the remains of a crash, each image once. */
#include "tests/store/power/images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/store.h"
#include "tests/store/power/fibers.h"
#include "tests/store/support.h"

struct anystore *power_open(const struct disk *disk, enum anystore_fsync fsync,
                            struct anystore_error *error)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = POWER_PATH, .key = key, .fsync = fsync};
    struct anystore *store = store_open_on_disk(&options, disk, error);
    anystore_key_free(key);
    return store;
}

static struct power_state look(struct anystore *store)
{
    struct power_state state = {-1, 0};
    struct anystore_error error;
    if (anystore_view(store, power_look, &state, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
    return state;
}

/* One more update, and another process that sees it. */
static void go_on(struct anystore *store, const struct disk *disk)
{
    struct anystore_error error;
    struct power_update update = {.process = 9, .size = 20};
    if (anystore_update(store, power_raise, &update, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
    struct anystore *again = power_open(disk, ANYSTORE_FSYNC_ALWAYS, &error);
    assert_non_null(again);
    struct power_state state = look(again);
    assert_int_equal(state.n, update.state.n);
    assert_true(state.digest == update.state.digest);
    anystore_check(again);
    anystore_close(again);
}

static struct power_image open_image(uint64_t hash, const struct memory_cut *cut)
{
    struct power_image image = {.hash = hash, .state = {-1, 0}};
    struct anystore_error error;
    struct stat st;
    struct fibers_entry entry = fibers_enter();
    struct memory_disk *memory = memory_cut_disk(cut);
    const struct disk *disk = memory_disk_table(memory);
    image.existed = disk->stat(disk, POWER_PATH, &st) == 0;
    struct anystore *store = power_open(disk, ANYSTORE_FSYNC_ALWAYS, &error);
    if (store) {
        image.state = look(store);
        go_on(store, disk);
        anystore_close(store);
    }
    memory_disk_free(memory);
    fibers_leave(&entry);
    return image;
}

/* The place of a hash, or the free one where it belongs. */
static struct power_image *place(const struct power_images *images, uint64_t hash)
{
    size_t i = hash & (images->size - 1);
    while (images->table[i].hash != 0 && images->table[i].hash != hash)
        i = (i + 1) & (images->size - 1);
    return &images->table[i];
}

static void grow(struct power_images *images)
{
    struct power_images larger = {.size = images->size ? 2 * images->size : 4096,
                                  .count = images->count};
    larger.table = calloc(larger.size, sizeof *larger.table);
    assert_non_null(larger.table);
    for (size_t i = 0; i < images->size; i++)
        if (images->table[i].hash != 0)
            *place(&larger, images->table[i].hash) = images->table[i];
    free(images->table);
    *images = larger;
}

const struct power_image *power_images_open(struct power_images *images, uint64_t hash,
                                            const struct memory_cut *cut)
{
    hash += hash == 0;
    if (2 * images->count >= images->size)
        grow(images);
    struct power_image *image = place(images, hash);
    if (image->hash == 0) {
        *image = open_image(hash, cut);
        images->count++;
    }
    return image;
}

void power_images_free(struct power_images *images)
{
    free(images->table);
    *images = (struct power_images){NULL, 0, 0};
}
