/* SPDX-License-Identifier: MIT */
/* Trouble while the server runs: it refuses writes with an error that names the file and the cause,
 * reads go on, nothing is lost or overwritten, and everything works again when the trouble is over.
 * Also what a running server leaves on disk, and how it stops. */
#include "tests/client/start.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/client/harness/raw.h"
#include "tests/client/harness/workers.h"

/* A write is refused with a reply that names the data file and the cause (any of the texts, NULL
 * ends; no texts: any), for several kinds of writes; reads go on. */
static void writes_are_refused(struct harness *harness, redisContext *client, const char *db,
                               const char *const *causes)
{
    (void)harness;
    static const char *const writes[] = {"SET key other",    "INCR counter", "DEL key",
                                         "MSET key 1 new 2", "FLUSHALL",     "SET key x EX 100",
                                         "EXPIRE key 100"};
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        char *text = client_text(client, writes[i]);
        check(!strncmp(text, "-ERR ", 5) || !strncmp(text, "-MISCONF ", 9), "%s: %s", writes[i],
              text);
        check(strstr(text, db), "%s: the file is not named: %s", writes[i], text);
        bool found = !causes[0];
        for (size_t j = 0; causes[j]; j++)
            found = found || strstr(text, causes[j]);
        check(found, "%s: the cause is not named: %s", writes[i], text);
        free(text);
        client_expect(client, "$before", "GET key");
        client_expect(client, "$5", "GET counter");
        client_expect(client, ":-1", "TTL key");
        client_expect(client, ":2", "DBSIZE");
    }
    client_expect_start(client, "-MISCONF Errors writing to the data file: ", "PING");
}

static void writes_work(redisContext *client)
{
    client_expect(client, "+OK", "SET key after");
    client_expect(client, ":6", "INCR counter");
    client_expect(client, "[$after $6]", "MGET key counter");
    client_expect(client, "+PONG", "PING");
}

static redisContext *prepare(struct server *server)
{
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "MSET key before counter 5");
    return client;
}

/* After the trouble: another server, and a restart, see exactly what was acknowledged. */
static void all_is_well(struct harness *harness, struct server *server,
                        const struct server_options *options)
{
    struct server *other = server_start(harness, options);
    for (int i = 0; i < 2; i++) {
        redisContext *client = client_connect(i ? server : other);
        client_expect(client, "[$after $6 _]", "MGET key counter new");
        client_expect(client, ":2", "DBSIZE");
        redisFree(client);
        check(server_stop(i ? server : other) == 0, "a server does not stop cleanly");
        if (!i) {
            check(server_stop(server) == 0, "a server does not stop cleanly");
            server_restart(server);
        }
    }
    const char *data = options->data ? options->data : harness->data;
    char *names = directory_names(data);
    check(!strstr(names, ".tmp"), "left behind: %s", names);
    free(names);
}

void read_only_directory(struct harness *harness)
{
    struct server_options options = {.user = start_ordinary_user(harness)};
    struct server *server = server_start(harness, &options);
    redisContext *client = prepare(server);
    check(!chmod(harness->data, 0500), "chmod: %s", strerror(errno));
    writes_are_refused(harness, client, harness->db,
                       (const char *const[]){"ermission", "ead-only", NULL});
    check(!chmod(harness->data, 0700), "chmod: %s", strerror(errno));
    writes_work(client);
    redisFree(client);
    all_is_well(harness, server, &options);
}

/* Writes for which there is no space: refused, and no part of them is there. */
static void too_much(redisContext *client, const char *db, const char *value, size_t size)
{
    static const char *const writes[] = {"SET big %b", "SET key %b", "APPEND key %b",
                                         "MSET new 1 big %b", "SET key %b EX 100"};
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        char *text = client_text(client, writes[i], value, size);
        check(!strncmp(text, "-ERR ", 5) || !strncmp(text, "-MISCONF ", 9), "%s: %.200s", writes[i],
              text);
        check(strstr(text, "No space") && strstr(text, db), "%s: file or cause is not named: %s",
              writes[i], text);
        free(text);
        client_expect(client, "[$before $5 _ _]", "MGET key counter big new");
        client_expect(client, ":-1", "TTL key");
    }
}

