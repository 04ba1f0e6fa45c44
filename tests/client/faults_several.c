/* SPDX-License-Identifier: MIT */
/* A command over several databases, each of which has its own commit, when some or all of these
 * commits fail: no key is lost, and the reply says what was kept.  A file size limit lies between
 * the sizes of the databases' files: commits to larger files fail. */
#include "tests/client/faults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/client/harness/bytes.h"

#define LIMIT 65536
#define LARGE 200000 /* bytes in a database whose commit will fail */

static const char nothing[] = "Not persisted, nothing was changed: ";
static const char a_part[] = "Not persisted, but for a part in another database: ";

static const struct several_fault {
    const char *command; /* of database 0; several lines are queued in a row */
    unsigned failing;    /* bits: the databases whose commits fail */
    const char *reply;   /* the beginning of the reply; an error continues with the cause */
    const char *after;   /* commits_state() */
} several_faults[] = {
    /* The commit of database 0 is the last one. */
    {"MOVE k 1", 0, ":1", "$old2 $old0 _"},
    {"MOVE k 1", 1 << 1, nothing, "$old2 _ $old0"},
    {"MOVE k 1", 1 << 0, a_part, "$old2 $old0 $old0"},
    {"MOVE k 1", 1 << 1 | 1 << 0, nothing, "$old2 _ $old0"},
    {"COPY k k DB 1", 1 << 1, nothing, "$old2 _ $old0"},
    {"COPY k k DB 1", 1 << 0, ":1", "$old2 $old0 $old0"}, /* only reads there */
    {"COPY k k DB 1", 1 << 1 | 1 << 0, nothing, "$old2 _ $old0"},
    {"COPY k k DB 2 REPLACE", 1 << 2, nothing, "$old2 _ $old0"},
    /* In the order 2, 1, 0. */
    {"FLUSHALL", 1 << 2, nothing, "$old2 _ $old0"},
    {"FLUSHALL", 1 << 1, a_part, "_ _ $old0"},
    {"FLUSHALL", 1 << 0, a_part, "_ _ $old0"},
    {"FLUSHALL", 1 << 2 | 1 << 1 | 1 << 0, nothing, "$old2 _ $old0"},
    /* An EXEC writes in one database. */
    {"APPEND k +\nSELECT 1\nGET k\nSELECT 0\nAPPEND k +", 1 << 0, nothing, "$old2 _ $old0"},
    {"APPEND k +\nSELECT 1\nGET k\nSELECT 0\nAPPEND k +", 1 << 1, "[:5 +OK _ +OK :6]",
     "$old2 _ $old0++"},
    {"GET k\nSELECT 1\nSET k new\nDEL k\nSET k newer", 1 << 1, nothing, "$old2 _ $old0"},
    {"GET k\nSELECT 1\nSET k new\nDEL k\nSET k newer", 1 << 0, "[$old0 +OK +OK :1 +OK]",
     "$old2 $newer $old0"},
};

static void several_prepare(struct commits *commits, const struct several_fault *fault)
{
    redisContext *client = client_connect(commits->server);
    for (int database = COMMITS_DATABASES - 1; database >= 0; database--) {
        client_expect(client, "+OK", "SELECT %d", database);
        client_expect_start(client, ":", "DEL ballast");
        client_expect(client, "+OK", "SET k old%d", database);
        client_expect(client, "+OK", "SAVE");
        if (fault->failing & 1u << database) {
            struct bytes large = {0};
            memset(bytes_reserve(&large, LARGE), 'b', LARGE);
            client_expect(client, "+OK", "SET ballast %b", large.data, (size_t)LARGE);
            bytes_free(&large);
        }
    }
    client_expect(client, "+OK", "SELECT 1");
    client_expect(client, ":1", "DEL k");
    redisFree(client);
}

/* One command, or a transaction of several. */
static char *several_run(redisContext *client, const char *commands)
{
    if (!strchr(commands, '\n'))
        return client_text(client, commands);
    client_expect(client, "+OK", "MULTI");
    while (*commands) {
        size_t size = strcspn(commands, "\n");
        char *command = text_format("%.*s", (int)size, commands);
        client_expect(client, "+QUEUED", command);
        free(command);
        commands += size + (commands[size] == '\n');
    }
    return client_text(client, "EXEC");
}

static void several_check(redisContext *client, const struct several_fault *fault)
{
    char *state = commits_state(client);
    check(!strcmp(state, fault->after), "%s with failing databases %x: there is %s, not %s",
          fault->command, fault->failing, state, fault->after);
    free(state);
}

static void several_fail(struct commits *commits, const struct several_fault *fault)
{
    several_prepare(commits, fault);
    redisContext *client = client_connect(commits->server);
    rlim_t before = faults_limit(commits->server, RLIMIT_FSIZE);
    faults_set_limit(commits->server, RLIMIT_FSIZE, LIMIT);
    char *text = several_run(client, fault->command);
    faults_set_limit(commits->server, RLIMIT_FSIZE, before);
    bool refused = fault->reply == nothing || fault->reply == a_part;
    check(refused ? text[0] == '-' && strstr(text, fault->reply) && strstr(text, strerror(EFBIG))
                  : !strcmp(text, fault->reply),
          "%s with failing databases %x: %s", fault->command, fault->failing, text);
    free(text);
    several_check(client, fault);
    several_check(commits->clients[0], fault);
    redisFree(client);
    server_kill(commits->server);
    server_restart(commits->server);
    client = client_connect(commits->server);
    several_check(client, fault);
    redisFree(client);
}

void commits_of_several_fail(struct harness *harness)
{
    struct commits commits;
    commits_begin(harness, &commits);
    for (size_t i = 0; i < sizeof several_faults / sizeof *several_faults; i++)
        several_fail(&commits, &several_faults[i]);
    commits_end(&commits);
}
