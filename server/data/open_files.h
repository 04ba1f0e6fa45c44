/* SPDX-License-Identifier: MIT */
/* The limit of open files, which bounds the number of clients. */
#ifndef SERVER_DATA_OPEN_FILES_H
#define SERVER_DATA_OPEN_FILES_H

#include <stdint.h>

/* Raises the limit, as far as necessary and allowed, so that `clients` can be connected at once.
 * Returns how many can be: `clients`, or fewer, but at least 1.  Any thread. */
int64_t open_files_for(int64_t clients);

#endif
