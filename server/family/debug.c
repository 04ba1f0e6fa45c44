/* SPDX-License-Identifier: MIT */
/* DEBUG: helps test suites and developers of clients.  enable-debug-command allows it. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/sha.h>

#include "command/access.h"
#include "command/args.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/table.h"
#include "command/value.h"
#include "server/config/config.h"
#include "server/family/families.h"
#include "server/observe/log.h"
#include "server/server.h"
#include "server/session/session.h"
#include "text/glob.h"

static const struct resp_arg *option_of(const struct call *call)
{
    return &call->argv[2];
}

static void debug_ok(struct call *call)
{
    reply_ok(call);
}

/* Accepted, as in Redis, but without effect. */
static void debug_replybuffer(struct call *call)
{
    int64_t ms;
    const struct resp_arg *value = &call->argv[3];
    bool is_time = arg_is(option_of(call), "peak-reset-time");
    if (!is_time && !arg_is(option_of(call), "resizing"))
        reply_subcommand_syntax_error(call);
    else if (!is_time || arg_is(value, "never") || arg_is(value, "reset") ||
             arg_integer_or_reply(call, 3, &ms))
        reply_ok(call);
}

/* Holds up the clients of its worker.  In a transaction it also holds up those who wait for the
 * transaction, as in Redis. */
static void debug_sleep(struct call *call)
{
    char text[64];
    const struct resp_arg *arg = option_of(call);
    snprintf(text, sizeof text, "%.*s", (int)(arg->size < 60 ? arg->size : 60),
             arg->size > 0 ? arg_text(arg) : "");
    double seconds = strtod(text, NULL);
    if (isfinite(seconds) && seconds > 0 && seconds < INT_MAX) {
        struct timespec left = {.tv_sec = (time_t)seconds};
        left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
        while (nanosleep(&left, &left) != 0 && errno == EINTR)
            ;
    }
    reply_ok(call);
}

/* ---- About keys --------------------------------------------------------------------------- */

static bool value_or_reply(struct call *call, struct anystore_value *value)
{
    const struct resp_arg *key = option_of(call);
    if (anystore_get(call->txn, key->data, key->size, value))
        return true;
    resp_write_error(call->reply, "ERR no such key");
    return false;
}

static void debug_object(struct call *call)
{
    struct anystore_value value;
    char text[256];
    if (!value_or_reply(call, &value))
        return;
    snprintf(text, sizeof text,
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:0 lru_seconds_idle:0",
             value.data, value_encoding(&value), value.size + 1);
    resp_write_simple(call->reply, text);
}

static void debug_sdslen(struct call *call)
{
    struct anystore_value value;
    char text[256];
    if (!value_or_reply(call, &value))
        return;
    size_t key_size = option_of(call)->size;
    snprintf(text, sizeof text,
             "key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%zu, "
             "val_sds_avail:0, val_zmalloc: %zu",
             key_size, key_size, value.size, value.size);
    resp_write_simple(call->reply, text);
}

/* A digest of all keys: the exclusive or of a hash for each.  Two digests are equal if the data
 * is. */
static void digest_key(uint8_t digest[SHA_DIGEST_LENGTH], const void *key, size_t key_size,
                       const struct anystore_value *value)
{
    uint8_t parts[2 * SHA256_DIGEST_LENGTH + sizeof value->expire_ms], hash[SHA256_DIGEST_LENGTH];
    SHA256(key, key_size, parts);
    SHA256(value->data, value->size, parts + SHA256_DIGEST_LENGTH);
    memcpy(parts + sizeof parts - sizeof value->expire_ms, &value->expire_ms,
           sizeof value->expire_ms);
    SHA256(parts, sizeof parts, hash);
    for (size_t i = 0; i < SHA_DIGEST_LENGTH; i++)
        digest[i] ^= hash[i];
}

static bool digest_each(const void *key, size_t key_size, const struct anystore_value *value,
                        void *arg)
{
    digest_key(arg, key, key_size, value);
    return true;
}

