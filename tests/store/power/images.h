/* SPDX-License-Identifier: MIT */
/* The images of disks that have been opened, and their contents: each is opened once, however often
 * a crash leaves it. */
#ifndef TESTS_STORE_POWER_IMAGES_H
#define TESTS_STORE_POWER_IMAGES_H

#include "tests/store/disks/memory_cut.h"
#include "tests/store/power/model.h"

struct power_image {
    uint64_t hash; /* 0: none */
    struct power_state state;
    bool existed; /* the data file was there */
};

struct power_images {
    struct power_image *table;
    size_t size, count; /* size: a power of two, or 0 */
};

/* The contents of the image that is chosen in `cut`, whose hash this is.  A new image is opened,
 * examined and changed once more, and the result is opened, too.  Any failure there except of the
 * first opening fails the test. */
const struct power_image *power_images_open(struct power_images *images, uint64_t hash,
                                            const struct memory_cut *cut);

void power_images_free(struct power_images *images);

/* The path of the store on those disks. */
#define POWER_PATH "/anystore-power-test"

/* Opens the store on a disk; NULL and *error on failure. */
struct anystore *power_open(const struct disk *disk, enum anystore_fsync fsync,
                            struct anystore_error *error);

#endif
