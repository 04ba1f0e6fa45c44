/* SPDX-License-Identifier: MIT */
/* Write commands, each with and without an effect, and what they do to a watched key: redis-server
 * tells whether the EXEC of its watcher is aborted, and whether there is anything to commit. */
#include "tests/client/watch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The keys, each of which is watched by a client of its own: `k` holds a number, `s` text, `e` has
 * an expiry; `x` had expired before it was watched; `n` and `m` are missing.  Database 1 has `o`
 * and `k`, too. */
static const char *const watched[] = {"k", "e", "s", "o", "x", "n", "m"};

static const char *const prepare[] = {
    "FLUSHALL", "SELECT 1",   "SET o 1", "SET k 2",         "SET in1 1",    "SELECT 0",
    "SET k 1",  "SET s text", "SET o 0", "SET e 1 EX 1000", "SET x 1 PX 1",
};

static const struct watch_row {
    const char *command;
    const char *more; /* watched keys that it touches in ours, though not in Redis */
    const char *here; /* keys that it touches in Redis, but in ours only at the same server */
    bool commits;     /* though in Redis nothing is dirty */
} rows[] = {
    {.command = "SET k 1"},
    {.command = "SET n 1"},
    {.command = "SET x 1"},
    {.command = "SET k 1 NX"},
    {.command = "SET n 1 NX"},
    {.command = "SET k 1 XX"},
    {.command = "SET n 1 XX"},
    {.command = "SET x 1 XX"},
    {.command = "SET k 1 GET"},
    {.command = "SET k 1 NX GET"},
    {.command = "SET n 1 XX GET"},
    {.command = "SET e 1 KEEPTTL"},
    {.command = "SET k 1 EX 100"},
    {.command = "SET k 1 PXAT 1"},
    {.command = "SET n 1 PXAT 1", .here = "n"},
    {.command = "SET k 1 EX 0"},
    {.command = "SETNX k 1"},
    {.command = "SETNX n 1"},
    {.command = "SETNX x 1"},
    {.command = "SETEX k 100 1"},
    {.command = "SETEX k 0 1"},
    {.command = "PSETEX k 100000 1"},
    {.command = "GETSET k 1"},
    {.command = "GETSET n 1"},
    {.command = "GETDEL k"},
    {.command = "GETDEL n"},
    {.command = "GETDEL x"},
    {.command = "GETEX k"},
    {.command = "GETEX k PERSIST"},
    {.command = "GETEX e PERSIST"},
    {.command = "GETEX x PERSIST"},
    {.command = "GETEX k EX 100"},
    {.command = "GETEX n EX 100"},
    {.command = "GETEX k PXAT 1"},
    {.command = "APPEND k x"},
    {.command = "APPEND k \"\""},
    {.command = "APPEND e \"\""},
    {.command = "APPEND n \"\""},
    {.command = "APPEND x \"\""},
    {.command = "SETRANGE k 0 1"},
    {.command = "SETRANGE k 0 x"},
    {.command = "SETRANGE k 0 \"\""},
    {.command = "SETRANGE k 5 \"\""},
    {.command = "SETRANGE n 5 \"\""},
    {.command = "SETRANGE n 0 x"},
    {.command = "SETBIT k 0 0"},
    {.command = "SETBIT k 0 1"},
    {.command = "SETBIT k 7 1"},
    {.command = "SETBIT k 100 0"},
    {.command = "SETBIT n 0 0"},
    {.command = "SETBIT x 0 0"},
    {.command = "BITFIELD k GET u8 0"},
    {.command = "BITFIELD k SET u8 0 49"},
    {.command = "BITFIELD k SET u8 0 305"},
    {.command = "BITFIELD k SET i8 0 305"},
    {.command = "BITFIELD k SET u8 0 50"},
    {.command = "BITFIELD k SET u8 0 50 SET u8 0 49"},
    {.command = "BITFIELD k INCRBY u8 0 0"},
    {.command = "BITFIELD k INCRBY u8 0 256"},
    {.command = "BITFIELD k INCRBY u8 0 1"},
    {.command = "BITFIELD k OVERFLOW SAT INCRBY u8 0 1000 INCRBY u8 0 5"},
    {.command = "BITFIELD k OVERFLOW FAIL INCRBY u8 0 255"},
    {.command = "BITFIELD k SET u8 8 0"},
    {.command = "BITFIELD k OVERFLOW FAIL SET u8 8 256 SET u8 8 0"},
    {.command = "BITFIELD n GET u8 0"},
    {.command = "BITFIELD n SET u8 0 0"},
    {.command = "BITFIELD n INCRBY u8 0 0"},
    {.command = "BITFIELD_RO k GET u8 0"},
    /* Redis makes the string longer and notifies nobody. */
    {.command = "BITFIELD k OVERFLOW FAIL INCRBY u8 8 256", .more = "k", .commits = true},
    {.command = "BITFIELD n OVERFLOW FAIL SET u8 0 256", .more = "n", .commits = true},
    {.command = "BITOP AND k k"},
    {.command = "BITOP AND k n"},
    {.command = "BITOP AND n m"},
    {.command = "BITOP AND n n"},
    {.command = "BITOP AND x x"},
    {.command = "BITOP OR n k"},
    {.command = "INCR k"},
    {.command = "INCR s"},
    {.command = "INCRBY k 0"},
    {.command = "DECRBY k 0"},
    {.command = "INCRBY n 0"},
    {.command = "INCRBYFLOAT k 0"},
    {.command = "INCRBYFLOAT n 0"},
    {.command = "INCRBYFLOAT s 1"},
    {.command = "MSET k 1"},
    {.command = "MSET s 1 n 1"},
    {.command = "MSETNX n 1 k 1"},
    {.command = "MSETNX n 1 m 1"},
    {.command = "MSETNX n 1 x 1"},
    {.command = "DEL k n"},
    {.command = "DEL n"},
    {.command = "DEL x"},
    {.command = "UNLINK k"},
    {.command = "UNLINK n"},
    {.command = "TOUCH k n x"},
    {.command = "EXISTS k n x"},
    {.command = "MGET k n x"},
    {.command = "EXPIRE k 100"},
    {.command = "EXPIRE n 100"},
    {.command = "EXPIRE x 100"},
    {.command = "EXPIRE k 0"},
    {.command = "EXPIRE k -1"},
    {.command = "EXPIRE n -1"},
    {.command = "EXPIRE e 100 NX"},
    {.command = "EXPIRE k 100 XX"},
    {.command = "EXPIRE k 100 GT"},
    {.command = "EXPIRE k 100 LT"},
    {.command = "EXPIRE e 1 GT"},
    {.command = "EXPIRE e 100000 LT"},
    {.command = "EXPIRE e 100000 GT"},
    {.command = "PEXPIREAT e 9999999999999"},
    {.command = "EXPIREAT e 1 GT"},
    {.command = "EXPIREAT e 1 NX"},
    {.command = "EXPIREAT e 1"},
    {.command = "PERSIST k"},
    {.command = "PERSIST e"},
    {.command = "PERSIST n"},
    {.command = "PERSIST x"},
    {.command = "RENAME k n"},
    {.command = "RENAME k k"},
    {.command = "RENAME k s"},
    {.command = "RENAME k x"},
    {.command = "RENAME n k"},
    {.command = "RENAME x k"},
    {.command = "RENAMENX k n"},
    {.command = "RENAMENX k s"},
    {.command = "RENAMENX k k"},
    {.command = "RENAMENX k x"},
    {.command = "COPY k n"},
    {.command = "COPY k s"},
    {.command = "COPY k s REPLACE"},
    {.command = "COPY n k REPLACE"},
    {.command = "COPY x k REPLACE"},
    {.command = "COPY k x"},
    {.command = "COPY k n DB 1"},
    {.command = "COPY s k DB 1"},
    {.command = "COPY s k DB 1 REPLACE"},
    {.command = "MOVE s 1"},
    {.command = "MOVE o 1"},
    {.command = "MOVE n 1"},
    {.command = "MOVE x 1"},
    {.command = "MOVE k 0"},
    {.command = "RESTORE n 0 {dump}"},
    {.command = "RESTORE x 0 {dump}"},
    {.command = "RESTORE k 0 {dump}"},
    {.command = "RESTORE k 0 {dump} REPLACE"},
    {.command = "RESTORE k 1 {dump} REPLACE ABSTTL"},
    {.command = "RESTORE n 1 {dump} ABSTTL"},
    {.command = "RESTORE n 1 {dump} REPLACE ABSTTL"},
    {.command = "RESTORE k 0 wrong REPLACE"},
    {.command = "SORT n STORE k"},
    {.command = "SORT n STORE m"},
    {.command = "SORT n STORE x"},
    {.command = "FLUSHDB"},
    {.command = "FLUSHALL"},
    {.command = "SWAPDB 0 0"},
    {.command = "SWAPDB 0 1"},
    {.command = "SWAPDB 1 0"},
    {.command = "SWAPDB 0 2"},
    {.command = "SWAPDB 1 2"},
    {.command = "DBSIZE"},
    {.command = "OBJECT ENCODING k"},
    {.command = "DUMP k"},
    {.command = "SAVE"},
};