static void reply_digest(struct call *call, const uint8_t digest[SHA_DIGEST_LENGTH])
{
    char hex[2 * SHA_DIGEST_LENGTH + 1];
    for (size_t i = 0; i < SHA_DIGEST_LENGTH; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    resp_write_simple(call->reply, hex);
}

static void debug_digest(struct call *call)
{
    uint8_t digest[SHA_DIGEST_LENGTH] = {0};
    anystore_each(call->txn, digest_each, digest);
    reply_digest(call, digest);
}

static void debug_digest_value(struct call *call)
{
    resp_write_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_arg *key = &call->argv[i];
        uint8_t digest[SHA_DIGEST_LENGTH] = {0};
        struct anystore_value value;
        if (anystore_get(call->txn, key->data, key->size, &value))
            digest_key(digest, "", 0, &value);
        reply_digest(call, digest);
    }
}

/* DEBUG POPULATE count [prefix] [size] */
static void debug_populate(struct call *call)
{
    const struct resp_arg *argv = call->argv;
    int64_t count = 0, size = 0;
    if (!arg_integer(&argv[2], &count) || count < 0 ||
        (call->argc == 5 && (!arg_integer(&argv[4], &size) || size < 0))) {
        resp_write_error(call->reply, "ERR value is out of range, must be positive");
        return;
    }
    const struct resp_arg standard = {(const uint8_t *)"key", 3};
    const struct resp_arg *prefix = call->argc > 3 ? &argv[3] : &standard;
    char *key = malloc(prefix->size + 32);
    char *value = calloc(1, (size_t)size + 32);
    bool ok = key && value;
    if (!ok)
        reply_out_of_memory(call);
    for (int64_t i = 0; ok && i < count; i++) {
        int key_size = snprintf(key, prefix->size + 32, "%.*s:%lld", (int)prefix->size,
                                prefix->size > 0 ? arg_text(prefix) : "", (long long)i);
        int value_size = snprintf(value, (size_t)size + 32, "value:%lld", (long long)i);
        if (anystore_get(call->txn, key, (size_t)key_size, NULL))
            continue;
        struct anystore_value put = {.data = value,
                                     .size = size > 0 ? (size_t)size : (size_t)value_size};
        const struct resp_arg name = {(const uint8_t *)key, (size_t)key_size};
        call_event(call, NOTIFY_NEW, "new", &name);
        ok = store_ok_or_reply(call, anystore_put(call->txn, key, (size_t)key_size, &put));
    }
    free(key);
    free(value);
    if (ok)
        reply_ok(call);
}

/* ---- The server --------------------------------------------------------------------------- */

/* Writes a new base.  Nothing is loaded again: the data in memory is the data in the file. */
static void debug_reload(struct call *call)
{
    log_write(call->session->server->log, LOG_WARNING, "DB reloaded by DEBUG RELOAD");
    reply_ok(call);
}

static bool reload_options_fit(size_t argc, const struct resp_arg *argv)
{
    for (size_t i = 2; i < argc; i++) {
        if (!arg_is(&argv[i], "merge") && !arg_is(&argv[i], "noflush") &&
            !arg_is(&argv[i], "nosave"))
            return false;
    }
    return true;
}

static void debug_reload_checked(struct call *call)
{
    if (reload_options_fit(call->argc, call->argv))
        debug_reload(call);
    else
        resp_write_error(call->reply, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and "
                                      "NOSAVE options.");
}

static void debug_log(struct call *call)
{
    const struct resp_arg *text = option_of(call);
    log_write(call->session->server->log, LOG_WARNING, "DEBUG LOG: %.*s",
              (int)(text->size < INT_MAX ? text->size : INT_MAX),
              text->size > 0 ? arg_text(text) : "");
    reply_ok(call);
}

static void debug_error(struct call *call)
{
    const struct resp_arg *text = option_of(call);
    resp_write_errorf(call->reply, "%.*s", (int)(text->size < INT_MAX ? text->size : INT_MAX),
                      text->size > 0 ? arg_text(text) : "");
}

