/* SPDX-License-Identifier: MIT */
/* Limits that the system sets, met by a running server: file size, open files, a full disk. */
#include "tests/client/faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/raw.h"

#define READS 5000 /* without descriptors */

rlim_t faults_limit(const struct server *server, int resource)
{
    struct rlimit limit;
    check(!prlimit(server->process.pid, (__rlimit_resource_t)resource, NULL, &limit), "prlimit: %s",
          strerror(errno));
    return limit.rlim_cur;
}

void faults_set_limit(const struct server *server, int resource, rlim_t value)
{
    struct rlimit limit;
    check(!prlimit(server->process.pid, (__rlimit_resource_t)resource, NULL, &limit), "prlimit: %s",
          strerror(errno));
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    check(!prlimit(server->process.pid, (__rlimit_resource_t)resource, &limit, NULL), "prlimit: %s",
          strerror(errno));
}

/* The system ends a process that exceeds its file size limit, unless the process says otherwise. */
void file_size_limit(struct harness *harness)
{
    struct commits commits;
    commits_begin(harness, &commits);
    redisContext *client = client_connect(commits.server);
    client_expect(client, "+OK", "SET k before");
    rlim_t before = faults_limit(commits.server, RLIMIT_FSIZE);
    char value[20000];
    memset(value, 'v', sizeof value);
    faults_set_limit(commits.server, RLIMIT_FSIZE, 8192);
    for (int i = 0; i < 3; i++) {
        char *text = client_text(client, "SET k %b", value, sizeof value);
        check(strstr(text, "nothing was changed") && strstr(text, strerror(EFBIG)), "%s", text);
        free(text);
        client_expect(client, "$before", "GET k");
        commits_count(&commits);
    }
    faults_set_limit(commits.server, RLIMIT_FSIZE, before);
    client_expect(client, "+OK", "SET k %b", value, sizeof value);
    redisFree(client);
    faults_well_again(&commits);
    commits_end(&commits);
}

/* While writes are refused a probe hears so, but a write is still tried; the state ends with one
 * that works, or by itself. */
void probes_hear_of_a_full_disk(struct harness *harness)
{
    struct commits commits;
    commits_begin(harness, &commits);
    redisContext *client = client_connect(commits.server);
    rlim_t before = faults_limit(commits.server, RLIMIT_FSIZE);
    client_expect(client, "+PONG", "PING");
    commits_count(&commits);
    for (int i = 0; i < 2; i++) {
        faults_set_limit(commits.server, RLIMIT_FSIZE, 1);
        faults_refused(client, "SET k other", strerror(EFBIG));
        client_expect_start(client, "-MISCONF Errors writing to the data file: ", "PING");
        client_expect_start(client, "-MISCONF Errors writing to the data file: ", "PING a");
        client_expect(client, "+OK", "MULTI");
        client_expect(client, "+QUEUED", "PING");
        client_expect_start(client, "[-MISCONF Errors writing ", "EXEC");
        faults_expect_status(client, "err", "err");
        faults_refused(client, "SAVE", strerror(EFBIG));
        client_expect(client, "$x", "ECHO x");
        /* Another server on the file is well. */
        client_expect(commits.clients[0], "+PONG", "PING");
        faults_expect_status(commits.clients[0], "ok", "ok");
        faults_set_limit(commits.server, RLIMIT_FSIZE, before);
        if (i == 0) {
            client_expect(client, "+OK", "SET k new");
            client_expect(client, "+PONG", "PING");
        } else {
            faults_expect_pong(client); /* though nobody writes */
        }
        faults_expect_status(client, "ok", "err"); /* the last SAVE failed */
        client_expect(client, "+OK", "SAVE");
        faults_expect_status(client, "ok", "ok");
    }
    redisFree(client);
    faults_well_again(&commits);
    commits_end(&commits);
}

/* The lowest number that no descriptor has: with that as the limit there is none left. */
static rlim_t lowest_free(const struct server *server)
{
    for (unsigned number = 0;; number++) {
        struct stat status;
        char *path = text_format("/proc/%d/fd/%u", (int)server->process.pid, number);
        bool used = !lstat(path, &status);
        free(path);
        if (!used)
            return number;
    }
}

