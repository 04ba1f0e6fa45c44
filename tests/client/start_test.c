/* SPDX-License-Identifier: MIT */
/* Starting and stopping: everything that can be wrong with options, key, data file and disk, each
 * with one clear line and nothing lost or overwritten; and what a clean start and stop leave
 * behind. */
#include "tests/client/start.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/client/harness/raw.h"

void start_fails(struct harness *harness, const struct server_options *options,
                 const char *const *texts)
{
    struct bytes errors = {0};
    int status = server_run_failing(harness, options, &errors);
    const char *line = bytes_text(&errors);
    check(status != -1, "the server started, with %s", texts[0]);
    check(status == 1, "exit status %d with the message: %s", status, line);
    const char *end = strchr(line, '\n');
    check(end && !end[1], "not one line on stderr: %s", line);
    for (size_t i = 0; texts[i]; i++)
        check(strstr(line, texts[i]), "\"%s\" is not in the message: %s", texts[i], line);
    bytes_free(&errors);
}

void start_make_data(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    for (int i = 0; i < 20; i++)
        client_expect(client, "+OK", "SET key:%d value:%d", i, i);
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
}

void start_read_data(struct harness *harness, struct bytes *data)
{
    bytes_clear(data);
    check(bytes_read_file(data, harness->db), "%s: %s", harness->db, strerror(errno));
}

uid_t start_ordinary_user(struct harness *harness)
{
    if (geteuid() != 0)
        return 0;
    if (access(harness->key_file, F_OK))
        write_key(harness->key_file, 0x5a, 32, 0600);
    check(!chown(harness->data, NOBODY, NOBODY) && !chown(harness->key_file, NOBODY, NOBODY),
          "chown: %s", strerror(errno));
    char *names = directory_names(harness->data);
    for (char *save = NULL, *name = strtok_r(names, " ", &save); name;
         name = strtok_r(NULL, " ", &save)) {
        char *path = text_format("%s/%s", harness->data, name);
        check(!chown(path, NOBODY, NOBODY), "%s: %s", path, strerror(errno));
        free(path);
    }
    free(names);
    return NOBODY;
}

static void write_text(const char *path, const char *text)
{
    check(bytes_write_file(path, text, strlen(text), 0600), "%s: %s", path, strerror(errno));
}

/* Key and data stay between starts, and so do expiry times. */
static void second_start_reuses(struct harness *harness)
{
    start_make_data(harness);
    struct bytes before = {0}, after = {0};
    start_read_data(harness, &before);
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    client_expect(client, ":20", "DBSIZE");
    client_expect(client, "$value:7", "GET key:7");
    client_expect(client, "+OK", "SET expiring x EX 1000");
    client_expect(client, "+OK", "SET short x PX 1");
    client_expect(client, ":1", "INCR n");
    long long generation = client_info(client, "anystore", "generation");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    server_restart(server);
    client = client_connect(server);
    check(client_info(client, "anystore", "generation") == generation, "another generation");
    long long ttl = client_integer(client, "TTL expiring");
    check(ttl > 800 && ttl <= 1000, "TTL %lld after a restart", ttl);
    client_expect(client, "_", "GET short");
    client_expect(client, ":2", "INCR n");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");

    /* A start and stop without writes leaves the file as it is. */
    start_read_data(harness, &before);
    server_restart(server);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    start_read_data(harness, &after);
    check(bytes_equal(&before, &after), "a start without writes changed the file");
    bytes_free(&before);
    bytes_free(&after);
}

/* Neither key nor data: a key file is made, and the log says so. */
static void first_start_makes_key(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    struct stat status;
    check(!stat(harness->key_file, &status), "no key file was made");
    check((status.st_mode & 07777) == 0600, "key file mode %o", status.st_mode & 07777);
    char *log = server_log(server);
    check(strstr(log, harness->key_file), "the log does not name the key file:\n%s", log);
    free(log);
    struct bytes key = {0};
    check(bytes_read_file(&key, harness->key_file), "%s", harness->key_file);
    check(key.size >= 44 && key.size <= 45, "the key file has %zu bytes", key.size);
    bytes_free(&key);
}