void full_disk(struct harness *harness)
{
    const char *mounted = harness_mount(harness, "1m");
    if (!mounted)
        harness_skip(harness, "cannot mount a small file system here");
    struct server_options options = {.data = mounted};
    struct server *server = server_start(harness, &options);
    redisContext *client = prepare(server);
    /* More than fits, several times: each is refused, and its space is given back. */
    size_t size = 2u << 20;
    char *value = malloc(size);
    check(value, "out of memory");
    memset(value, 'v', size);
    char *ballast = text_format("%s/ballast", mounted);
    char *db = text_format("%s/anystore.db", mounted);
    for (int i = 0; i < 5; i++) {
        too_much(client, db, value, size);
        client_expect(client, "+OK", "SET key before");
    }
    /* Not one block is left.  A write that fits into the file's room may still be done, a larger
     * one is refused. */
    check(!bytes_write_file(ballast, value, size, 0600) && errno == ENOSPC,
          "the small disk does not get full");
    for (int i = 0; i < 5; i++)
        too_much(client, db, value, 100000);
    free(value);
    check(!unlink(ballast), "unlink: %s", strerror(errno));
    writes_work(client);
    redisFree(client);
    all_is_well(harness, server, &options);
    free(ballast);
    free(db);
}

void file_vanishes(struct harness *harness)
{
    struct server_options options = {0};
    struct server *server = server_start(harness, &options);
    redisContext *client = prepare(server);
    char *away = text_format("%s/away", harness->dir);
    check(!rename(harness->db, away), "rename: %s", strerror(errno));
    writes_are_refused(harness, client, harness->db, (const char *const[]){NULL});
    check(access(harness->db, F_OK), "a new file was made in place of the lost one");
    check(!rename(away, harness->db), "rename: %s", strerror(errno));
    writes_work(client);
    redisFree(client);
    all_is_well(harness, server, &options);
    free(away);
}

static void replace_with(struct harness *harness, redisContext *client, const struct bytes *other)
{
    char *kept = text_format("%s/kept", harness->dir);
    struct bytes now = {0};
    check(!rename(harness->db, kept), "rename: %s", strerror(errno));
    check(bytes_write_file(harness->db, other->data, other->size, 0600), "write");
    writes_are_refused(harness, client, harness->db, (const char *const[]){NULL});
    start_read_data(harness, &now);
    check(bytes_equal(&now, other), "the file that took its place was changed");
    check(!rename(kept, harness->db), "rename: %s", strerror(errno));
    client_expect(client, "+OK", "SET key before");
    bytes_free(&now);
    free(kept);
}

/* The data file is replaced: by something else, by the data of another key, by other data of the
 * same key, by an old copy. */
void file_is_replaced(struct harness *harness)
{
    struct bytes other = {0};
    char *data = text_format("%s/other", harness->dir);
    char *key = text_format("%s/other-key", harness->dir);
    char *path = text_format("%s/anystore.db", data);
    check(!mkdir(data, 0700), "mkdir: %s", strerror(errno));

    struct server_options options = {0};
    struct server *server = server_start(harness, &options);
    redisContext *client = prepare(server);
    for (int i = 0; i < 30; i++)
        client_expect(client, "+OK", "SET key before:%d", i);
    client_expect(client, "+OK", "SET key before");

    bytes_append_text(&other, "somebody else's text\n");
    replace_with(harness, client, &other);
    bytes_clear(&other);
    replace_with(harness, client, &other);

    write_key(key, 9, 32, 0600);
    struct server_options foreign = {.data = data,
                                     .no_key_file = true,
                                     .args =
                                         (const char *const[]){"--encryption-key-file", key, NULL}};
    struct server *stranger = server_start(harness, &foreign);
    check(server_stop(stranger) == 0, "a server does not stop cleanly");
    check(bytes_read_file(&other, path), "%s", path);
    replace_with(harness, client, &other);

    remove_tree(data);
    check(!mkdir(data, 0700), "mkdir: %s", strerror(errno));
    stranger = server_start(harness, &(struct server_options){.data = data});
    check(server_stop(stranger) == 0, "a server does not stop cleanly");
    bytes_clear(&other);
    check(bytes_read_file(&other, path), "%s", path);
    replace_with(harness, client, &other);

    start_read_data(harness, &other);
    client_expect(client, "+OK", "SET key newer");
    client_expect(client, "+OK", "SET key before");
    replace_with(harness, client, &other);

    writes_work(client);
    redisFree(client);
    all_is_well(harness, server, &options);
    bytes_free(&other);
    free(data);
    free(key);
    free(path);
}

