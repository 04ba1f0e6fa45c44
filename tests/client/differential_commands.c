/* SPDX-License-Identifier: MIT */
/* Makes random commands from templates, valid and spoilt ones, whose replies do not depend on the
 * exact moment at which a command runs. */
#include "tests/client/differential.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/client/harness/harness.h"

/* The exceptions from "the same bytes", each with its reason. */
static const struct {
    const char *command;
    const char *subcommand; /* NULL: any or none */
    enum compare compare;
} exceptions[] = {
    /* The order of a hash table, which each process seeds differently. */
    {"KEYS", NULL, COMPARE_SORTED},
    {"SCAN", NULL, COMPARE_SCAN},
    {"RANDOMKEY", NULL, COMPARE_KIND},
    /* Each server has a "now" of its own. */
    {"TTL", NULL, COMPARE_NEAR},
    {"PTTL", NULL, COMPARE_NEAR},
    {"EXPIRETIME", NULL, COMPARE_NEAR},
    {"PEXPIRETIME", NULL, COMPARE_NEAR},
    {"TIME", NULL, COMPARE_KIND},
    {"LASTSAVE", NULL, COMPARE_KIND},
    /* Ids, addresses, counters, memory: the processes' own. */
    {"CLIENT", "ID", COMPARE_KIND},
    {"CLIENT", "INFO", COMPARE_KIND},
    {"CLIENT", "LIST", COMPARE_KIND},
    {"INFO", NULL, COMPARE_KIND},
    /* Ours has fewer commands; another test compares those it has one by one. */
    {"COMMAND", "COUNT", COMPARE_KIND},
    /* Redis's answers depend on how a value came about: a value that APPEND, SETRANGE, SETBIT or
     * INCRBYFLOAT has changed is not "int" or "embstr", and not shared. client_commands_test covers
     * values that were set. */
    {"OBJECT", "ENCODING", COMPARE_KIND},
    {"OBJECT", "REFCOUNT", COMPARE_KIND},
    /* Ours keeps no time of access. */
    {"OBJECT", "IDLETIME", COMPARE_KIND},
    /* Ours does not compress; client_dump_test shows that each server reads the other's
     * payloads. */
    {"DUMP", NULL, COMPARE_DUMP},
    /* Names the server. */
    {"HELLO", NULL, COMPARE_HELLO},
};

static const struct template *const tables[] = {differential_generic, differential_keys,
                                                differential_strings};

static const struct raw_arg keys[] = {
    {"a", 1},           {"b", 1},
    {"c", 1},           {"d", 1},
    {"counter", 7},     {"number:1", 8},
    {"number:2", 8},    {"", 0},
    {"\0\xff", 2},      {"with blank", 10},
    {"line\r\nend", 9}, {"[x]*?", 5},
    {"$3\r\nfoo", 7},   {"back\\slash", 10},
};

static const char *const integers[] = {
    "0",
    "1",
    "-1",
    "2",
    "10",
    "-10",
    "100",
    "255",
    "256",
    "4096",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775806",
    "-9223372036854775807",
    "4611686018427387904",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "99999999999999999999999999",
};

static const struct raw_arg junk[] = {
    {"", 0},
    {"foo", 3},
    {" ", 1},
    {"-1", 2},
    {"0x10", 4},
    {"1.5", 3},
    {"1e5", 3},
    {"nan", 3},
    {"-0", 2},
    {"+1", 2},
    {"01", 2},
    {" 1", 2},
    {"1 ", 2},
    {"1\0", 2},
    {"\r\n", 2},
    {"\xff\0x", 3},
    {"%s%n", 4},
    {"'\"", 2},
    {"NX\0", 3},
    {"a b", 3},
    {"\\", 1},
    {"[", 1},
    {"--", 2},
    {"\n", 1},
    {"n\xc3\xb6", 3},
    {"a-word-that-is-longer-than-the-one-hundred-and-twenty-eight-characters-of-it-that-redis-"
     "repeats-in-an-error-message-before-it-stops",
     132},
};

static const char *const options[] = {"NX",   "XX",   "GT",      "LT",  "GET",     "EX", "PX",
                                      "EXAT", "PXAT", "KEEPTTL", "get", "keepttl", "Nx", "gt",
                                      "lt",   "ex",   "PERSIST", "foo", "xX",      "N",  "NXX"};