/* Many servers start at once where nothing exists yet: one key, one file, all serve it. */
static void first_start_of_many(struct harness *harness)
{
    for (unsigned round = 0; round < harness_scaled(10); round++) {
        struct server *servers[4];
        char *data = text_format("%s/data%u", harness->dir, round);
        char *key = text_format("%s/key%u", harness->dir, round);
        check(!mkdir(data, 0700), "%s", data);
        struct server_options options = {
            .data = data,
            .no_key_file = true,
            .args = (const char *const[]){"--encryption-key-file", key, NULL},
            .pending = true,
        };
        for (unsigned i = 0; i < 4; i++)
            servers[i] = server_start(harness, &options);
        for (unsigned i = 0; i < 4; i++)
            server_wait_ready(servers[i]);
        for (unsigned i = 0; i < 4; i++) {
            redisContext *client = client_connect(servers[i]);
            check(client_integer(client, "INCR n") == (long long)i + 1, "not one file");
            redisFree(client);
        }
        for (unsigned i = 0; i < 4; i++)
            check(server_stop(servers[i]) == 0, "a server does not stop cleanly");
        free(data);
        free(key);
    }
}

/* Without options, data and key go to two places below the user's home. */
static void default_places(struct harness *harness)
{
    char *data_home = text_format("XDG_DATA_HOME=%s/xdg-data", harness->dir);
    char *config_home = text_format("XDG_CONFIG_HOME=%s/xdg-config", harness->dir);
    const char *const homes[] = {data_home, config_home, NULL};
    struct server_options options = {.no_data = true, .no_key_file = true};
    for (int i = 0; i < 2; i++) {
        options.env = i ? homes : NULL;
        struct server *server = server_start(harness, &options);
        redisContext *client = client_connect(server);
        client_expect(client, "+OK", "SET a 1");
        redisFree(client);
        check(server_stop(server) == 0, "the server does not stop cleanly");
        char *data = i ? text_format("%s/anystore", strchr(data_home, '=') + 1)
                       : text_format("%s/.local/share/anystore", server->home);
        char *config = i ? text_format("%s/anystore", strchr(config_home, '=') + 1)
                         : text_format("%s/.config/anystore", server->home);
        char *file = text_format("%s/anystore.db", data);
        struct stat status;
        check(!stat(file, &status) && (status.st_mode & 07777) == 0600, "no %s of mode 0600", file);
        check(!stat(data, &status) && !(status.st_mode & 077), "%s is open to others", data);
        check(!stat(config, &status) && !(status.st_mode & 077), "%s is open to others", config);
        char *keys = directory_names(config);
        check(*keys, "no key file in %s", config);
        free(keys);
        server_restart(server);
        client = client_connect(server);
        client_expect(client, "$1", "GET a");
        redisFree(client);
        free(data);
        free(config);
        free(file);
    }
    free(data_home);
    free(config_home);
}

/* The key in the environment, as base64 or as the name of a file. */
static void key_in_environment(struct harness *harness)
{
    start_make_data(harness);
    struct bytes key = {0};
    check(bytes_read_file(&key, harness->key_file), "%s", harness->key_file);
    char *text = text_format("ANYSTORE_KEY=%.44s", bytes_text(&key));
    char *file = text_format("ANYSTORE_KEY_FILE=%s", harness->key_file);
    const char *const *const environments[] = {(const char *const[]){text, NULL},
                                               (const char *const[]){file, NULL}};
    for (int i = 0; i < 2; i++) {
        struct server_options options = {.no_key_file = true, .env = environments[i]};
        struct server *server = server_start(harness, &options);
        redisContext *client = client_connect(server);
        client_expect(client, "$value:3", "GET key:3");
        redisFree(client);
        check(server_stop(server) == 0, "the server does not stop cleanly");
    }
    const char *const wrong[] = {"ANYSTORE_KEY=short", "ANYSTORE_KEY=",
                                 "ANYSTORE_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server_options options = {.no_key_file = true,
                                         .env = (const char *const[]){wrong[i], NULL}};
        start_fails(harness, &options,
                    i == 2   ? (const char *const[]){harness->db, "key", NULL}
                    : i == 1 ? (const char *const[]){"key", NULL}
                             : (const char *const[]){"ANYSTORE_KEY", NULL});
    }
    free(text);
    free(file);
    bytes_free(&key);
}

