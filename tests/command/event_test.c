/* SPDX-License-Identifier: MIT */
/* Protects notify-keyspace-events: the texts that are accepted and refused, how the option is
 * shown, and that the shown text means the same again, except where Redis 7.0 shows less. */
#include "command/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/config/config.h"

static void assert_shown(const char *text, const char *expected)
{
    unsigned flags = 0;
    char shown[NOTIFY_TEXT_BYTES];
    assert_true(notify_parse(text, &flags));
    notify_format(flags, shown);
    assert_string_equal(shown, expected);
}

/* The expected texts are what redis-server 7.0.15 answers to CONFIG GET. */
static void test_shown_as_redis_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"", ""},
        {"KEA", "AKE"},
        {"AKE", "AKE"},
        {"Ex", "xE"},
        {"KEg$lshzxet", "g$lshzxetKE"}, /* all but d is not all */
        {"g$lshzxetd", "A"},
        {"dtexzhsl$g", "A"},
        {"Am", "Am"},
        {"An", "A"}, /* sic */
        {"nm", "nm"},
        {"mKn", "nKm"},
        {"KKKK", "K"},
        {"A$", "A"},
        {"KEAmn", "AKEm"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_shown(cases[i].text, cases[i].shown);
}

static void test_every_set_of_flags(void **state)
{
    (void)state;
    static const char all[] = "g$lshzxetdnKEm";
    for (unsigned set = 0; set < 1U << (sizeof all - 1); set++) {
        char text[sizeof all], shown[NOTIFY_TEXT_BYTES];
        size_t size = 0;
        unsigned flags = 0, again = 0;
        for (size_t i = 0; i < sizeof all - 1; i++)
            if (set & 1U << i)
                text[size++] = all[i];
        text[size] = '\0';
        assert_true(notify_parse(text, &flags));
        assert_int_equal(__builtin_popcount(flags), size);
        notify_format(flags, shown);
        assert_true(notify_parse(shown, &again));
        assert_int_equal(again | (shown[0] == 'A' ? flags & NOTIFY_NEW : 0), flags);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct config *config = config_new();
    assert_non_null(config);
    assert_true(config_set(config, CONFIG_NOTIFY_KEYSPACE_EVENTS, "Kx", NULL));
    for (int c = 1; c < 256; c++) {
        const char text[] = {'K', (char)c, '\0'};
        char *cause = NULL;
        if (strchr("Ag$lshzxeKEtmdn", c)) {
            unsigned flags = 0;
            assert_true(notify_parse(text, &flags));
            continue;
        }
        assert_false(config_set(config, CONFIG_NOTIFY_KEYSPACE_EVENTS, text, &cause));
        assert_string_equal(cause, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        free(cause);
    }
    assert_int_equal(config_number(config, CONFIG_NOTIFY_KEYSPACE_EVENTS),
                     NOTIFY_KEYSPACE | NOTIFY_EXPIRED);
    char *shown = config_format(config, CONFIG_NOTIFY_KEYSPACE_EVENTS);
    assert_string_equal(shown, "xK");
    free(shown);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shown_as_redis_does),
        cmocka_unit_test(test_every_set_of_flags),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