static void debug_stringmatch_len(struct call *call)
{
    const struct resp_arg *pattern = &call->argv[2], *text = &call->argv[3];
    resp_write_integer(call->reply, glob_match(arg_text(pattern), pattern->size, arg_text(text),
                                               text->size, false));
}

/* Ends the process, to test the consequences: no acknowledged write may be lost. */
static void debug_crash(struct call *call)
{
    bool segfault = arg_is(&call->argv[1], "segfault");
    log_write(call->session->server->log, LOG_WARNING, "Ended by DEBUG %s",
              segfault ? "SEGFAULT" : "PANIC");
    signal(segfault ? SIGSEGV : SIGABRT, SIG_DFL);
    raise(segfault ? SIGSEGV : SIGABRT);
}

/* ---- DEBUG PROTOCOL ----------------------------------------------------------------------- */

static void reply_012(struct call *call)
{
    for (int i = 0; i < 3; i++)
        resp_write_integer(call->reply, i);
}

/* "|1": an attribute of RESP3, in front of a reply.  No other command sends one. */
static void reply_attribute(struct call *call)
{
    static const char header[] = "|1\r\n";
    if (call->reply->version < 3)
        return;
    resp_buffer_append(call->reply->out, header, strlen(header));
    resp_write_bulk_text(call->reply, "key-popularity");
    resp_write_array(call->reply, 2);
    resp_write_bulk_text(call->reply, "key:123");
    resp_write_integer(call->reply, 90);
}

static void debug_protocol(struct call *call)
{
    struct resp_writer *reply = call->reply;
    const struct resp_arg *type = option_of(call);
    if (arg_is(type, "string")) {
        resp_write_bulk_text(reply, "Hello World");
    } else if (arg_is(type, "integer")) {
        resp_write_integer(reply, 12345);
    } else if (arg_is(type, "double")) {
        resp_write_double(reply, 3.141);
    } else if (arg_is(type, "bignum")) {
        resp_write_big_number(reply, "1234567999999999999999999999999999999");
    } else if (arg_is(type, "null")) {
        resp_write_null(reply);
    } else if (arg_is(type, "array")) {
        resp_write_array(reply, 3);
        reply_012(call);
    } else if (arg_is(type, "set")) {
        resp_write_set(reply, 3);
        reply_012(call);
    } else if (arg_is(type, "map")) {
        resp_write_map(reply, 3);
        for (int i = 0; i < 3; i++) {
            resp_write_integer(reply, i);
            resp_write_boolean(reply, i == 1);
        }
    } else if (arg_is(type, "attrib")) {
        reply_attribute(call);
        resp_write_bulk_text(reply, "Some real reply following the attribute");
    } else if (arg_is(type, "push") && reply->version < 3) {
        resp_write_error(reply, "ERR RESP2 is not supported by this command");
    } else if (arg_is(type, "push")) {
        resp_write_push(call->push, 2);
        resp_write_bulk_text(call->push, "server-cpu-usage");
        resp_write_integer(call->push, 42);
        resp_write_bulk_text(reply, "Some real reply following the push reply");
    } else if (arg_is(type, "verbatim")) {
        static const char text[] = "This is a verbatim\nstring";
        resp_write_verbatim(reply, "txt", text, strlen(text));
    } else if (arg_is(type, "true") || arg_is(type, "false")) {
        resp_write_boolean(reply, arg_is(type, "true"));
    } else {
        resp_write_error(reply,
                         "ERR Wrong protocol type name. Please use one of the following: "
                         "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
                         "true|false");
    }
}

/* ---- Finding them ------------------------------------------------------------------------- */

static void debug_help(struct call *call);

