/* SPDX-License-Identifier: MIT */
/* The checks of the soak test: agreement, counters, memory and descriptors, files, a full disk. */
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"
#include "tests/client/soak.h"

#define STEP 1.05 /* from one bucket to the next */

/* ---- Latency ------------------------------------------------------------------------------- */

void soak_latency_add(struct soak_latency *latency, uint64_t us)
{
    double place = us > 1 ? log((double)us) / log(STEP) : 0;
    latency->counts[place < SOAK_BUCKETS - 1 ? (unsigned)place : SOAK_BUCKETS - 1]++;
    latency->total++;
    if (us > latency->longest_us)
        latency->longest_us = us;
}

void soak_latency_merge(struct soak_latency *to, const struct soak_latency *from)
{
    for (unsigned i = 0; i < SOAK_BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    if (from->longest_us > to->longest_us)
        to->longest_us = from->longest_us;
}

uint64_t soak_latency_us(const struct soak_latency *latency, double share)
{
    double wanted = share * (double)latency->total;
    uint64_t sum = 0;
    for (unsigned i = 0; i < SOAK_BUCKETS; i++) {
        sum += latency->counts[i];
        if (sum && (double)sum >= wanted) {
            uint64_t us = (uint64_t)pow(STEP, i + 1);
            return us < latency->longest_us ? us : latency->longest_us;
        }
    }
    return 0;
}

/* ---- Processes ----------------------------------------------------------------------------- */

struct soak_usage soak_usage_of(const struct server *server)
{
    struct soak_usage usage = {0};
    struct bytes text = {0};
    char *path = text_format("/proc/%d/status", (int)server->process.pid);
    check(bytes_read_file(&text, path), "%s: cannot read", path);
    const char *line = strstr(bytes_text(&text), "VmRSS:");
    check(line, "%s has no VmRSS", path);
    usage.resident_kib = strtol(line + strlen("VmRSS:"), NULL, 10);
    bytes_free(&text);
    free(path);
    path = text_format("/proc/%d/fd", (int)server->process.pid);
    DIR *dir = opendir(path);
    check(dir, "%s: cannot read", path);
    while (readdir(dir))
        usage.descriptors++;
    usage.descriptors -= 2; /* . and .. */
    closedir(dir);
    free(path);
    return usage;
}

/* ---- Data ---------------------------------------------------------------------------------- */

static char *digests_of(const struct server *server)
{
    struct bytes all = {0};
    redisContext *client = client_connect(server);
    for (unsigned i = 0; i < SOAK_DATABASES; i++) {
        client_expect(client, "+OK", "SELECT %u", i);
        char *digest = client_text(client, "DEBUG DIGEST");
        check(digest[0] == '+', "DEBUG DIGEST: %s", digest);
        bytes_appendf(&all, " %s", digest + 1);
        free(digest);
    }
    redisFree(client);
    return (char *)all.data;
}

void soak_check_agreement(struct server *const *servers, unsigned count, const struct server *more)
{
    struct patience patience = {0};
    for (;;) {
        char *first = digests_of(servers[0]), *other = NULL;
        unsigned i = 1;
        bool same = true;
        for (; i < count + (more != NULL) && same; i++) {
            free(other);
            other = digests_of(i < count ? servers[i] : more);
            same = !strcmp(first, other);
        }
        if (!same && !patience_left(&patience))
            fail_test("servers disagree:\n%s\n%s", first, other);
        free(first);
        free(other);
        if (same)
            return;
    }
}

void soak_check_counters(const struct soak_load *load, const struct server *server)
{
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SELECT %u", SOAK_COUNTERS);
    for (unsigned i = 0; i < SOAK_CLIENTS; i++) {
        const struct soak_client *one = &load->clients[i];
        long long least = one->counted, most = least + one->unanswered;
        long long value = client_integer(client, "EXISTS client%u", i)
                              ? client_integer(client, "GET client%u", i)
                              : 0;
        check(value >= least && value <= most, "client %u counts %lld, not %lld to %lld", i, value,
              least, most);
    }
    redisFree(client);
}

/* anystore.db or anystore.N.db, alone or with .lock or .spare behind it; and the directory of the
 * servers' sockets, where names of killed servers may remain. */
static bool belongs(const char *name)
{
    if (strncmp(name, "anystore.", 9) != 0)
        return false;
    name += 9;
    if (isdigit((unsigned char)*name)) {
        name += strspn(name, "0123456789");
        if (*name++ != '.')
            return false;
    }
    return !strcmp(name, "db") || !strcmp(name, "db.lock") || !strcmp(name, "db.spare") ||
           !strcmp(name, "db.peers");
}

void soak_check_names(const char *directory)
{
    char *names = directory_names(directory), *rest = NULL;
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        check(belongs(name), "left in the data directory: %s", name);
    free(names);
}

/* ---- A full disk --------------------------------------------------------------------------- */

#define BALLAST    300000
#define FILL_VALUE 40000
#define FILL_MAX   10000

/* Sets keys until one is refused; returns its number. */
static unsigned fill(redisContext *const *clients, struct random *random, const char *value)
{
    for (unsigned i = 0; i < FILL_MAX; i++) {
        char *text = client_text(clients[random_below(random, 2)], "SET fill%u %s", i, value);
        bool good = !strcmp(text, "+OK");
        check(good || strstr(text, "MISCONF Not persisted"), "SET: %s", text);
        check(good || strstr(text, "No space left on device"), "SET: %s", text);
        free(text);
        if (!good)
            return i;
    }
    fail_test("the disk does not get full");
    return 0;
}

void soak_fill_disk(struct server *const *servers, const char *directory, struct random *random)
{
    redisContext *clients[2] = {client_connect(servers[0]), client_connect(servers[1])};
    char *path = text_format("%s/ballast", directory), *value = calloc(1, BALLAST);
    check(value, "out of memory");
    check(bytes_write_file(path, value, BALLAST, 0600), "%s: cannot write", path);
    memset(value, 'v', FILL_VALUE);
    unsigned refused = fill(clients, random, value);
    check(refused > 0, "the disk is full from the start");
    for (unsigned i = 0; i < 2; i++) {
        check(client_integer(clients[i], "EXISTS fill%u", refused) == 0, "refused, but there");
        check(client_integer(clients[i], "STRLEN fill%u", refused - 1) == FILL_VALUE, "lost");
        check(client_integer(clients[i], "DBSIZE") == (long long)refused, "a key more or less");
    }
    remove_tree(path);
    for (unsigned i = 0; i < 2; i++)
        client_expect(clients[i], "+OK", "SET fill%u small", refused + i);
    client_expect(clients[0], "+OK", "FLUSHDB");
    /* Without the history of all that, which would not fit twice beside the next ballast. */
    client_expect(clients[0], "+OK", "SAVE");
    char *digest = client_text(clients[0], "DEBUG DIGEST");
    client_expect(clients[1], digest, "DEBUG DIGEST");
    free(digest);
    free(value);
    free(path);
    for (unsigned i = 0; i < 2; i++)
        redisFree(clients[i]);
}
