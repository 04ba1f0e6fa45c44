/* SPDX-License-Identifier: MIT */
/* The limit of open files, which so many clients need to be so high. */
#ifndef SERVER_DATA_OPEN_FILES_H
#define SERVER_DATA_OPEN_FILES_H

#include <stdint.h>

/* Raises the limit, if necessary and as far as the system lets us, so that `clients` can be
 * connected at once.  Returns how many can: `clients`, or fewer (at least 1).  Any thread. */
int64_t open_files_for(int64_t clients);

#endif
