/* SPDX-License-Identifier: MIT */
/* An incremental parser of the requests that Redis clients send: arrays of bulk strings
 * ("multibulk") and inline commands.
 *
 * It is a pure function over bytes: it does no I/O, keeps no bytes and never changes them.  It
 * remembers how far it looked, so that a request that arrives byte by byte costs linear time.
 * Sources: the RESP2 and RESP3 specifications (redis.io/docs/reference/protocol-spec), error texts
 * and limits as in Redis 7.0. */
#ifndef RESP_PARSER_H
#define RESP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An argument: `size` bytes of any value, not terminated. */
struct resp_arg {
    const uint8_t *data;
    size_t size;
};

/* What a client may ask for; see resp_limits_default. */
struct resp_limits {
    size_t max_bulk;   /* bytes of one argument (proto-max-bulk-len) */
    size_t max_args;   /* arguments of one request; an inline one has as many as its line holds */
    size_t max_inline; /* bytes of a line: an inline request, a count, a length; without its end */

    /* The client must AUTH first: at most 10 arguments of 16,384 bytes, as Redis has it, with the
     * texts that Redis has for this ("unauthenticated multibulk length", "unauthenticated bulk
     * length").  What is beyond the limits above too has their text. */
    bool unauthenticated;
};

/* 512 MB, 2,147,483,647 arguments, 64 KB: as Redis 7.0. */
extern const struct resp_limits resp_limits_default;

/* The same, unauthenticated. */
extern const struct resp_limits resp_limits_unauthenticated;

enum resp_parse_result {
    RESP_PARSE_REQUEST, /* a whole request: resp_parser_argc() arguments at resp_parser_argv() */
    RESP_PARSE_EMPTY,   /* an empty line or an array of no elements: skip it and go on */
    RESP_PARSE_MORE,    /* not whole yet: call again with the same bytes and more behind them */
    RESP_PARSE_ERROR,   /* not the protocol: answer resp_parser_error() and close; so is every
                           further call until resp_parser_reset() */
    RESP_PARSE_NOMEM    /* memory is short: close */
};

struct resp_parser;

/* NULL if memory is short. */
struct resp_parser *resp_parser_new(void);
void resp_parser_free(struct resp_parser *parser); /* takes NULL */

/* Looks at the `size` bytes at `data`, which begin where the current request begins.  After
 * RESP_PARSE_MORE the next call must begin with the same bytes (their address may differ).  After
 * REQUEST and EMPTY, *consumed says how many bytes the request took; the next call begins behind
 * them.  Nothing is consumed otherwise (*consumed is 0).  Limits are looked at before anything is
 * allocated for what a client announces, and the limits of a call count for what it meets first:
 * they may change from call to call. */
enum resp_parse_result resp_parse(struct resp_parser *parser, const struct resp_limits *limits,
                                  const uint8_t *data, size_t size, size_t *consumed);

/* The arguments after RESP_PARSE_REQUEST, argc >= 1.  They point into the bytes given to
 * resp_parse, but for quoted inline arguments, which point into the parser; valid until the next
 * call on the parser and as long as those bytes stay. */
size_t resp_parser_argc(const struct resp_parser *parser);
const struct resp_arg *resp_parser_argv(const struct resp_parser *parser);

/* What was wrong after RESP_PARSE_ERROR, as Redis says it behind "-ERR ", for example
 * "Protocol error: invalid bulk length"; owned by the parser, one line, but a byte of the client
 * may be in it ("expected '$', got '\xff'").  Empty if nothing was wrong. */
const char *resp_parser_error(const struct resp_parser *parser);

/* How many more bytes the argument that is on its way needs (0: unknown): a hint to reserve buffer
 * space for a large one.  Within max_bulk it is what the client announced, not what it sent.  Only
 * of use after RESP_PARSE_MORE. */
size_t resp_parser_wanted(const struct resp_parser *parser);

/* Bytes of memory that the parser takes: 16 for each argument that has arrived of the request on
 * its way, up to twice as much; the arguments themselves are the caller's. */
size_t resp_parser_memory(const struct resp_parser *parser);

/* Forgets a request in progress or an error; the next call starts with a new request.  Gives back
 * the memory that a giant request needed, which otherwise the next request does. */
void resp_parser_reset(struct resp_parser *parser);

/* Splits a line into words as Redis does for inline requests and for redis.conf: blanks separate,
 * "..." knows \n \r \t \b \a \xHH and \" , '...' knows \' .  A NUL byte ends the line.  On success
 * *argv is a newly allocated array of *argc arguments (also if there are none), freed with one
 * free(), their bytes in it; behind each is a NUL byte that its size does not count.  False if
 * quotes do not balance or memory is short (then *argv is NULL). */
bool resp_split_words(const uint8_t *line, size_t size, struct resp_arg **argv, size_t *argc);

#endif
