/* SPDX-License-Identifier: MIT */
/* Finds the row of a command by its name.
 *
 * Names are folded to lower case in three machine words, eight letters at a time, so that a lookup
 * is two multiplications and a comparison of words, whatever case the client writes. */
#include "command/table.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    NAME_WORDS = 3,
    NAME_BYTES = 8 * NAME_WORDS /* no command has a longer name */
};

/* A name of at most NAME_BYTES in lower case, padded with NUL bytes. */
struct folded {
    uint64_t words[NAME_WORDS];
    size_t size;
};

struct slot {
    struct folded name;
    const struct command *command; /* NULL: free */
};

struct numbered {
    const struct command *command; /* NULL: free */
    size_t number;
};

struct command_table {
    /* Open addressing, at most a quarter full: a lookup rarely sees a second slot. */
    struct slot *slots;
    unsigned slot_bits; /* there are 2^slot_bits slots */
    const struct command **sorted;
    size_t count;
    /* Commands and subcommands by the address of their row, at most a quarter full too. */
    struct numbered *numbers;
    unsigned number_bits;
    size_t total;
};

/* ---- The table ---------------------------------------------------------------------------- */

/* Eight ASCII letters at once.  Seven bits of each byte plus a constant carry into its eighth bit
 * where the byte is at least 'A', and with another constant where it is above 'Z'. */
static uint64_t fold_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = ones << 7;
    uint64_t seven = word & ~high;
    uint64_t from_a = seven + ones * (0x80 - 'A');
    uint64_t above_z = seven + ones * (0x7f - 'Z');
    uint64_t upper = from_a & ~above_z & ~word & high;
    return word | upper >> 2;
}

static uint32_t load_4(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return le32toh(word);
}

static uint64_t load_8(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* Up to 8 bytes, the first one lowest.  Bytes that two loads have in common fall on each other.  A
 * memcpy to a buffer would cost as much as all the rest of a lookup: loading a word right after its
 * bytes were stored one by one makes the processor wait. */
static uint64_t load_up_to_8(const uint8_t *bytes, size_t size)
{
    if (size >= 8)
        return load_8(bytes);
    if (size >= 4)
        return load_4(bytes) | (uint64_t)load_4(bytes + size - 4) << 8 * (size - 4);
    if (size == 0)
        return 0;
    size_t middle = size / 2;
    size_t last = size - 1;
    return bytes[0] | (uint64_t)bytes[middle] << 8 * middle | (uint64_t)bytes[last] << 8 * last;
}

static bool fold_name(const void *name, size_t size, struct folded *folded)
{
    if (size == 0 || size > NAME_BYTES)
        return false;
    const uint8_t *bytes = name;
    *folded = (struct folded){.size = size};
    for (size_t i = 0; i < NAME_WORDS && 8 * i < size; i++)
        folded->words[i] = fold_word(load_up_to_8(bytes + 8 * i, size - 8 * i));
    return true;
}

static bool same_name(const struct folded *one, const struct folded *other)
{
    uint64_t difference = one->size ^ other->size;
    for (size_t i = 0; i < NAME_WORDS; i++)
        difference |= one->words[i] ^ other->words[i];
    return difference == 0;
}

static size_t first_slot(const struct command_table *table, const struct folded *name)
{
    uint64_t hash = name->words[0] * UINT64_C(0x9e3779b97f4a7c15) +
                    name->words[1] * UINT64_C(0xc2b2ae3d27d4eb4f) +
                    name->words[2] * UINT64_C(0x165667b19e3779f9);
    return (size_t)(hash >> (64 - table->slot_bits));
}

/* The slot of a name, or the free one where it belongs. */
static struct slot *find_slot(const struct command_table *table, const struct folded *name)
{
    size_t mask = ((size_t)1 << table->slot_bits) - 1;
    size_t at = first_slot(table, name);
    while (table->slots[at].command && !same_name(&table->slots[at].name, name))
        at = (at + 1) & mask;
    return &table->slots[at];
}

static void add_command(struct command_table *table, const struct command *command)
{
    struct folded name = {.size = 0};
    bool fits = fold_name(command->name, strlen(command->name), &name);
    assert(fits);
    (void)fits;
    struct slot *slot = find_slot(table, &name);
    assert(!slot->command); /* no two rows have the same name */
    *slot = (struct slot){name, command};
    table->sorted[table->count++] = command;
}

static struct numbered *find_number(const struct command_table *table,
                                    const struct command *command)
{
    size_t mask = ((size_t)1 << table->number_bits) - 1;
    uint64_t hash = (uint64_t)(uintptr_t)command * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> (64 - table->number_bits));
    while (table->numbers[at].command && table->numbers[at].command != command)
        at = (at + 1) & mask;
    return &table->numbers[at];
}

