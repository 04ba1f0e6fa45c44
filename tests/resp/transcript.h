/* SPDX-License-Identifier: MIT */
/* Feeds a stream of bytes to the parser as a connection would, and writes the results as text:
 *
 *   [SET|key|value]   a request and its arguments
 *   ()                an empty one
 *   !text             an error, which ends the stream
 *   +12               at the end: so many bytes are left of an incomplete request
 *
 * Bytes that are not printable, and those that the text itself uses, show as \xHH. */
#ifndef TESTS_RESP_TRANSCRIPT_H
#define TESTS_RESP_TRANSCRIPT_H

#include "resp/parser.h"

/* How the stream arrives.  All zero: in one piece. */
struct transcript_cuts {
    const uint8_t *sizes; /* the n-th piece has sizes[n % count] + 1 bytes */
    size_t count;         /* 0: one piece */
};

/* The stream arrives byte by byte. */
extern const struct transcript_cuts transcript_bytewise;

/* At each call of the parser the bytes are in a fresh allocation of their exact size, so that a
 * sanitizer sees any access beside them and any pointer kept; quadratic.  Ends the program if the
 * parser breaks its contract or memory is short.  The caller frees the text. */
char *transcript_new(const struct resp_limits *limits, const void *stream, size_t size,
                     const struct transcript_cuts *cuts);

#endif
