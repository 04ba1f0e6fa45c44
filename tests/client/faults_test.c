/* SPDX-License-Identifier: MIT */
/* System calls of a running server fail (strace), with other servers on the file: the client gets
 * an error with the cause; nothing has changed for anybody; reads go on; and the server writes
 * again without a restart as soon as the disk works. */
#include "tests/client/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/client/harness/random.h"

void faults_refused(redisContext *client, const char *command, const char *cause)
{
    char *text = client_text(client, command);
    check(!strncmp(text, "-MISCONF ", 9) || !strncmp(text, "-EXECABORT ", 11), "%s: %s", command,
          text);
    check(strstr(text, "nothing was changed") || strstr(text, "Cannot catch up"), "%s: %s", command,
          text);
    check(strstr(text, "anystore."), "%s: no file is named: %s", command, text);
    check(strstr(text, cause), "%s: \"%s\" is not in the reply: %s", command, cause, text);
    free(text);
}

void faults_expect_status(redisContext *client, const char *write, const char *save)
{
    char *text = client_text(client, "INFO persistence");
    char *expected = text_format("\\r\\naof_last_write_status:%s\\r\\n", write);
    check(strstr(text, expected), "not %s: %s", expected, text);
    free(expected);
    expected = text_format("\\r\\nrdb_last_bgsave_status:%s\\r\\n", save);
    check(strstr(text, expected), "not %s: %s", expected, text);
    free(expected);
    free(text);
}

void faults_expect_pong(redisContext *client)
{
    struct patience patience = {0};
    char *text = client_text(client, "PING");
    while (strcmp(text, "+PONG") && patience_left(&patience)) {
        free(text);
        text = client_text(client, "PING");
    }
    check(!strcmp(text, "+PONG"), "nobody tries whether writes work again: %s", text);
    free(text);
}

void faults_well_again(struct commits *commits)
{
    char *counter = text_format("$%lld", commits->counter);
    redisContext *client = client_connect(commits->server);
    client_expect(client, counter, "GET counter");
    client_expect(client, "+OK", "SET well again");
    for (int i = 0; i < 2; i++)
        client_expect(commits->clients[i], "$again", "GET well");
    client_expect(client, ":1", "DEL well");
    faults_expect_pong(client);
    client_expect(client, "+OK", "SAVE");
    faults_expect_status(client, "ok", "ok");
    redisFree(client);
    free(counter);
    commits_count(commits);
    check(!process_ended(&commits->server->process), "the server has ended");
}

/* ---- Each call, once ----------------------------------------------------------------------- */

static const struct commit_kind kinds[] = {
    {.name = "a commit",
     .command = "SET k new",
     .before = "$old2 $old1 $old0",
     .after = "$old2 $old1 $new"},
    {.name = "a commit behind another server's",
     .command = "SET k new",
     .before = "$old2 $old1 $old0",
     .after = "$old2 $old1 $new",
     .behind = true},
    {.name = "the first commit after a start",
     .command = "SET k new",
     .before = "$old2 $old1 $old0",
     .after = "$old2 $old1 $new",
     .fresh = true},
    {.name = "a new base",
     .command = "SAVE",
     .before = "$old2 $old1 $old0",
     .after = "$old2 $old1 $old0"},
    {.name = "an exchange of two databases",
     .command = "SWAPDB 1 2",
     .before = "$old2 $old1 $old0",
     .after = "$old1 $old2 $old0"},
};

static const struct fault {
    const char *name;
    int number;
} faults[] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},
              {"EROFS", EROFS}, {"EMFILE", EMFILE}, {"EINTR", EINTR}};

struct tally {
    unsigned trials, refused;
};