static const char *const patterns[] = {
    "*",      "?",     "??",     "a",      "[a-c]",     "[^a-c]", "[c-a]",  "number:*", "*1",
    "*[12]",  "n*r:?", "\\[x]*", "\\[*",   "[",         "[a",     "[^",     "\\",       "a\\",
    "**",     "*?*",   "[]",     "[]]",    "[-]",       "[a-",    "[\\]]*", "*\\*\\?",  "[[]*",
    "?*?*?*", "w* *",  "[A-Z]",  "*\\\\*", "back\\\\*", "[^]",    "*]*?",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Times lie so far apart and ahead that a run, however slow, neither reaches one of them nor
 * makes two of them change places; no two are the same. */
#define TIME_STEP (INT64_C(100000))

static int64_t next_time(struct generator *generator)
{
    uint64_t mixed = ((uint64_t)++generator->unique * 0x9e375u) & 0xfffffu;
    return ((int64_t)mixed + 1) * TIME_STEP;
}

static void append_value(struct generator *generator, struct bytes *out)
{
    struct random *random = &generator->random;
    size_t size = 0;
    switch (random_below(random, 10)) {
    case 0:
        break;
    case 1:
    case 2:
        bytes_append_text(out, integers[random_below(random, COUNT(integers))]);
        return;
    case 3: {
        const struct raw_arg *arg = &junk[random_below(random, COUNT(junk))];
        bytes_append(out, arg->data, arg->size);
        return;
    }
    case 4:
        size = random_chance(random, 10) ? 20000 : 200;
        break;
    default:
        size = 1 + random_below(random, 20);
    }
    bool text = random_chance(random, 50);
    uint8_t *to = bytes_reserve(out, size);
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(text ? 'a' + random_below(random, 26) : random_next(random));
    out->size += size;
}

static void append_integer(struct generator *generator, struct bytes *out)
{
    struct random *random = &generator->random;
    if (random_chance(random, 40))
        bytes_append_text(out, integers[random_below(random, COUNT(integers))]);
    else
        bytes_appendf(out, "%d", (int)random_below(random, 200) - 100);
}

static void append_arg(struct bytes *out, const struct raw_arg *arg)
{
    bytes_append(out, arg->data, arg->size);
}

static void append_text_of(struct bytes *out, struct random *random, const char *const *texts,
                           size_t count)
{
    bytes_append_text(out, texts[random_below(random, count)]);
}

/* Appends the text that a word of a template stands for. */
static void append_word(struct generator *generator, struct bytes *out, const char *word,
                        size_t size)
{
    struct random *random = &generator->random;
    int64_t now = generator->started;
    switch (size == 2 && word[0] == '%' ? word[1] : 0) {
    case 'k':
        append_arg(out, &keys[random_below(random, COUNT(keys))]);
        break;
    case 'v':
        append_value(generator, out);
        break;
    case 'i':
        append_integer(generator, out);
        break;
    case 'j':
        append_arg(out, &junk[random_below(random, COUNT(junk))]);
        break;
    case 'w':
        append_text_of(out, random, options, COUNT(options));
        break;
    case 'p':
        append_text_of(out, random, patterns, COUNT(patterns));
        break;
    case 's':
        bytes_appendf(out, "%" PRId64, next_time(generator));
        break;
    case 'm':
        bytes_appendf(out, "%" PRId64, next_time(generator) * 1000);
        break;
    case 'S':
        bytes_appendf(out, "%" PRId64, now / 1000 + TIME_STEP / 2 + next_time(generator));
        break;
    case 'M':
        bytes_appendf(out, "%" PRId64, now + (TIME_STEP / 2 + next_time(generator)) * 1000);
        break;
    case 'a':
        bytes_appendf(out, "%" PRIu64, 1 + random_below(random, 1000000000));
        break;
    case 'A':
        bytes_appendf(out, "%" PRIu64, 1 + random_below(random, 1000000000000));
        break;
    case 'n':
        bytes_appendf(out, "%" PRId64, -(int64_t)random_below(random, 3) * TIME_STEP * 1000);
        break;
    case 'P':
        bytes_appendf(out, "%d", generator->protocol);
        break;
    default:
        if (size != 2 || word[0] != '%' ||
            (!differential_keys_word(random, out, word[1]) &&
             !differential_strings_word(random, out, word[1])))
            bytes_append(out, word, size);
    }
}

static void fill(struct generator *generator, struct command *command, const char *words)
{
    command->count = 0;
    for (const char *word = words; *word && command->count < COMMAND_ARGS_MAX;) {
        size_t size = strcspn(word, " ");
        struct bytes *arg = &command->args[command->count++];
        bytes_clear(arg);
        append_word(generator, arg, word, size);
        word += size + (word[size] == ' ');
    }
}

void command_set(struct command *command, const char *words)
{
    command->count = 0;
    for (const char *word = words; *word && command->count < COMMAND_ARGS_MAX;) {
        size_t size = strcspn(word, " ");
        struct bytes *arg = &command->args[command->count++];
        bytes_clear(arg);
        bytes_append(arg, word, size);
        word += size + (word[size] == ' ');
    }
}

static bool arg_is(const struct bytes *arg, const char *text)
{
    return arg->size == strlen(text) && !strcasecmp(bytes_text(arg), text);
}

bool command_is(const struct command *command, const char *name)
{
    return command->count && arg_is(&command->args[0], name);
}

/* A key that has expired in the past is one of ours, see generator_touch_all. */
static bool sets_absolute_time(const struct command *command)
{
    bool found = false;
    for (size_t i = 3; i < command->count; i++)
        found = found || arg_is(&command->args[i], "EXAT") || arg_is(&command->args[i], "PXAT");
    return found;
}

static void spoil(struct generator *generator, struct command *command)
{
    struct random *random = &generator->random;
    switch (random_below(random, 4)) {
    case 0:
        if (command->count > 1)
            command->count--;
        break;
    case 1:
        if (command->count < COMMAND_ARGS_MAX) {
            struct bytes *arg = &command->args[command->count++];
            bytes_clear(arg);
            append_arg(arg, &junk[random_below(random, COUNT(junk))]);
        }
        break;
    case 2:
        if (command->count > 1) {
            size_t index = 1 + random_below(random, command->count - 1);
            if (index == 1 && sets_absolute_time(command))
                break;
            struct bytes *arg = &command->args[index];
            bytes_clear(arg);
            append_arg(arg, &junk[random_below(random, COUNT(junk))]);
        }
        break;
    default:
        if (command->count > 1 && command->count < COMMAND_ARGS_MAX) {
            size_t index = 1 + random_below(random, command->count - 1);
            struct bytes *arg = &command->args[command->count++];
            bytes_clear(arg);
            bytes_append(arg, command->args[index].data, command->args[index].size);
        }
    }
}

/* The same as below for argument 2 of EXPIREAT, PEXPIREAT, RESTORE.  Nor is a time so far that
 * Redis's sums with it overflow, which C does not define (ours does not add, or says that it is
 * invalid). */
static void keep_time_far(struct generator *generator, struct command *command)
{
    bool seconds = command_is(command, "EXPIREAT");
    bool absolute = seconds || command_is(command, "PEXPIREAT");
    if (command->count < 3)
        return;
    for (size_t i = 4; i < command->count; i++)
        absolute = absolute || arg_is(&command->args[i], "ABSTTL");
    struct bytes *arg = &command->args[2];
    char *end = NULL;
    long long value = strtoll(bytes_text(arg), &end, 10);
    if (end == bytes_text(arg) || value <= 0)
        return;
    long long unit = seconds ? 1000 : 1;
    long long from = absolute ? generator->started / unit : 0;
    if (llabs(value - from) < TIME_STEP * 1000 / 2 / unit ||
        (!seconds && value > INT64_MAX - 2 * generator->started)) {
        bytes_clear(arg);
        append_word(generator, arg, seconds ? "%S" : absolute ? "%M" : "%m", 2);
    }
}

/* A small positive number where a time is expected would expire a key during the run, sooner on
 * one server than on the other: puts a far time in its place. */
static void keep_times_far(struct generator *generator, struct command *command)
{
    static const char *const others[] = {"EXPIRE", "PEXPIRE", "SETEX", "PSETEX"};
    bool getex = command_is(command, "GETEX");
    bool set = command_is(command, "SET") || getex;
    bool other = false;
    if (command_is(command, "EXPIREAT") || command_is(command, "PEXPIREAT") ||
        command_is(command, "RESTORE")) {
        keep_time_far(generator, command);
        return;
    }
    for (size_t i = 0; i < COUNT(others); i++)
        other = other || command_is(command, others[i]);
    if (!set && !other)
        return;
    for (size_t i = set && !getex ? 3 : 2; i < command->count; i++) {
        struct bytes *arg = &command->args[i];
        char *end = NULL;
        long long value = strtoll(bytes_text(arg), &end, 10);
        bool absolute =
            set && (arg_is(&command->args[i - 1], "EXAT") || arg_is(&command->args[i - 1], "PXAT"));
        if (end == bytes_text(arg) || value <= 0)
            continue;
        /* As seconds from now, or as milliseconds, or as a time of day in either unit. */
        int64_t now = generator->started;
        long long far = TIME_STEP * 1000;
        bool near = absolute ? llabs(value - now) < far || llabs(value - now / 1000) < TIME_STEP / 2
                             : value < TIME_STEP;
        if (near) {
            bytes_clear(arg);
            append_word(generator, arg, absolute ? "%M" : "%m", 2);
        }
    }
}

void generator_start(struct generator *generator, uint64_t seed, int protocol)
{
    *generator = (struct generator){.protocol = protocol, .started = wall_ms()};
    random_start(&generator->random, seed, (uint64_t)protocol);
}

static const char *pick_template(struct random *random)
{
    unsigned total = 0;
    for (size_t i = 0; i < COUNT(tables); i++) {
        for (const struct template *row = tables[i]; row->words; row++)
            total += row->weight;
    }
    uint64_t pick = random_below(random, total);
    for (size_t i = 0; i < COUNT(tables); i++) {
        for (const struct template *row = tables[i]; row->words; row++) {
            if (pick < row->weight)
                return row->words;
            pick -= row->weight;
        }
    }
    fail_test("%" PRIu64 " is beyond the weights of all templates", pick);
}

void generator_next(struct generator *generator, struct command *command)
{
    struct random *random = &generator->random;
    const char *words = pick_template(random);
    bool sound = words[0] == '!';
    fill(generator, command, words + sound);
    if (!sound && random_chance(random, 12))
        spoil(generator, command);
    keep_times_far(generator, command);
    if (random_chance(random, 20)) {
        struct bytes *name = &command->args[0];
        for (size_t i = 0; i < name->size; i++) {
            bool letter = (name->data[i] | 0x20) >= 'a' && (name->data[i] | 0x20) <= 'z';
            if (letter && random_chance(random, 50))
                name->data[i] ^= 0x20;
        }
    }
}

void generator_touch_all(struct command *command)
{
    command_set(command, "EXISTS");
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct bytes *arg = &command->args[command->count++];
        bytes_clear(arg);
        append_arg(arg, &keys[i]);
    }
}

void command_encode(const struct command *command, struct bytes *out)
{
    struct raw_arg args[COMMAND_ARGS_MAX];
    for (size_t i = 0; i < command->count; i++)
        args[i] = (struct raw_arg){command->args[i].data, command->args[i].size};
    raw_encode(out, args, command->count);
}

void command_describe(const struct command *command, struct bytes *text)
{
    for (size_t i = 0; i < command->count; i++) {
        const struct bytes *arg = &command->args[i];
        bytes_append_text(text, i ? " \"" : "\"");
        bytes_append_escaped(text, arg->data, arg->size < 200 ? arg->size : 200);
        bytes_append_text(text, arg->size < 200 ? "\"" : "...\"");
    }
}

void command_free(struct command *command)
{
    for (size_t i = 0; i < COMMAND_ARGS_MAX; i++)
        bytes_free(&command->args[i]);
}

enum compare command_compare(const struct command *command)
{
    for (size_t i = 0; i < COUNT(exceptions); i++) {
        const char *subcommand = exceptions[i].subcommand;
        if (command_is(command, exceptions[i].command) &&
            (!subcommand || (command->count > 1 && arg_is(&command->args[1], subcommand))))
            return exceptions[i].compare;
    }
    return COMPARE_BYTES;
}
