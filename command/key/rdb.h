/* SPDX-License-Identifier: MIT */
/* Strings as Redis serialises them (RDB version 10): what DUMP answers and RESTORE takes. */
#ifndef COMMAND_KEY_RDB_H
#define COMMAND_KEY_RDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of a string with type, version and checksum: *payload, which the caller frees.  False
 * if memory is short.  Redis would compress longer strings; it reads them as they are, too. */
bool rdb_string_dump(const void *data, size_t size, uint8_t **payload, size_t *payload_size);

enum rdb_status {
    RDB_OK,
    RDB_BAD_CHECKSUM, /* or a version that is too new */
    RDB_BAD_FORMAT,
    RDB_OTHER_TYPE, /* a value, but not a string */
    RDB_NOMEM
};

struct rdb_string {
    const uint8_t *data;
    size_t size;
    uint8_t *memory; /* what is to be freed */
};

/* Reads what Redis or rdb_string_dump has written.  With RDB_OK string->data points into the
 * payload or into memory of its own, and rdb_string_free is to be called. */
enum rdb_status rdb_string_load(const uint8_t *payload, size_t size, struct rdb_string *string);
void rdb_string_free(struct rdb_string *string);

#endif