static void fail_at(struct harness *harness, struct commits *commits,
                    const struct commit_kind *kind, const struct tracer_step *step,
                    const struct fault *fault, struct tally *tally)
{
    struct tracer tracer;
    commits_prepare(commits, kind);
    redisContext *client = client_connect(commits->server);
    char *inject = text_format("%s:error=%s:when=%u", step->call, fault->name, step->when);
    tracer_attach(harness, &tracer, commits->server,
                  &(struct tracer_options){.calls = step->call, .inject = {inject}});
    char *text = client_text(client, kind->command);
    bool done = !strcmp(text, "+OK");
    check(done || (text[0] == '-' && strstr(text, strerror(fault->number))), "%s: %s: %s", inject,
          kind->command, text);
    char *state = commits_state(client);
    check(!strcmp(state, done ? kind->after : kind->before), "%s: %s, but there is %s", inject,
          text, state);
    commits_count(commits); /* nothing is locked */
    tracer_free(&tracer);
    check(commits_check(commits, kind, done) == done || !strcmp(kind->before, kind->after),
          "%s: %s, but it was done", inject, text);
    client_expect(client, "+OK", "SET last 2");
    /* SAVE and SWAPDB write new bases, if the databases can be opened at all. */
    if (!done && strncmp(kind->command, "SET", 3) != 0 && strstr(text, "Not persisted")) {
        char *info = client_text(client, "INFO persistence");
        check(strstr(info, "rdb_last_bgsave_status:err"), "%s: %s: %s", inject, text, info);
        free(info);
    }
    redisFree(client);
    tally->trials++;
    tally->refused += !done;
    free(state);
    free(text);
    free(inject);
}

static void fail_at_each(struct harness *harness, struct commits *commits,
                         const struct commit_kind *kind, struct random *random)
{
    static struct tracer_step steps[COMMIT_STEPS_MAX];
    struct tally tally = {0};
    size_t count = commits_rehearse(harness, commits, kind, steps);
    unsigned offset = (unsigned)random_below(random, 6);
    for (size_t i = 0; i < count; i++) {
        harness->stage = steps[i].text;
        /* strace makes a call fail by skipping it: the descriptor would stay open. */
        if (!strcmp(steps[i].call, "close"))
            continue;
        /* All errors at each call would take long: two of them here, others in the next run. */
        for (unsigned j = 0; j < 2; j++) {
            if (random_below(random, 1000) < harness_scaled(1000))
                fail_at(harness, commits, kind, &steps[i], &faults[(offset + i + 3 * j) % 6],
                        &tally);
        }
    }
    print_message("%s: %zu steps, %u failed calls: it was refused in %u, done in %u\n", kind->name,
                  count, tally.trials, tally.refused, tally.trials - tally.refused);
}

static void each_call_fails_once(struct harness *harness)
{
    struct commits commits;
    struct random random;
    random_start(&random, random_run_seed("errors"), 0);
    commits_begin(harness, &commits);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        fail_at_each(harness, &commits, &kinds[i], &random);
    commits_end(&commits);
}

/* ---- What becomes of the copy -------------------------------------------------------------- */

static char *spare_path(const struct harness *harness)
{
    return text_format("%s.spare", harness->db);
}

static struct stat status_of(int fd)
{
    struct stat status;
    check(!fstat(fd, &status), "fstat: %s", strerror(errno));
    return status;
}

static bool is_at(const char *path, const struct stat *file)
{
    struct stat status;
    return !stat(path, &status) && status.st_dev == file->st_dev && status.st_ino == file->st_ino;
}

/* A copy that could not be synced is never used again: nobody knows how much of it is on the
 * disk. */
static void unsynced_copy_is_thrown_away(struct harness *harness)
{
    struct commits commits;
    struct tracer tracer;
    commits_begin(harness, &commits);
    char *spare = spare_path(harness);
    static const char *const causes[] = {"EIO", "ENOSPC", "EDQUOT"};
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        commits_prepare(&commits, &kinds[0]);
        int fd = open(spare, O_RDONLY | O_CLOEXEC); /* so that its inode number is not used again */
        check(fd >= 0, "%s: %s", spare, strerror(errno));
        struct stat copy = status_of(fd);
        char *inject = text_format("fsync,fdatasync:error=%s:when=1", causes[i]);
        tracer_attach(harness, &tracer, commits.server,
                      &(struct tracer_options){
                          .calls = "fsync,fdatasync", .inject = {inject}, .paths = {spare}});
        redisContext *client = client_connect(commits.server);
        faults_refused(client, "SET k other", "cannot sync");
        check(status_of(fd).st_nlink == 0, "the copy is still there after %s", inject);
        client_expect(client, "$old0", "GET k");
        for (int j = 0; j < 4; j++) {
            client_expect(client, "+OK", "SET k value%d", j);
            check(!is_at(spare, &copy) && !is_at(harness->db, &copy), "the copy is used again");
        }
        redisFree(client);
        close(fd);
        free(inject);
        tracer_free(&tracer);
        faults_well_again(&commits);
    }
    commits_end(&commits);
    free(spare);
}