static void port_in_use(struct harness *harness)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    check(fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) && !listen(fd, 1) &&
              !getsockname(fd, (struct sockaddr *)&address, &size),
          "cannot listen: %s", strerror(errno));
    char *port = text_format("%d", ntohs(address.sin_port));
    struct server_options options = {
        .args = (const char *const[]){"--bind", "127.0.0.1", "--port", port, NULL}};
    start_fails(harness, &options, (const char *const[]){port, "in use", NULL});
    close(fd);
    free(port);
}

/* An address that does not exist is an error, except one that may be missing ("-" before it). */
static void addresses_not_there(struct harness *harness)
{
    static const char *const wrong[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"127.0.0.1 192.0.2.1", "192.0.2.1"},
        {"256.1.1.1", "256.1.1.1"},
        {"-192.0.2.1 -256.1.1.1", "any address of bind"},
    };
    char *port = text_format("%d", free_port());
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server_options options = {
            .args = (const char *const[]){"--port", port, "--bind", wrong[i][0], NULL}};
        start_fails(harness, &options, (const char *const[]){"cannot listen", wrong[i][1], NULL});
    }
    free(port);
    struct server_options options = {
        .tcp = true,
        .args = (const char *const[]){"--bind", "-192.0.2.1 127.0.0.1 -256.1.1.1",
                                      "--tcp-keepalive", "0", NULL}};
    struct server *server = server_start(harness, &options);
    struct raw *tcp = raw_connect_tcp("127.0.0.1", server->port);
    check(tcp, "cannot connect to port %d", server->port);
    raw_expect(tcp, "+PONG", "PING");
    raw_close(tcp);
    check(server_stop(server) == 0, "the server does not stop cleanly");

    options = (struct server_options){.args = (const char *const[]){"--unixsocket", "", NULL}};
    start_fails(harness, &options, (const char *const[]){"port is 0", NULL});
    char path[200] = "/";
    memset(path + 1, 'x', sizeof path - 2);
    options.args = (const char *const[]){"--unixsocket", path, NULL};
    start_fails(harness, &options, (const char *const[]){"--unixsocket", "shorter than", NULL});
}

/* A socket on which a server still listens is not taken from it; a stale one is replaced (each
 * restart after a kill -9 shows that). */
static void unix_socket_in_use(struct harness *harness)
{
    struct server *first = server_start(harness, NULL);
    struct server_options options = {
        .args = (const char *const[]){"--unixsocket", first->socket, NULL}};
    start_fails(harness, &options, (const char *const[]){first->socket, NULL});
    redisContext *client = client_connect(first);
    client_expect(client, "+PONG", "PING");
    redisFree(client);

    char *missing = text_format("%s/missing/socket", harness->dir);
    options.args = (const char *const[]){"--unixsocket", missing, NULL};
    start_fails(harness, &options, (const char *const[]){missing, "No such file", NULL});
    free(missing);

    char *file = text_format("%s/file", harness->dir);
    write_text(file, "precious");
    options.args = (const char *const[]){"--unixsocket", file, NULL};
    start_fails(harness, &options, (const char *const[]){file, NULL});
    struct bytes contents = {0};
    check(bytes_read_file(&contents, file) && !strcmp(bytes_text(&contents), "precious"),
          "a file that is no socket was taken away");
    bytes_free(&contents);
    free(file);
}

