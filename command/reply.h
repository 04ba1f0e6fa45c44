/* SPDX-License-Identifier: MIT */
/* What the functions of commands share: arguments, replies, ways to the store. */
#ifndef COMMAND_REPLY_H
#define COMMAND_REPLY_H

#include "command/call.h"
#include "command/table.h"

struct server;

static inline const char *arg_text(const struct resp_arg *arg)
{
    return (const char *)arg->data;
}

/* Whether an argument is a word, whatever its case.  As in Redis a NUL byte ends the argument. */
bool arg_is(const struct resp_arg *arg, const char *word);

/* Redis's string2ll: a decimal integer without blanks, plus signs or leading zeros.  False if it is
 * none. */
bool arg_integer(const struct resp_arg *arg, int64_t *value);

/* The same; otherwise replies "ERR value is not an integer or out of range". */
bool arg_integer_or_reply(struct call *call, size_t index, int64_t *value);

/* Whether an argument is the number of a database. */
bool arg_is_database(const struct server *server, const struct resp_arg *arg, int64_t *database);

/* The map of a database that the request needs; NULL: it does not. */
struct anystore_txn *call_txn(const struct call *call, unsigned database);

/* The number of a database; otherwise replies what is wrong with the argument. */
bool arg_database_or_reply(struct call *call, size_t index, int64_t *database);

/* The name that TYPE answers. */
const char *type_name(enum anystore_type type);

/* A timeout in milliseconds, zero or more; otherwise replies what is wrong with it. */
bool arg_timeout_or_reply(struct call *call, size_t index, int64_t *ms);

/* Whether an argument is a secret (a password, say), which no log and no other client may see: there
 * REQUEST_REDACTED stands in its place. */
bool call_is_secret(const struct call *call, size_t index);
#define CALL_REDACTED "(redacted)"

void reply_ok(struct call *call);
void reply_syntax_error(struct call *call);
/* For a first word that names no command, and a second one that names no subcommand of it. */
void reply_unknown_command(struct call *call);
void reply_unknown_subcommand(struct call *call, const struct command *container);
void reply_wrong_arity(struct call *call);
/* For a subcommand whose number of arguments its row cannot tell. */
void reply_subcommand_syntax_error(struct call *call);
void reply_invalid_expire(struct call *call);
void reply_out_of_memory(struct call *call);

/* What <container> HELP answers; `lines` ends with NULL. */
void reply_help(struct call *call, const char *const *lines);

/* Counts a lookup of a command that only reads for keyspace_hits and keyspace_misses, and tells of a
 * miss. */
void count_lookup(struct call *call, const struct resp_arg *key, bool there);

/* Looks a key up for a command that only reads, and counts that.  value may be NULL. */
bool read_key(struct call *call, const struct resp_arg *key, struct anystore_value *value);

/* The same without an event for a miss. */
bool read_key_quietly(struct call *call, const struct resp_arg *key, struct anystore_value *value);

/* Replies the error of a change that the store refused (memory, size) and sets store_failed.  True
 * if there was none. */
bool store_ok_or_reply(struct call *call, enum anystore_status status);

/* As anystore_put.  A time that has come already: in Redis the key may then be there, but nobody can
 * see it; here it is not even written. */
enum anystore_status put_or_expire(struct call *call, const struct resp_arg *key,
                                   const struct anystore_value *value);

void reply_wrong_type(struct call *call);

/* Reads a key that must hold a string, if it is there.  False if it holds another type: then
 * WRONGTYPE has been replied. */
bool get_string_or_reply(struct call *call, const struct resp_arg *key,
                         struct anystore_value *value, bool *there);

#endif