/* The outcome at one of the servers. */
struct outcome {
    char *reply;
    bool changed;                     /* something was written */
    char touched[COUNT(watched) + 1]; /* the watched keys that it touched */
};

/* An inline command, so that arguments may be quoted. */
static char *ask(struct raw *raw, const char *command)
{
    check(raw_send_text(raw, command) && raw_send_text(raw, "\r\n"), "the connection is lost");
    struct reply *reply = raw_reply(raw);
    char *text = reply_text(reply);
    reply_free(reply);
    return text;
}

static void expect(struct raw *raw, const char *expected, const char *command)
{
    char *text = ask(raw, command);
    check(!strcmp(text, expected), "%s: %s", command, text);
    free(text);
}

/* As an argument of an inline command. */
static char *quoted_dump(const struct server *redis)
{
    struct raw *raw = raw_connect(redis);
    struct bytes quoted = {0};
    check(raw, "cannot connect");
    expect(raw, "+OK", "SET dumped value");
    struct reply *reply = raw_command(raw, "DUMP", "dumped", NULL);
    check(reply && reply->type == '$', "no DUMP");
    bytes_append_text(&quoted, "\"");
    for (size_t i = 0; i < reply->size; i++)
        bytes_appendf(&quoted, "\\x%02x", reply->data[i]);
    bytes_append_text(&quoted, "\"");
    reply_free(reply);
    raw_close(raw);
    return (char *)quoted.data;
}

