/* SPDX-License-Identifier: MIT */
/* Where the data file and the key are, as the configuration and the environment say.  Any program
 * that opens a server's data uses these functions, so that all of them find the same files. */
#ifndef SERVER_DATA_FILES_H
#define SERVER_DATA_FILES_H

#include <stdbool.h>

#include "anystore.h"

struct config;

/* The path of the data file, absolute and allocated.  Makes the default directory if `dir` is
 * empty.  NULL and *cause (allocated, one line; NULL if memory is short) on failure. */
char *files_data_path(const struct config *config, char **cause);

/* Finds the key: *path is the key file (allocated), or NULL if the key itself is in the
 * environment. The first of these that is set counts: encryption-key-file; ANYSTORE_KEY, the key in
 * base64; ANYSTORE_KEY_FILE; the default file, whose directory is made.  False and *cause as above
 * on failure. */
bool files_key_path(const struct config *config, char **path, char **cause);

/* Loads the key from `key_path`; NULL: from the environment.  If there is neither a key file nor a
 * data file, a new key file is made and *made is set: existing data never meets a fresh key.  NULL
 * and *error on failure. */
struct anystore_key *files_key(const char *data_path, const char *key_path, bool *made,
                               struct anystore_error *error);

/* An errno that says why no commit can put a file into the directory of the data file; 0 if no
 * reason is found without trying. */
int files_commit_error(const char *data_path);

#endif