/* Static, as workers may outlive the test's function. */
static struct {
    struct server *servers[3];
    unsigned rounds;
    atomic_uint acknowledged;
    atomic_uint refused;
} load;

static void count_up(struct worker *worker)
{
    struct raw *raw = raw_connect(load.servers[worker->index % 3]);
    for (unsigned i = 0; raw && i < load.rounds && !workers_failed(); i++) {
        struct reply *reply = raw_command(raw, "INCR", "sum", NULL);
        if (!reply)
            worker_fail(worker, "the connection is lost");
        else
            atomic_fetch_add(reply->type == ':' ? &load.acknowledged : &load.refused, 1);
        reply_free(reply);
    }
    if (!raw)
        worker_fail(worker, "cannot connect");
    raw_close(raw);
}

/* Somebody deletes the lock file under running servers: they and those that start later must not
 * lock two different files, or one overwrites what another has acknowledged. */
void lock_file_is_deleted(struct harness *harness)
{
    char *lock = text_format("%s.lock", harness->db);
    memset(&load, 0, sizeof load);
    load.rounds = harness_scaled(150);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2; i++) {
            load.servers[i] = server_start(harness, NULL);
            redisContext *client = client_connect(load.servers[i]);
            client_expect(client, "+OK", "SET warm up");
            redisFree(client);
        }
        check(!unlink(lock), "%s: %s", lock, strerror(errno));
        load.servers[2] = server_start(harness, NULL);
        workers_run(6, count_up, NULL);
        for (unsigned i = 0; i < 3; i++) {
            redisContext *client = client_connect(load.servers[i]);
            char *text = client_text(client, "GET sum");
            check(strtoull(text + 1, NULL, 10) == atomic_load(&load.acknowledged),
                  "%u INCR were acknowledged, but server %u says %s",
                  atomic_load(&load.acknowledged), i, text);
            free(text);
            redisFree(client);
        }
        for (unsigned i = 0; i < 3; i++)
            check(server_stop(load.servers[i]) == 0, "a server does not stop cleanly");
    }
    check(atomic_load(&load.acknowledged) > 0, "no write was done");
    print_message("%u INCR, %u refused\n", atomic_load(&load.acknowledged),
                  atomic_load(&load.refused));
    free(lock);
}

static bool holds(const struct bytes *data, const char *text)
{
    return data->size && memmem(data->data, data->size, text, strlen(text));
}

/* No key, value or client's name is found in any file, whatever was done with it. */
void nothing_in_clear(struct harness *harness)
{
    static const char *const secrets[] = {"secret-key-name", "secret-value-text",
                                          "appended-secret", "deleted-secret",
                                          "secret-client",   "expiring-secret"};
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "CLIENT SETNAME secret-client");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++)
            client_expect(client, "+OK", "SET secret-key-name:%d secret-value-text", i);
        check(client_integer(client, "APPEND secret-key-name:0 appended-secret") > 0, "APPEND");
        client_expect(client, "+OK", "SET deleted-secret deleted-secret");
        client_expect(client, ":1", "DEL deleted-secret");
        client_expect(client, "+OK", "SET expiring-secret expiring-secret EX 1000");
        char *names = directory_names(harness->data);
        for (char *save = NULL, *name = strtok_r(names, " ", &save); name;
             name = strtok_r(NULL, " ", &save)) {
            char *path = text_format("%s/%s", harness->data, name);
            struct bytes data = {0};
            struct stat st;
            bool is_file = !stat(path, &st) && S_ISREG(st.st_mode);
            check(is_file || strstr(name, ".peers"), "%s is no file", path);
            check(!is_file || bytes_read_file(&data, path), "%s: %s", path, strerror(errno));
            for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
                check(!holds(&data, secrets[i]), "%s holds \"%s\"", path, secrets[i]);
            bytes_free(&data);
            free(path);
        }
        free(names);
        if (round == 0)
            client_expect(client, "+OK", "SAVE"); /* writes the whole file anew */
        if (round == 1)
            client_expect(client, "+OK", "FLUSHALL");
    }
    redisFree(client);
    char *log = server_log(server);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        check(!strstr(log, secrets[i]), "the log holds \"%s\"", secrets[i]);
    free(log);
}

