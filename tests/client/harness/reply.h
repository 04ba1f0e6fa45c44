/* SPDX-License-Identifier: MIT */
/* Replies in RESP2 and RESP3: where one ends, as a tree, and as short text for comparisons.
 *
 * All expectations of these tests are written as the text of a reply:
 *   +OK  -ERR what  :12  $text  _ (no value)  ,1.5  #t  (12345  =txt:text
 *   [$a :1 _]  an array     {$a :1 $b :2}  a map     ~[$a $b]  a set     >[$a]  a push
 * Bytes that are not printable show as \n, \xff and so on; "$" alone is an empty string. */
#ifndef TESTS_CLIENT_HARNESS_REPLY_H
#define TESTS_CLIENT_HARNESS_REPLY_H

#include <stddef.h>
#include <stdint.h>

struct redisReply;

struct reply {
    char type;     /* the protocol's sign; '_' for each kind of no value */
    uint8_t *data; /* of strings, errors, numbers: the text, with a NUL behind it */
    size_t size;
    struct reply *items; /* of collections; a map has its keys and values in turn */
    size_t count;
};

#define REPLY_MORE ((size_t)0)
#define REPLY_BAD  SIZE_MAX

/* The number of bytes that the first reply in `data` takes; REPLY_MORE if it is not whole yet,
 * REPLY_BAD if these bytes are no reply. */
size_t reply_measure(const uint8_t *data, size_t size);

/* The tree of one whole reply of reply_measure()'s size; freed with reply_free. */
struct reply *reply_parse(const uint8_t *data, size_t size);
void reply_free(struct reply *reply); /* takes NULL */

/* The text of a reply, which the caller frees.  NULL stands for a lost connection. */
char *reply_text(const struct reply *reply);
char *reply_text_hiredis(const struct redisReply *reply);

/* The value of a text key in a map, or in an array of keys and values; NULL if not there. */
const struct reply *reply_find(const struct reply *map, const char *key);

/* The contents as text; "" if it has none. */
const char *reply_string(const struct reply *reply);

#endif
