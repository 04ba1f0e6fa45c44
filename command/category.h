/* SPDX-License-Identifier: MIT */
/* Redis's ACL categories: their names, and which of them a command belongs to.  Constant: any
 * thread. */
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

/* All of Redis 7.0 in its order, "@keyspace"; those of data types that are not here have no command
 * to show. */
extern const struct word command_category_words[];
extern const size_t command_category_count;

/* The bits of all categories of a command: its row's, and those that follow from its flags. */
unsigned command_categories(const struct command *command);

/* The bit of a category by its name without "@"; 0 if there is none. */
unsigned command_category_find(const struct resp_arg *name);

#endif