/* Only the owner can read or write the files that the server makes, whatever the umask. */
void file_modes(struct harness *harness)
{
    static const mode_t masks[] = {0, 022, 027, 077};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        char *data = text_format("%s/data%zu", harness->dir, i);
        char *key = text_format("%s/key%zu", harness->dir, i);
        check(!mkdir(data, 0700), "mkdir: %s", strerror(errno));
        struct server_options options = {.data = data,
                                         .no_key_file = true,
                                         .args =
                                             (const char *const[]){"--encryption-key-file", key,
                                                                   "--unixsocketperm", "700", NULL},
                                         .set_umask = true,
                                         .umask = masks[i]};
        struct server *server = server_start(harness, &options);
        redisContext *client = client_connect(server);
        client_expect(client, "+OK", "SET a 1");
        client_expect(client, "+OK", "SET a 2");
        client_expect(client, "+OK", "SAVE");
        redisFree(client);
        static const char *const names[] = {"anystore.db", "anystore.db.lock"};
        struct stat status;
        for (size_t j = 0; j < 2; j++) {
            char *path = text_format("%s/%s", data, names[j]);
            check(!stat(path, &status), "%s: %s", path, strerror(errno));
            check((status.st_mode & 07777) == 0600, "%s has mode %o with umask %o", path,
                  status.st_mode & 07777, masks[i]);
            free(path);
        }
        check(!stat(key, &status) && (status.st_mode & 07777) == 0600,
              "the key file has mode %o with umask %o", status.st_mode & 07777, masks[i]);
        check(server_stop(server) == 0, "the server does not stop cleanly");
        free(data);
        free(key);
    }
}

/* SIGTERM in the middle of pipelines: commands that were done are answered, no reply is cut short,
 * the exit status is 0, and after the next start exactly the acknowledged writes are there. */
void sigterm_finishes_writes(struct harness *harness)
{
    enum { CLIENTS = 4, PIPELINE = 500 };
    struct server *server = server_start(harness, NULL);
    unsigned rounds = harness_scaled(10);
    long long acknowledged = 0;
    struct bytes pipeline = {0};
    for (int i = 0; i < PIPELINE; i++)
        raw_encode_texts(&pipeline, "INCR", "sum", NULL);
    for (unsigned round = 0; round < rounds; round++) {
        struct raw *raws[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) {
            raws[i] = raw_connect(server);
            check(raws[i] && raw_send(raws[i], pipeline.data, pipeline.size), "cannot send");
        }
        /* With at least one reply there, the others are on their way. */
        struct reply *reply = raw_reply(raws[0]);
        check(reply && reply->type == ':', "no reply");
        reply_free(reply);
        acknowledged++;
        process_signal(&server->process, SIGTERM);
        for (int i = 0; i < CLIENTS; i++) {
            while ((reply = raw_reply(raws[i]))) {
                check(reply->type == ':', "a write was refused: %s", reply_string(reply));
                reply_free(reply);
                acknowledged++;
            }
            check(!raw_pending(raws[i]), "a reply was cut short");
            raw_close(raws[i]);
        }
        int status = process_wait(&server->process);
        check(status == 0, "exit status %d after SIGTERM", status);
        server_restart(server);
        redisContext *client = client_connect(server);
        long long sum = client_integer(client, "GET sum");
        check(sum == acknowledged, "%lld INCR were acknowledged, %lld done", acknowledged, sum);
        redisFree(client);
    }
    bytes_free(&pipeline);
    print_message("%lld of %u INCR were done in %u stops\n", acknowledged,
                  rounds * CLIENTS * PIPELINE, rounds);
    char *names = directory_names(harness->data);
    check(!strstr(names, ".tmp"), "left behind: %s", names);
    free(names);
}

