/* SPDX-License-Identifier: MIT */
/* Clients at their worst cost the server a bounded amount of memory, and it serves others
 * meanwhile: slow clients, endless pipelines, giant values, thousands that come and go, memory that
 * runs out.  The commands of an abandoned connection are each done whole or not at all, in
 * order. */
#include "tests/client/bounds.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/client/harness/client.h"

/* A field of /proc/<pid>/status, in bytes. */
static size_t status_field(const struct server *server, const char *name)
{
    struct bytes text = {0};
    char *path = text_format("/proc/%d/status", (int)server->process.pid);
    check(bytes_read_file(&text, path), "cannot read %s", path);
    const char *line = strstr(bytes_text(&text), name);
    check(line, "%s has no %s", path, name);
    size_t kib = strtoul(line + strlen(name), NULL, 10);
    bytes_free(&text);
    free(path);
    return kib * 1024;
}

size_t bounds_begin(const struct server *server)
{
    char *path = text_format("/proc/%d/clear_refs", (int)server->process.pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd >= 0 && write(fd, "5", 1) == 1, "cannot write %s", path);
    close(fd);
    free(path);
    return status_field(server, "VmRSS:");
}

static void check_size(size_t now, size_t before, size_t most, const char *what)
{
    size_t more = now > before ? now - before : 0;
    if (harness_sanitized())
        return;
    print_message("%s: %.1f MiB more, at most %.0f\n", what, (double)more / (double)MIB,
                  (double)most / (double)MIB);
    check(more <= most, "%s: %zu bytes more in memory", what, more);
}

void bounds_check(const struct server *server, size_t before, size_t most, const char *what)
{
    check_size(status_field(server, "VmHWM:"), before, most, what);
}

void bounds_check_now(const struct server *server, size_t before, size_t most, const char *what)
{
    check_size(status_field(server, "VmRSS:"), before, most, what);
}

size_t bounds_descriptors(const struct server *server)
{
    char *path = text_format("/proc/%d/fd", (int)server->process.pid);
    size_t count = 0;
    DIR *directory = opendir(path);
    check(directory, "cannot read %s", path);
    while (readdir(directory))
        count++;
    closedir(directory);
    free(path);
    return count;
}

void bounds_serve(const struct server *server, unsigned rounds)
{
    redisContext *client = client_connect(server);
    for (unsigned i = 0; i < rounds; i++) {
        client_expect(client, "+OK", "SET other %d", i);
        client_expect(client, "+PONG", "PING");
        check(client_integer(client, "GET other") == (long long)i, "another value");
    }
    redisFree(client);
}

unsigned bounds_allow_descriptors(unsigned count)
{
    const rlim_t own = 100;
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    if (limit.rlim_cur < count + own)
        limit.rlim_cur = limit.rlim_max < count + own ? limit.rlim_max : count + own;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    return limit.rlim_cur < count + own ? (unsigned)(limit.rlim_cur - own) : count;
}

bool bounds_push(struct raw *raw, const void *data, size_t size)
{
    const uint8_t *from = data;
    while (size > 0) {
        ssize_t n = send(raw->fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            return false;
        from += n;
        size -= (size_t)n;
    }
    return true;
}

void bounds_reset(struct raw *raw)
{
    const struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(raw->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    raw_close(raw);
}

void bounds_wait_clients(const struct server *server, long long count)
{
    redisContext *client = client_connect(server);
    struct patience patience = {0};
    while (client_info(client, "clients", "connected_clients") > count && patience_left(&patience))
        ;
    check(client_info(client, "clients", "connected_clients") <= count, "clients that left count");
    redisFree(client);
}

void bounds_repeat(struct bytes *out, const char *text, size_t count)
{
    const size_t size = strlen(text);
    for (size_t i = 0; i < count; i++)
        bytes_append(out, text, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(slow_readers),
        HARNESS_TEST(slow_writers),
        HARNESS_TEST(tiny_commands),
        HARNESS_TEST(unread_replies),
        HARNESS_TEST(large_replies),
        HARNESS_TEST(one_large_value_again_and_again),
        HARNESS_TEST(output_limit),
        HARNESS_TEST(clients_together),
        HARNESS_TEST(idle_after_work),
        HARNESS_TEST(come_and_go),
        HARNESS_TEST(too_many),
        HARNESS_TEST(no_descriptors),
        HARNESS_TEST(cut_off),
        HARNESS_TEST(cut_off_transactions),
        HARNESS_TEST(largest_value),
        HARNESS_TEST(too_large),
        HARNESS_TEST(out_of_memory_errors),
        HARNESS_TEST(out_of_memory),
        HARNESS_TEST(out_of_memory_in_one_write),
        HARNESS_TEST(rewritten_in_a_transaction),
        HARNESS_TEST(out_of_memory_by_others),
        HARNESS_TEST(memory_figures_are_true),
    };
    return harness_main("client_bounds_test", tests, sizeof tests / sizeof *tests);
}
