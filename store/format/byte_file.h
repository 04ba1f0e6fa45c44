/* SPDX-License-Identifier: MIT */
/* The bytes of an open file, as the medium gives them to the format: all that segments know of
 * files. */
#ifndef STORE_FORMAT_BYTE_FILE_H
#define STORE_FORMAT_BYTE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain data: copied.  The descriptor is not owned. */
struct byte_file {
    /* Whole transfers; false with errno set.  read says ENODATA where the file ends early. */
    bool (*read)(const struct byte_file *file, void *data, size_t size, uint64_t offset);
    bool (*write)(const struct byte_file *file, const void *data, size_t size, uint64_t offset);
    const void *medium; /* for read and write, as is the descriptor */
    int fd;
    const char *path; /* for error texts */
};

#endif
