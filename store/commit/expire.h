/* SPDX-License-Identifier: MIT */
/* Taking expired keys out of memory.
 *
 * An expired key is not there for any reader, as its expiry is an absolute time in the file.  So
 * taking it out changes nothing that can be seen, and costs no commit.  The next base leaves it
 * out. */
#ifndef STORE_COMMIT_EXPIRE_H
#define STORE_COMMIT_EXPIRE_H

struct anystore;

/* Takes out some of them, as many as fit into a bounded time, and tells the owner.  Commit thread,
 * without the file lock. */
void expire_some(struct anystore *store);

#endif
