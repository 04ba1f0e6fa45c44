/* SPDX-License-Identifier: MIT */
/* Redis's ACL categories: their names, and which of them a command belongs to.  Constant data:
 * any thread. */
#ifndef COMMAND_CATEGORY_H
#define COMMAND_CATEGORY_H

#include <stddef.h>

struct command;
struct resp_arg;

/* A bit and the word that clients see for it. */
struct word {
    unsigned bit;
    const char *word;
};

/* All categories of Redis 7.0, in its order, as "@keyspace".  Some belong to data types that do
 * not exist here yet. */
extern const struct word command_category_words[];
extern const size_t command_category_count;

/* The categories of a command: those of its row, and those that its flags imply. */
unsigned command_categories(const struct command *command);

/* Finds a category by its name without "@". 0 if there is none. */
unsigned command_category_find(const struct resp_arg *name);

#endif
