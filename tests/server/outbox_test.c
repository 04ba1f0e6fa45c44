/* SPDX-License-Identifier: MIT */
/* Protects the order of the messages in an outbox, and what remains of a request that is rolled
 * back. */
#include "server/publish/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/peer/message.h"

/* For other servers only: it needs no receivers here. */
static struct outgoing *add(struct outbox *outbox, const char *name)
{
    const struct resp_arg text = {.data = (const uint8_t *)name, .size = strlen(name)};
    struct message *message = message_new(MESSAGE_CHANNEL, &text, &text);
    assert_non_null(message);
    outbox_add_there(outbox, message);
    return outbox->last;
}

static void assert_names(const struct outbox *outbox, const char *expected)
{
    char names[64] = "";
    const struct outgoing *last = NULL;
    for (const struct outgoing *outgoing = outbox->first; outgoing; outgoing = outgoing->next) {
        const struct resp_arg name = message_name(outgoing->message);
        assert_true(strlen(names) + name.size < sizeof names);
        strncat(names, (const char *)name.data, name.size);
        last = outgoing;
    }
    assert_string_equal(names, expected);
    assert_ptr_equal(outbox->last, last);
}

static void test_rollback(void **state)
{
    (void)state;
    struct outbox outbox = {0};
    outbox_rollback(&outbox, NULL); /* nothing to forget */
    assert_names(&outbox, "");
    add(&outbox, "a");
    struct outgoing *kept = add(&outbox, "b");
    outbox_settle(&outbox, true);
    assert_null(outbox.unsettled);
    add(&outbox, "c");
    add(&outbox, "d");
    assert_names(&outbox, "abcd");
    outbox_rollback(&outbox, kept); /* the request that published c and d */
    assert_names(&outbox, "ab");
    assert_null(outbox.unsettled);
    outbox_rollback(&outbox, kept);
    assert_names(&outbox, "ab");
    add(&outbox, "e");
    assert_names(&outbox, "abe");
    outbox_rollback(&outbox, NULL);
    assert_names(&outbox, "");
    add(&outbox, "f");
    assert_names(&outbox, "f");
    outbox_rollback(&outbox, NULL);
}

/* Each request settles its own messages. */
static void test_settle(void **state)
{
    (void)state;
    struct outbox outbox = {0};
    struct outgoing *one = add(&outbox, "a"), *two = add(&outbox, "b");
    outbox_settle(&outbox, true);
    struct outgoing *three = add(&outbox, "c");
    assert_ptr_equal(outbox.unsettled, three);
    outbox_settle(&outbox, false);
    outbox_settle(&outbox, true); /* a request that published nothing */
    assert_true(one->depends && two->depends);
    assert_false(three->depends);
    /* Part of a request is taken back. */
    struct outgoing *four = add(&outbox, "d");
    add(&outbox, "e");
    outbox_rollback(&outbox, four);
    assert_ptr_equal(outbox.unsettled, four);
    outbox_settle(&outbox, true);
    assert_true(four->depends);
    assert_names(&outbox, "abcd");
    outbox_rollback(&outbox, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_settle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