static void number_rows(struct command_table *table, const struct command *rows)
{
    for (const struct command *row = rows; row && row->name; row++) {
        *find_number(table, row) = (struct numbered){row, table->total++};
        number_rows(table, row->subcommands);
    }
}

static size_t count_rows(const struct command *rows)
{
    size_t count = 0;
    for (const struct command *row = rows; row && row->name; row++)
        count += 1 + count_rows(row->subcommands);
    return count;
}

static int compare_names(const void *one, const void *other)
{
    const struct command *const *first = one;
    const struct command *const *second = other;
    return strcmp((*first)->name, (*second)->name);
}

/* Counts commands in *count, and commands and subcommands in *total. */
static void count_families(const struct command *const *families, size_t *count, size_t *total)
{
    for (; families && *families; families++) {
        *total += count_rows(*families);
        for (const struct command *row = *families; row->name; row++)
            ++*count;
    }
}

static void add_families(struct command_table *table, const struct command *const *families)
{
    for (; families && *families; families++) {
        for (const struct command *row = *families; row->name; row++)
            add_command(table, row);
        number_rows(table, *families);
    }
}

struct command_table *command_table_new(const struct command *const *families,
                                        const struct command *const *more)
{
    size_t count = 0, total = 0;
    count_families(families, &count, &total);
    count_families(more, &count, &total);
    struct command_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    for (table->slot_bits = 4; (size_t)1 << table->slot_bits < 4 * count;)
        table->slot_bits++;
    table->slots = calloc((size_t)1 << table->slot_bits, sizeof *table->slots);
    table->sorted = calloc(count + 1, sizeof *table->sorted);
    for (table->number_bits = 4; (size_t)1 << table->number_bits < 4 * total;)
        table->number_bits++;
    table->numbers = calloc((size_t)1 << table->number_bits, sizeof *table->numbers);
    if (!table->slots || !table->sorted || !table->numbers) {
        command_table_free(table);
        return NULL;
    }
    add_families(table, families);
    add_families(table, more);
    qsort(table->sorted, table->count, sizeof *table->sorted, compare_names);
    return table;
}

void command_table_free(struct command_table *table)
{
    if (!table)
        return;
    free(table->slots);
    free(table->sorted);
    free(table->numbers);
    free(table);
}

const struct command *command_find(const struct command_table *table, const void *name, size_t size)
{
    struct folded folded;
    return fold_name(name, size, &folded) ? find_slot(table, &folded)->command : NULL;
}

const struct command *command_find_sub(const struct command *command, const void *name, size_t size)
{
    for (const struct command *row = command->subcommands; row && row->name; row++) {
        if (strlen(row->name) == size && strncasecmp(row->name, name, size) == 0)
            return row;
    }
    return NULL;
}

const struct command *command_find_full(const struct command_table *table, const void *name,
                                        size_t size)
{
    const uint8_t *start = name;
    const uint8_t *bar = size > 0 ? memchr(start, '|', size) : NULL;
    if (!bar)
        return command_find(table, name, size);
    size_t before = (size_t)(bar - start);
    const struct command *container = command_find(table, name, before);
    return container ? command_find_sub(container, bar + 1, size - before - 1) : NULL;
}

const struct command *command_find_call(const struct command_table *table, size_t argc,
                                        const struct resp_arg *argv,
                                        const struct command **container)
{
    const struct command *found = command_find(table, argv[0].data, argv[0].size);
    *container = found && found->subcommands ? found : NULL;
    return *container && argc > 1 ? command_find_sub(found, argv[1].data, argv[1].size) : found;
}

size_t command_count(const struct command_table *table)
{
    return table->count;
}

const struct command *command_at(const struct command_table *table, size_t index)
{
    assert(index < table->count);
    return table->sorted[index];
}

size_t command_total(const struct command_table *table)
{
    return table->total;
}

size_t command_number(const struct command_table *table, const struct command *command)
{
    return find_number(table, command)->number;
}

bool command_arity_fits(const struct command *command, size_t argc)
{
    if (command->arity >= 0)
        return argc == (size_t)command->arity;
    return argc >= (size_t)-command->arity;
}
