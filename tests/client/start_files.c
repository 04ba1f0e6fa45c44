/* SPDX-License-Identifier: MIT */
/* Starts that must fail because of the key, the data file, its directory or the disk: one line that
 * names the file and the cause, and nothing lost or overwritten. */
#include "tests/client/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/client/harness/random.h"

/* A start with this data file must fail and leave it as it is. */
static void data_fails(struct harness *harness, const char *what)
{
    struct bytes before = {0}, after = {0};
    start_read_data(harness, &before);
    start_fails(harness, NULL, (const char *const[]){harness->db, NULL});
    start_read_data(harness, &after);
    check(bytes_equal(&before, &after), "%s: the file was changed", what);
    bytes_free(&before);
    bytes_free(&after);
}

static void put_data(struct harness *harness, const void *data, size_t size)
{
    check(bytes_write_file(harness->db, data, size, 0600), "%s: %s", harness->db, strerror(errno));
}

/* The original file opens again, whatever was tried in between. */
static void data_opens(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    client_expect(client, ":20", "DBSIZE");
    client_expect(client, "$value:19", "GET key:19");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
}

void wrong_key(struct harness *harness)
{
    start_make_data(harness);
    char *other = text_format("%s/other-key", harness->dir);
    write_key(other, 0x42, 32, 0600);
    struct bytes before = {0}, after = {0};
    start_read_data(harness, &before);
    struct server_options options = {
        .no_key_file = true, .args = (const char *const[]){"--encryption-key-file", other, NULL}};
    start_fails(harness, &options, (const char *const[]){harness->db, "key", NULL});
    start_read_data(harness, &after);
    check(bytes_equal(&before, &after), "the file was changed");
    data_opens(harness);
    bytes_free(&before);
    bytes_free(&after);
    free(other);
}

void missing_key(struct harness *harness)
{
    start_make_data(harness);
    char *kept = text_format("%s/kept", harness->dir);
    check(!rename(harness->key_file, kept), "rename: %s", strerror(errno));
    start_fails(harness, NULL, (const char *const[]){harness->key_file, NULL});
    check(access(harness->key_file, F_OK), "a new key was made although there is data");
    check(!rename(kept, harness->key_file), "rename: %s", strerror(errno));
    data_opens(harness);
    free(kept);
}

void key_file_modes(struct harness *harness)
{
    start_make_data(harness);
    static const mode_t modes[] = {0644, 0604, 0666, 0601, 0620};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        check(!chmod(harness->key_file, modes[i]), "chmod: %s", strerror(errno));
        start_fails(harness, NULL, (const char *const[]){harness->key_file, NULL});
    }
    check(!chmod(harness->key_file, 0400), "chmod: %s", strerror(errno));
    data_opens(harness);
    /* Unreadable for a user for whom mode bits count. */
    uid_t user = start_ordinary_user(harness);
    check(!chmod(harness->key_file, 0), "chmod: %s", strerror(errno));
    start_fails(harness, &(struct server_options){.user = user},
                (const char *const[]){harness->key_file, "ermission", NULL});
}

void key_file_contents(struct harness *harness)
{
    static const char *const texts[] = {
        "",
        "\n",
        "short",
        "not base64 but as long as a key would be!!!!",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nmore",
    };
    start_make_data(harness);
    struct bytes key = {0};
    check(bytes_read_file(&key, harness->key_file), "%s", harness->key_file);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check(bytes_write_file(harness->key_file, texts[i], strlen(texts[i]), 0600), "write");
        start_fails(harness, NULL, (const char *const[]){harness->key_file, NULL});
    }
    static const size_t sizes[] = {0, 1, 16, 31, 33, 64, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_key(harness->key_file, 1, sizes[i], 0600);
        start_fails(harness, NULL, (const char *const[]){harness->key_file, NULL});
    }
    /* Blanks around the key are no mistake. */
    bytes_append_text(&key, "\r\n\n");
    check(bytes_write_file(harness->key_file, key.data, key.size, 0600), "write");
    data_opens(harness);
    bytes_free(&key);
}

void key_file_is_no_file(struct harness *harness)
{
    check(!mkdir(harness->key_file, 0700), "mkdir: %s", strerror(errno));
    start_fails(harness, NULL, (const char *const[]){harness->key_file, NULL});
    check(!rmdir(harness->key_file), "rmdir: %s", strerror(errno));
    check(!mkfifo(harness->key_file, 0600), "mkfifo: %s", strerror(errno));
    start_fails(harness, NULL, (const char *const[]){harness->key_file, NULL});
    check(!unlink(harness->key_file), "unlink: %s", strerror(errno));
    char *names = directory_names(harness->data);
    check(!strstr(names, "anystore.db ") && strcmp(names, "anystore.db") != 0,
          "a data file was made without a key: %s", names);
    free(names);
}

/* A cut between two commits gives the file before the later one: nothing in a file can tell that.
 * Every other cut must be found. */