/* The subcommands.  Redis does not show them in its command table either. */
static const struct debug_row {
    const char *name;
    size_t least, most; /* number of arguments, with both names */
    unsigned flags;     /* what the subcommand needs of the store */
    void (*run)(struct call *call);
} debug_rows[] = {
    {"aof-flush-sleep", 3, 3, 0, debug_ok},
    {"assert", 2, 2, 0, debug_crash},
    {"change-repl-id", 2, 2, 0, debug_ok},
    {"digest", 2, 2, COMMAND_VIEW, debug_digest},
    {"digest-value", 2, SIZE_MAX, COMMAND_VIEW, debug_digest_value},
    {"error", 3, 3, 0, debug_error},
    {"help", 2, 2, 0, debug_help},
    {"loadaof", 2, 2, COMMAND_ALONE, debug_reload},
    {"log", 3, 3, 0, debug_log},
    {"object", 3, 3, COMMAND_VIEW, debug_object},
    {"panic", 2, 2, 0, debug_crash},
    {"pause-cron", 3, 3, 0, debug_ok},
    {"populate", 3, 5, COMMAND_WRITE, debug_populate},
    {"protocol", 3, 3, 0, debug_protocol},
    {"quicklist-packed-threshold", 3, 3, 0, debug_ok},
    {"reload", 2, SIZE_MAX, COMMAND_ALONE, debug_reload_checked},
    {"replicate", 3, SIZE_MAX, 0, debug_ok},
    {"replybuffer", 4, 4, 0, debug_replybuffer},
    {"sdslen", 3, 3, COMMAND_VIEW, debug_sdslen},
    {"segfault", 2, 2, 0, debug_crash},
    {"set-active-expire", 3, 3, 0, debug_ok},
    {"set-disable-deny-scripts", 3, 3, 0, debug_ok},
    {"set-skip-checksum-validation", 3, 3, 0, debug_ok},
    {"sleep", 3, 3, COMMAND_WAITS, debug_sleep},
    {"stringmatch-len", 4, 4, 0, debug_stringmatch_len},
};

static void debug_help(struct call *call)
{
    static const char *const lines[] = {
        "CHANGE-REPL-ID, PAUSE-CRON <0|1>, QUICKLIST-PACKED-THRESHOLD <size>,",
        "SET-ACTIVE-EXPIRE <0|1> and others of Redis's test suite",
        "    Accepted, without effect.",
        "DIGEST",
        "    Return a hash of all data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Return a hash of the value of each key.",
        "ERROR <text>",
        "    Return an error with that text.",
        "LOG <message>",
        "    Write a message to the server's log.",
        "OBJECT <key>",
        "    Show low level info about a key and its value.",
        "PANIC, SEGFAULT",
        "    Crash the server.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make so many keys, named key:<number> or <prefix>:<number>.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type.",
        "RELOAD",
        "    Write the data file anew.",
        "SDSLEN <key>",
        "    Show the sizes of a key and its value.",
        "SLEEP <seconds>",
        "    Do nothing for so long. Decimals allowed.",
        "STRINGMATCH-LEN <pattern> <text>",
        "    Return whether a text fits a pattern.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct debug_row *find_row(size_t argc, const struct resp_arg *argv)
{
    for (size_t i = 0; i < sizeof debug_rows / sizeof *debug_rows; i++) {
        const struct debug_row *row = &debug_rows[i];
        if (arg_is(&argv[1], row->name) && argc >= row->least && argc <= row->most)
            return row;
    }
    return NULL;
}

static unsigned debug_flags(size_t argc, const struct resp_arg *argv)
{
    const struct debug_row *row = find_row(argc, argv);
    if (!row || ((row->flags & COMMAND_ALONE) && !reload_options_fit(argc, argv)))
        return 0;
    return row->flags;
}

static void run_debug(struct call *call)
{
    const struct debug_row *row = find_row(call->argc, call->argv);
    if (row)
        row->run(call);
    else
        reply_subcommand_syntax_error(call);
}

const struct command command_debug_rows[] = {
    {.name = "debug",
     .run = run_debug,
     .arity = -2,
     .flags =
         COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_PROTECTED,
     .call_flags = debug_flags,
     .since = "1.0.0",
     .group = "server",
     .is_system = true,
     .complexity = "Depends on the subcommand",
     .summary = "A container for what test suites use."},
    {0},
};