/* The names were exchanged already: they are exchanged back, so that the write does not show
 * later. */
static void directory_cannot_be_synced(struct harness *harness)
{
    struct commits commits;
    struct tracer tracer;
    commits_begin(harness, &commits);
    for (unsigned i = 0; i < 3; i++) {
        commits_prepare(&commits, &kinds[0]);
        tracer_attach(harness, &tracer, commits.server,
                      &(struct tracer_options){.calls = "fsync,fdatasync",
                                               .inject = {"fsync,fdatasync:error=EIO:when=1"},
                                               .paths = {harness->data}});
        redisContext *client = client_connect(commits.server);
        faults_refused(client, "SET k other", "cannot sync the directory");
        client_expect(client, "$old0", "GET k");
        redisFree(client);
        tracer_free(&tracer);
        if (i == 1) { /* nor does the write show when the server dies */
            server_kill(commits.server);
            server_restart(commits.server);
        }
        commits_count(&commits);
        client_expect(commits.clients[1], "$old0", "GET k");
        faults_well_again(&commits);
    }
    commits_end(&commits);
}

/* If the exchange back fails, too, the log says that the write may show; all servers agree on
 * it. */
static void exchange_cannot_be_taken_back(struct harness *harness)
{
    struct commits commits;
    struct tracer tracer;
    commits_begin(harness, &commits);
    commits_prepare(&commits, &kinds[0]);
    char *spare = spare_path(harness);
    tracer_attach(
        harness, &tracer, commits.server,
        &(struct tracer_options){.calls = "fsync,rename",
                                 .inject = {"fsync:error=EIO:when=1", "rename:error=EROFS:when=1"},
                                 .paths = {harness->data, spare}});
    redisContext *client = client_connect(commits.server);
    faults_refused(client, "SET k new", "cannot sync the directory");
    redisFree(client);
    tracer_free(&tracer);
    char *log = server_log(commits.server);
    check(strstr(log, "may hold a commit"), "the log does not tell:\n%s", log);
    (void)commits_check(&commits, &kinds[0], false);
    faults_well_again(&commits);
    commits_end(&commits);
    free(log);
    free(spare);
}

/* A file system turns out to lack something: there is another way. */
static void what_a_file_system_lacks(struct harness *harness)
{
    static const char *const lacking[] = {
        "renameat2:error=EINVAL", "ioctl,copy_file_range:error=EOPNOTSUPP",
        "copy_file_range:error=EXDEV", "fcntl:error=ENOLCK", /* the queue before the lock */
    };
    struct commits commits;
    struct tracer tracer;
    commits_begin(harness, &commits);
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
        harness->stage = lacking[i];
        commits_prepare(&commits, &kinds[2]);
        char *calls = text_format("%.*s", (int)strcspn(lacking[i], ":"), lacking[i]);
        tracer_attach(harness, &tracer, commits.server,
                      &(struct tracer_options){.calls = calls, .inject = {lacking[i]}});
        redisContext *client = client_connect(commits.server);
        for (int j = 0; j < 5; j++) {
            client_expect(client, "+OK", "SET k value%d", j);
            commits_count(&commits);
        }
        redisFree(client);
        tracer_free(&tracer);
        client_expect(commits.clients[1], "$value4", "GET k");
        faults_well_again(&commits);
        free(calls);
    }
    harness->stage = NULL;
    commits_end(&commits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(each_call_fails_once),       HARNESS_TEST(calls_fail_for_a_while),
        HARNESS_TEST(interrupted_calls_go_on),    HARNESS_TEST(unsynced_copy_is_thrown_away),
        HARNESS_TEST(directory_cannot_be_synced), HARNESS_TEST(exchange_cannot_be_taken_back),
        HARNESS_TEST(what_a_file_system_lacks),   HARNESS_TEST(peers_after_a_fault),
        HARNESS_TEST(calls_of_a_start_fail),      HARNESS_TEST(file_size_limit),
        HARNESS_TEST(probes_hear_of_a_full_disk), HARNESS_TEST(too_many_open_files),
        HARNESS_TEST(disk_full_for_all),          HARNESS_TEST(commits_of_several_fail),
    };
    return harness_main("client_faults_test", tests, sizeof tests / sizeof *tests);
}