void truncated_file(struct harness *harness)
{
    enum { COMMITS = 20 };
    size_t ends[COMMITS + 1];
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    for (int i = 0; i <= COMMITS; i++) {
        ends[i] = (size_t)client_info(client, "anystore", "file_size");
        if (i < COMMITS)
            client_expect(client, "+OK", "SET key:%d value:%d", i, i);
    }
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");

    struct bytes whole = {0};
    start_read_data(harness, &whole);
    struct random random;
    random_start(&random, random_run_seed("truncated"), 0);
    unsigned rounds = harness_scaled(40);
    for (unsigned i = 0; i < rounds; i++) {
        size_t size = i < 3   ? i
                      : i < 6 ? ends[COMMITS] - (i - 2)
                              : (size_t)random_below(&random, ends[COMMITS]);
        bool between = false;
        for (int j = 0; j <= COMMITS; j++)
            between = between || size == ends[j];
        if (between)
            continue;
        put_data(harness, whole.data, size);
        char *what = text_format("%zu of %zu bytes", size, whole.size);
        data_fails(harness, what);
        free(what);
    }
    /* Bytes behind the last commit are not needed. */
    put_data(harness, whole.data, ends[COMMITS]);
    data_opens(harness);
    put_data(harness, whole.data, whole.size);
    data_opens(harness);
    bytes_free(&whole);
}

void tampered_file(struct harness *harness)
{
    start_make_data(harness);
    struct bytes whole = {0}, changed = {0};
    start_read_data(harness, &whole);
    struct random random;
    random_start(&random, random_run_seed("tampered"), 0);
    unsigned rounds = harness_scaled(80);
    for (unsigned i = 0; i < rounds; i++) {
        size_t at = i < 16 ? i : (size_t)random_below(&random, whole.size);
        bytes_clear(&changed);
        bytes_append(&changed, whole.data, whole.size);
        changed.data[at] ^= (uint8_t)(1u << random_below(&random, 8));
        put_data(harness, changed.data, changed.size);
        char *what = text_format("byte %zu of %zu", at, whole.size);
        data_fails(harness, what);
        free(what);
    }
    /* Something behind the end. */
    static const char behind[] = "garbage behind the end of the file";
    for (size_t size = 1; size < sizeof behind; size += 8) {
        bytes_clear(&changed);
        bytes_append(&changed, whole.data, whole.size);
        bytes_append(&changed, behind, size);
        put_data(harness, changed.data, changed.size);
        data_fails(harness, behind);
    }
    put_data(harness, whole.data, whole.size);
    data_opens(harness);
    bytes_free(&whole);
    bytes_free(&changed);
}

/* The message says what to do, and that works. */
void damaged_file_has_a_spare(struct harness *harness)
{
    start_make_data(harness);
    char *spare = text_format("%s.spare", harness->db);
    struct bytes data = {0};
    for (int i = 0; i < 2; i++) {
        bytes_clear(&data);
        start_read_data(harness, &data);
        data.data[200] ^= 1;
        put_data(harness, data.data, data.size);
        start_fails(harness, NULL,
                    (const char *const[]){harness->db, "is damaged", spare,
                                          i == 0 ? "give the spare the name" : "a backup", NULL});
        if (i == 1)
            break;
        start_fails(harness, NULL, (const char *const[]){spare, "give the spare the name", NULL});
        check(!rename(spare, harness->db), "%s: %s", spare, strerror(errno));
        struct server *server = server_start(harness, NULL);
        redisContext *client = client_connect(server);
        client_expect(client, "$value:18", "GET key:18");
        client_expect(client, ":19", "DBSIZE");
        redisFree(client);
        check(server_stop(server) == 0, "the server does not stop cleanly");
        check(access(spare, F_OK) != 0, "a server that wrote nothing has made a spare");
    }
    bytes_free(&data);
    free(spare);
}

void foreign_file(struct harness *harness)
{
    static const char *const texts[] = {
        "",
        "\n",
        "precious text of somebody else\n",
        "REDIS0010\xfa\x09redis-ver\x06\x37.0.15",
        "#!/bin/sh\necho hello\n",
    };
    write_key(harness->key_file, 7, 32, 0600);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_data(harness, texts[i], strlen(texts[i]));
        data_fails(harness, texts[i]);
    }
    struct bytes noise = {0};
    struct random random;
    random_start(&random, random_run_seed("foreign"), 0);
    random_fill(&random, bytes_reserve(&noise, 100000), 100000);
    noise.size = 100000;
    put_data(harness, noise.data, noise.size);
    data_fails(harness, "noise");
    memset(noise.data, 0, noise.size);
    put_data(harness, noise.data, noise.size);
    data_fails(harness, "zeros");
    bytes_free(&noise);
}

void directory_in_its_place(struct harness *harness)
{
    write_key(harness->key_file, 7, 32, 0600);
    check(!mkdir(harness->db, 0700), "mkdir: %s", strerror(errno));
    start_fails(harness, NULL, (const char *const[]){harness->db, "regular file", NULL});
    check(!rmdir(harness->db), "the directory is gone or was written to");
}