void sigint_stops(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SET a 1");
    process_signal(&server->process, SIGINT);
    int status = process_wait(&server->process);
    check(status == 0, "exit status %d after SIGINT", status);
    check(access(server->socket, F_OK), "the socket is left behind");
    redisFree(client);
    server_restart(server);
    client = client_connect(server);
    client_expect(client, "$1", "GET a");
    redisFree(client);
}

/* After a rotation the log continues in a new file with the old name. */
void sighup_reopens_log(struct harness *harness)
{
    char *log = text_format("%s/server.log", harness->dir);
    char *rotated = text_format("%s.1", log);
    struct server_options options = {.args = (const char *const[]){"--logfile", log, NULL}};
    struct server *server = server_start(harness, &options);
    struct stat old, status;
    check(!stat(log, &old) && old.st_size > 0, "nothing is logged");
    check(!rename(log, rotated), "rename: %s", strerror(errno));
    process_signal(&server->process, SIGHUP);
    struct patience patience = {0};
    while (access(log, F_OK) && patience_left(&patience))
        ;
    check(!stat(log, &status) && status.st_ino != old.st_ino, "the log is not opened anew");
    check((status.st_mode & 07777) == 0600, "log file mode %o", status.st_mode & 07777);
    redisContext *client = client_connect(server);
    client_expect(client, "+PONG", "PING");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    check(!stat(log, &status) && status.st_size > 0, "the new log stays empty");
    free(log);
    free(rotated);
}

/* Signals without a use end the server, or do not, as with redis-server. */
void other_signals(struct harness *harness)
{
    static const int numbers[] = {SIGALRM, SIGPIPE, SIGHUP, SIGURG,    SIGWINCH, SIGCHLD, SIGCONT,
                                  SIGUSR1, SIGUSR2, SIGIO,  SIGVTALRM, SIGPROF,  SIGPWR};
    struct server *servers[] = {
        server_start(harness, &(struct server_options){.kind = SERVER_REDIS}),
        server_start(harness, NULL),
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bool ended[2];
        for (int j = 0; j < 2; j++) {
            process_signal(&servers[j]->process, numbers[i]);
            struct raw *raw = raw_connect(servers[j]);
            struct reply *reply = raw ? raw_command(raw, "PING", NULL) : NULL;
            ended[j] = reply == NULL;
            reply_free(reply);
            raw_close(raw);
            if (ended[j]) {
                process_wait(&servers[j]->process);
                server_restart(servers[j]);
            }
        }
        check(ended[0] == ended[1], "%s %s redis-server, but %s this one", strsignal(numbers[i]),
              ended[0] ? "ends" : "does not end", ended[1] ? "ends" : "does not end");
    }
}

/* A message does not speak of "1 clients". */
void one_of_a_kind(struct harness *harness)
{
    static const char *const wrapper[] = {"/bin/sh", "-c", "ulimit -n 200; exec \"$0\" \"$@\"",
                                          NULL};
    const struct server_options options = {
        .wrapper = wrapper, .args = (const char *const[]){"--io-threads", "1", NULL}};
    struct server *server = server_start(harness, &options);
    /* The connection that looked whether the server is ready may count for a while yet. */
    struct patience patience = {0};
    bool done = false;
    while (!done && patience_left(&patience)) {
        redisContext *client = client_connect(server);
        char *text = client_text(client, "SET k v");
        done = !strcmp(text, "+OK");
        free(text);
        redisFree(client);
    }
    check(server_stop(server) == 0, "the server does not stop cleanly");
    server_restart(server);
    char *log = server_log(server);
    static const char *const texts[] = {"allows only 1 client:", "(1 key, ", "(0 keys, ",
                                        "with 1 worker thread\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check(strstr(log, texts[i]), "no \"%s\" in the log: %s", texts[i], log);
    free(log);
}