static char *with_dump(const char *command, const char *dump)
{
    const char *place = strstr(command, "{dump}");
    return place ? text_format("%.*s%s%s", (int)(place - command), command, dump,
                               place + strlen("{dump}"))
                 : text_format("%s", command);
}

static long long written(const struct server *server)
{
    redisContext *client = client_connect(server);
    long long count = server->options.kind == SERVER_REDIS
                          ? client_info(client, "persistence", "rdb_changes_since_last_save")
                          : client_info(client, "anystore", "commits");
    redisFree(client);
    return count;
}

/* The server that runs the command, and the one whose clients watch. */
static void look(const struct server *server, const struct server *watching, const char *command,
                 struct outcome *outcome)
{
    struct raw *writer = raw_connect(server), *watchers[COUNT(watched)];
    const struct timespec moment = {.tv_nsec = 200000};
    check(writer, "cannot connect");
    for (size_t i = 0; i < COUNT(prepare); i++)
        expect(writer, "+OK", prepare[i]);
    for (int64_t until = wall_ms() + 3; wall_ms() < until;) /* x has a time of 1 ms */
        nanosleep(&moment, NULL);
    for (size_t i = 0; i < COUNT(watched); i++) {
        watchers[i] = raw_connect(watching);
        check(watchers[i], "cannot connect");
        char *watch = text_format("WATCH %s", watched[i]);
        expect(watchers[i], "+OK", watch);
        free(watch);
    }
    long long before = written(server);
    outcome->reply = ask(writer, command);
    outcome->changed = written(server) > before;
    size_t count = 0;
    for (size_t i = 0; i < COUNT(watched); i++) {
        expect(watchers[i], "+OK", "MULTI");
        expect(watchers[i], "+QUEUED", "PING");
        char *text = ask(watchers[i], "EXEC");
        check(!strcmp(text, "_") || !strcmp(text, "[+PONG]"), "EXEC: %s", text);
        if (*text == '_')
            outcome->touched[count++] = *watched[i];
        free(text);
        raw_close(watchers[i]);
    }
    outcome->touched[count] = '\0';
    raw_close(writer);
}

/* Whether that key may be touched here, or must not be. */
static bool is_right(const struct watch_row *row, const struct outcome *redis, char key,
                     bool touched, bool elsewhere)
{
    if (elsewhere && row->here && strchr(row->here, key))
        return true;
    /* Another server takes an exchange for a change of the whole file: more watches fire. */
    if (elsewhere && touched && !strncmp(row->command, "SWAPDB", 6))
        return true;
    return touched == (strchr(redis->touched, key) || (row->more && strchr(row->more, key)));
}

static void compare(const struct watch_row *row, const struct outcome *redis,
                    const struct outcome *ours, bool elsewhere)
{
    const char *command = row->command;
    check(!strcmp(redis->reply, ours->reply), "%s: %s, redis-server says %s", command, ours->reply,
          redis->reply);
    for (size_t i = 0; i < COUNT(watched); i++)
        check(is_right(row, redis, *watched[i], strchr(ours->touched, *watched[i]), elsewhere),
              "%s%s: touches \"%s\", in redis-server \"%s\"", command,
              elsewhere ? " at another server" : "", ours->touched, redis->touched);
    check(!ours->changed || redis->changed || row->commits, "%s: a commit for nothing", command);
}

void watch_as_redis(struct harness *harness)
{
    static const char *const args[] = {"--enable-debug-command", "yes", NULL};
    const struct server_options options = {.kind = SERVER_REDIS, .args = args};
    struct server *redis = server_start(harness, &options);
    struct server *ours = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *raw = raw_connect(redis);
    check(raw, "cannot connect");
    expect(raw, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0"); /* x stays until a command looks at it */
    raw_close(raw);
    char *dump = quoted_dump(redis);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct outcome outcomes[3];
        char *command = with_dump(rows[i].command, dump);
        look(redis, redis, command, &outcomes[0]);
        look(ours, ours, command, &outcomes[1]);
        look(other, ours, command, &outcomes[2]);
        compare(&rows[i], &outcomes[0], &outcomes[1], false);
        compare(&rows[i], &outcomes[0], &outcomes[2], true);
        for (size_t j = 0; j < 3; j++)
            free(outcomes[j].reply);
        free(command);
    }
    print_message("%zu commands, %zu keys watched\n", COUNT(rows), COUNT(watched));
    free(dump);
}
