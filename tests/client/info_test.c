/* SPDX-License-Identifier: MIT */
/* Protects what INFO says: a field that looks measured is measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"

static void rates_are_measured(struct harness *harness)
{
    static const char *const fields[] = {"instantaneous_ops_per_sec", "instantaneous_input_kbps",
                                         "instantaneous_output_kbps"};
    struct server *server = server_start(harness, &(struct server_options){0});
    redisContext *client = client_connect(server);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct patience patience = {0};
        while (client_info(client, "stats", fields[i]) == 0 && patience_left(&patience)) {
            for (unsigned j = 0; j < 100; j++)
                client_expect(client, "+PONG", "PING");
        }
        check(client_info(client, "stats", fields[i]) > 0, "%s", fields[i]);
    }
    redisFree(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(rates_are_measured),
    };
    return harness_main("client_info_test", tests, sizeof tests / sizeof *tests);
}
