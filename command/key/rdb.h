/* SPDX-License-Identifier: MIT */
/* Strings as Redis serialises them (RDB version 10): the payload of DUMP and RESTORE.  Pure: any
 * thread. */
#ifndef COMMAND_KEY_RDB_H
#define COMMAND_KEY_RDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *payload: the bytes of a string with type, version and checksum; the caller frees it.  False if
 * memory is short.  Redis would compress longer strings, but reads them uncompressed, too. */
bool rdb_string_dump(const void *data, size_t size, uint8_t **payload, size_t *payload_size);

enum rdb_status {
    RDB_OK,
    RDB_BAD_CHECKSUM, /* or the version is too new */
    RDB_BAD_FORMAT,
    RDB_OTHER_TYPE, /* a value of another type than string */
    RDB_NOMEM
};

struct rdb_string {
    const uint8_t *data;
    size_t size;
    uint8_t *memory; /* memory that rdb_string_free frees; NULL: none */
};

/* Reads a payload from Redis or from rdb_string_dump.  With RDB_OK, string->data points into the
 * payload or into own memory; call rdb_string_free then. */
enum rdb_status rdb_string_load(const uint8_t *payload, size_t size, struct rdb_string *string);
void rdb_string_free(struct rdb_string *string);

#endif