/* Seconds of processor time the server has taken. */
static double processor_time(const struct server *server)
{
    char *path = text_format("/proc/%d/stat", (int)server->process.pid);
    struct bytes text = {0};
    check(bytes_read_file(&text, path), "%s: %s", path, strerror(errno));
    unsigned long user = 0, system = 0;
    const char *rest = strrchr(bytes_text(&text), ')');
    check(rest && sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                         &system) == 2,
          "%s: %s", path, bytes_text(&text));
    bytes_free(&text);
    free(path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static size_t log_size(const struct server *server)
{
    char *log = server_log(server);
    size_t size = strlen(log);
    free(log);
    return size;
}

/* Connected clients are still served; new ones wait until there are descriptors again.  Meanwhile
 * the server neither spins nor fills its log. */
void too_many_open_files(struct harness *harness)
{
    struct commits commits;
    commits_begin(harness, &commits);
    redisContext *client = client_connect(commits.server);
    client_expect(client, "+OK", "SET k before");
    rlim_t before = faults_limit(commits.server, RLIMIT_NOFILE);
    faults_set_limit(commits.server, RLIMIT_NOFILE, lowest_free(commits.server));
    struct raw *waiting[20];
    for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
        waiting[i] = raw_connect(commits.server);
        check(waiting[i] && raw_send_text(waiting[i], "GET k\r\n"), "cannot connect");
    }
    double processor = processor_time(commits.server);
    size_t logged = log_size(commits.server);
    for (unsigned i = 0; i < READS; i++)
        client_expect(client, "$before", "GET k");
    processor = processor_time(commits.server) - processor;
    logged = log_size(commits.server) - logged;
    print_message("without descriptors: %d reads, %.2f s of processor time, %zu bytes of log\n",
                  READS, processor, logged);
    check(logged < 10000, "the log grew by %zu bytes", logged);
    faults_refused(client, "SET k other", strerror(EMFILE));
    client_expect(client, "$before", "GET k");
    commits_count(&commits);
    faults_set_limit(commits.server, RLIMIT_NOFILE, before);
    for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
        raw_expect_reply(waiting[i], "$before");
        raw_close(waiting[i]);
    }
    redisFree(client);
    faults_well_again(&commits);
    commits_end(&commits);
}

/* A full disk is full for all servers: none can write, all can read; when there is room, all
 * write. */
void disk_full_for_all(struct harness *harness)
{
    const char *mounted = harness_mount(harness, "1m");
    if (!mounted)
        harness_skip(harness, "cannot mount a small file system here");
    struct server *servers[3];
    redisContext *clients[3];
    for (int i = 0; i < 3; i++) {
        servers[i] = server_start(harness, &(struct server_options){.data = mounted});
        clients[i] = client_connect(servers[i]);
        client_expect(clients[i], "+OK", "SET k before");
    }
    size_t size = 2u << 20;
    struct bytes filling = {0};
    memset(bytes_reserve(&filling, size), 'b', size);
    char *ballast = text_format("%s/ballast", mounted);
    for (unsigned round = 0; round < 5; round++) {
        check(!bytes_write_file(ballast, filling.data, size, 0600) && errno == ENOSPC,
              "the small disk does not get full");
        for (int i = 0; i < 3; i++) {
            char *text = client_text(clients[i], "SET k %b", filling.data, (size_t)100000);
            check(strstr(text, "nothing was changed") && strstr(text, strerror(ENOSPC)), "%s",
                  text);
            free(text);
            client_expect(clients[(i + 1) % 3], "$before", "GET k");
            client_expect(clients[i], "$before", "GET k");
        }
        check(!unlink(ballast), "unlink: %s", strerror(errno));
        for (int i = 0; i < 3; i++) {
            client_expect(clients[i], "+OK", "SET k after%d", i);
            char *expected = text_format("$after%d", i);
            client_expect(clients[(i + 1) % 3], expected, "GET k");
            free(expected);
        }
        client_expect(clients[0], "+OK", "SET k before");
    }
    for (int i = 0; i < 3; i++) {
        redisFree(clients[i]);
        check(server_stop(servers[i]) == 0, "a server does not stop cleanly");
    }
    bytes_free(&filling);
    free(ballast);
}
