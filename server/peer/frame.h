/* SPDX-License-Identifier: MIT */
/* The protocol between the servers of a data file, as bytes.
 *
 * A link is a UNIX stream socket from the server that publishes to the one that listens.  Both send
 * a hello; with its own the listener passes the descriptor of its interest page (interest.h).  Then
 * the publisher sends frames, and the listener sends nothing more.  Numbers are little-endian.
 *
 * hello, 64 bytes         frame, 32 bytes, then name and payload
 *  0  8  "ANYPEER1"        0  4  kind (enum message_kind); an unknown one is skipped
 *  8 40  run id, hex       4  4  an event's class (command/event.h), else zero
 * 48  8  link number       8  4  an event's database, else zero
 * 56  8  zero             12  4  zero
 *                         16  8  size of the name
 *                         24  8  size of the payload
 *
 * A server numbers its links to one listener upwards.  Of two links the listener reads the one with
 * the higher number, so that an old message cannot arrive after newer ones. */
#ifndef SERVER_PEER_FRAME_H
#define SERVER_PEER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/peer/message.h"

#define PEER_RUN_ID_SIZE 40
#define PEER_HELLO_SIZE  64
#define PEER_FRAME_SIZE  32

struct peer_hello {
    char run_id[PEER_RUN_ID_SIZE + 1];
    uint64_t number;
};

void peer_hello_write(uint8_t *out, const struct peer_hello *hello);
bool peer_hello_read(const uint8_t *in, struct peer_hello *hello); /* false: not a hello */

/* Whether a text of PEER_RUN_ID_SIZE characters is a run id. */
bool peer_is_run_id(const char *text);

void peer_frame_write(uint8_t *out, const struct message *message);

enum peer_parse {
    PEER_PARSE_MORE,    /* incomplete; *size is the size of the frame, 0 if not known yet */
    PEER_PARSE_MESSAGE, /* *message is new, the caller's; it took *size bytes */
    PEER_PARSE_SKIP,    /* an unknown kind: the caller skips *size bytes */
    PEER_PARSE_NOMEM,   /* memory is short: the caller skips *size bytes */
    PEER_PARSE_BAD      /* not a frame, or name or payload are larger than `most` */
};

/* Reads one frame from the front of the input. */
enum peer_parse peer_frame_read(const uint8_t *in, size_t available, uint64_t most, size_t *size,
                                struct message **message);

#endif