static void unix_socket_and_tcp(struct harness *harness)
{
    struct server_options options = {
        .tcp = true, .args = (const char *const[]){"--unixsocketperm", "700", NULL}};
    struct server *server = server_start(harness, &options);
    struct stat status;
    check(!stat(server->socket, &status) && S_ISSOCK(status.st_mode), "no socket");
    check((status.st_mode & 0777) == 0700, "socket mode %o", status.st_mode & 0777);
    struct raw *tcp = raw_connect_tcp("127.0.0.1", server->port);
    check(tcp, "cannot connect to port %d", server->port);
    raw_expect(tcp, "+OK", "SET a tcp");
    redisContext *client = client_connect(server);
    client_expect(client, "$tcp", "GET a");
    redisFree(client);
    raw_close(tcp);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    check(access(server->socket, F_OK), "the socket is left behind");
}

static void configuration_file(struct harness *harness)
{
    char *path = text_format("%s/anystore.conf", harness->dir);
    char *socket = text_format("%s/sock", harness->dir);
    char *text = text_format("# comment\n\nport 0\nunixsocket \"%s\"\nDIR '%s'\n"
                             "dbfilename configured.db\nmaxclients 77\ntimeout 5\n"
                             "encryption-key-file %s\nclient-output-buffer-limit normal 1mb 0 0\n",
                             socket, harness->data, harness->key_file);
    write_text(path, text);
    free(text);
    struct server_options options = {.config = path,
                                     .bare = true,
                                     .pending = true,
                                     .args = (const char *const[]){"--timeout", "0", NULL}};
    struct server *server = server_start(harness, &options);
    free(server->socket);
    server->socket = text_format("%s", socket);
    server_wait_ready(server);
    redisContext *client = client_connect(server);
    client_expect(client, "[$maxclients $77]", "CONFIG GET maxclients");
    client_expect(client, "[$timeout $0]", "CONFIG GET timeout"); /* the command line wins */
    client_expect(client, "+OK", "SET a 1");
    redisFree(client);
    char *names = directory_names(harness->data);
    check(!strcmp(names, "configured.db configured.db.lock configured.db.peers") ||
              !strcmp(names, "configured.db configured.db.lock configured.db.peers "
                             "configured.db.spare"),
          "files: %s", names);
    free(names);
    check(server_stop(server) == 0, "the server does not stop cleanly");

    static const struct {
        const char *text, *place, *cause;
    } wrong[] = {
        {"port 0\n\nnosuch 5\n", ":3:", "nosuch"},
        {"port 70000\n", ":1:", "65535"},
        {"port\n", ":1:", "port"},
        {"# x\nport x\n", ":2:", "port"},
        {"port 0\ntimeout -1\n", ":2:", "timeout"},
        {"maxclients 0\n", ":1:", "maxclients"},
        {"persistence maybe\n", ":1:", "persistence"},
        {"fsync sometimes\n", ":1:", "fsync"},
        {"loglevel loud\n", ":1:", "loglevel"},
        {"dir \"unbalanced\n", ":1:", ""},
        {"port 1 2\n", ":1:", "port"},
        {"proto-max-bulk-len 5xb\n", ":1:", "proto-max-bulk-len"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_text(path, wrong[i].text);
        options = (struct server_options){.config = path, .bare = true};
        char *place = text_format("%s%s", path, wrong[i].place);
        start_fails(harness, &options, (const char *const[]){place, wrong[i].cause, NULL});
        free(place);
    }
    options = (struct server_options){.config = harness->dir, .bare = true};
    start_fails(harness, &options, (const char *const[]){harness->dir, NULL});
    unlink(path);
    options = (struct server_options){.config = path, .bare = true};
    start_fails(harness, &options,
                (const char *const[]){path, "configuration file", "does not exist", NULL});
    free(path);
    free(socket);
}

static void command_line(struct harness *harness)
{
    static const char *const wrong[][3] = {
        {"--nosuch", "1"}, {"--port", "70000"}, {"--port", "x"},
        {"--port"},        {"--timeout", "-1"}, {"--io-threads", "100000"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server_options options = {.args = wrong[i], .bare = true};
        start_fails(harness, &options, (const char *const[]){wrong[i][0] + 2, NULL});
    }
    static const struct {
        const char *argument, *text;
    } asked[] = {{"--help", "--encryption-key-file"}, {"--version", "0."}};
    for (size_t i = 0; i < 2; i++) {
        struct bytes output = {0};
        struct process_options options = {.program = server_program(),
                                          .args = (const char *const[]){asked[i].argument, NULL}};
        int status = process_run(&options, &output);
        check(status == 0, "%s: exit status %d", asked[i].argument, status);
        check(strstr(bytes_text(&output), asked[i].text), "%s prints: %s", asked[i].argument,
              bytes_text(&output));
        bytes_free(&output);
    }
}

/* In memory only: neither file nor key, and nothing stays. */
static void without_persistence(struct harness *harness)
{
    struct server_options options = {.args = (const char *const[]){"--persistence", "no", NULL}};
    struct server *server = server_start(harness, &options);
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SET a 1");
    client_expect(client, ":2", "INCR a");
    client_expect(client, "$2", "GET a");
    client_expect(client, "+OK", "MSET b 1 c 2");
    client_expect(client, ":3", "DBSIZE");
    client_expect(client, "+OK", "SAVE");
    client_expect(client, "+OK", "FLUSHALL");
    client_expect(client, ":0", "DBSIZE");
    client_expect(client, "[$persistence $no]", "CONFIG GET persistence");
    redisFree(client);
    char *names = directory_names(harness->data);
    check(!*names, "files without persistence: %s", names);
    free(names);
    check(access(harness->key_file, F_OK), "a key file without persistence");
    check(server_stop(server) == 0, "the server does not stop cleanly");
    server_restart(server);
    client = client_connect(server);
    client_expect(client, ":0", "DBSIZE");
    redisFree(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(second_start_reuses),
        HARNESS_TEST(first_start_makes_key),
        HARNESS_TEST(first_start_of_many),
        HARNESS_TEST(default_places),
        HARNESS_TEST(key_in_environment),
        HARNESS_TEST(port_in_use),
        HARNESS_TEST(addresses_not_there),
        HARNESS_TEST(unix_socket_in_use),
        HARNESS_TEST(unix_socket_and_tcp),
        HARNESS_TEST(configuration_file),
        HARNESS_TEST(command_line),
        HARNESS_TEST(without_persistence),
        HARNESS_TEST(wrong_key),
        HARNESS_TEST(missing_key),
        HARNESS_TEST(key_file_modes),
        HARNESS_TEST(key_file_contents),
        HARNESS_TEST(key_file_is_no_file),
        HARNESS_TEST(truncated_file),
        HARNESS_TEST(tampered_file),
        HARNESS_TEST(damaged_file_has_a_spare),
        HARNESS_TEST(foreign_file),
        HARNESS_TEST(directory_in_its_place),
        HARNESS_TEST(fifo_in_its_place),
        HARNESS_TEST(unreadable_file),
        HARNESS_TEST(missing_directory),
        HARNESS_TEST(read_only_directory_at_start),
        HARNESS_TEST(full_disk_at_start),
        HARNESS_TEST(writes_will_fail),
        HARNESS_TEST(read_only_directory),
        HARNESS_TEST(full_disk),
        HARNESS_TEST(file_vanishes),
        HARNESS_TEST(file_is_replaced),
        HARNESS_TEST(lock_file_is_deleted),
        HARNESS_TEST(nothing_in_clear),
        HARNESS_TEST(file_modes),
        HARNESS_TEST(sigterm_finishes_writes),
        HARNESS_TEST(sigint_stops),
        HARNESS_TEST(sighup_reopens_log),
        HARNESS_TEST(other_signals),
        HARNESS_TEST(one_of_a_kind),
    };
    return harness_main("client_start_test", tests, sizeof tests / sizeof *tests);
}