void fifo_in_its_place(struct harness *harness)
{
    write_key(harness->key_file, 7, 32, 0600);
    check(!mkfifo(harness->db, 0600), "mkfifo: %s", strerror(errno));
    start_fails(harness, NULL, (const char *const[]){harness->db, NULL});
}

void unreadable_file(struct harness *harness)
{
    start_make_data(harness);
    uid_t user = start_ordinary_user(harness);
    check(!chmod(harness->db, 0), "chmod: %s", strerror(errno));
    start_fails(harness, &(struct server_options){.user = user},
                (const char *const[]){harness->db, "ermission", NULL});
    check(!chmod(harness->db, 0600), "chmod: %s", strerror(errno));
    struct server *server = server_start(harness, &(struct server_options){.user = user});
    redisContext *client = client_connect(server);
    client_expect(client, ":20", "DBSIZE");
    redisFree(client);
}

void missing_directory(struct harness *harness)
{
    char *missing = text_format("%s/missing", harness->dir);
    start_fails(harness, &(struct server_options){.data = missing},
                (const char *const[]){missing, "No such file", NULL});
    check(access(missing, F_OK), "the directory was made");
    char *file = text_format("%s/file", harness->dir);
    check(bytes_write_file(file, "x", 1, 0600), "write");
    start_fails(harness, &(struct server_options){.data = file}, (const char *const[]){file, NULL});
    free(missing);
    free(file);
}

void read_only_directory_at_start(struct harness *harness)
{
    uid_t user = start_ordinary_user(harness);
    if (!user)
        write_key(harness->key_file, 7, 32, 0600);
    check(!chmod(harness->data, 0500), "chmod: %s", strerror(errno));
    start_fails(harness, &(struct server_options){.user = user},
                (const char *const[]){harness->data, "ermission", NULL});
    char *names = directory_names(harness->data);
    check(!*names, "files in a read-only directory: %s", names);
    free(names);
}

void full_disk_at_start(struct harness *harness)
{
    const char *mounted = harness_mount(harness, "64k");
    if (!mounted)
        harness_skip(harness, "cannot mount a small file system here");
    write_key(harness->key_file, 7, 32, 0600);
    char *ballast = text_format("%s/ballast", mounted);
    struct bytes filling = {0};
    memset(bytes_reserve(&filling, 131072), 'b', 131072);
    check(!bytes_write_file(ballast, filling.data, 131072, 0600) && errno == ENOSPC,
          "the small disk does not get full");
    bytes_free(&filling);
    start_fails(harness, &(struct server_options){.data = mounted},
                (const char *const[]){mounted, "No space", NULL});
    check(!unlink(ballast), "unlink: %s", strerror(errno));
    struct server *server = server_start(harness, &(struct server_options){.data = mounted});
    check(server_stop(server) == 0, "the server does not stop cleanly");
    free(ballast);
}

/* A server that can only read says so when it starts. */
static void warns(struct harness *harness, const struct server_options *options, const char *db,
                  const char *cause)
{
    char *expected =
        text_format("Writes will fail: cannot write to the directory of %s: %s\n", db, cause);
    struct server *server = server_start(harness, options);
    redisContext *client = client_connect(server);
    client_expect_start(client, "-MISCONF ", "SET key %s", "v");
    client_expect(client, "$value", "GET there");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    char *log = server_log(server);
    char *place = strstr(log, expected);
    check(place && !strstr(place + 1, "Writes will fail"), "not one line %s in %s", expected, log);
    free(log);
    free(expected);
}

static void put_there(struct harness *harness, const struct server_options *options)
{
    struct server *server = server_start(harness, options);
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SET there value");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    char *log = server_log(server);
    check(!strstr(log, "Writes will fail"), "writes will not fail: %s", log);
    free(log);
}

void writes_will_fail(struct harness *harness)
{
    struct server_options options = {.user = start_ordinary_user(harness)};
    put_there(harness, &options);
    check(!chmod(harness->data, 0500), "chmod: %s", strerror(errno));
    warns(harness, &options, harness->db, strerror(EACCES));
    check(!chmod(harness->data, 0700), "chmod: %s", strerror(errno));

    const char *mounted = harness_mount(harness, "256k");
    if (!mounted)
        return;
    options = (struct server_options){.data = mounted};
    put_there(harness, &options);
    char *db = text_format("%s/anystore.db", mounted);
    char *spare = text_format("%s.spare", db), *ballast = text_format("%s/ballast", mounted);
    struct bytes filling = {0};
    memset(bytes_reserve(&filling, 1 << 20), 'b', 1 << 20);
    check(!unlink(spare), "%s: %s", spare, strerror(errno)); /* a start would do that, too late */
    check(!bytes_write_file(ballast, filling.data, 1 << 20, 0600) && errno == ENOSPC,
          "the small disk does not get full");
    warns(harness, &options, db, strerror(ENOSPC));
    bytes_free(&filling);
    free(db);
    free(spare);
    free(ballast);
}
