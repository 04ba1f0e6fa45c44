/* SPDX-License-Identifier: MIT */
/* Reads strings, and replaces them with changed copies. */
#include "command/string/string_access.h"

#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/host.h"

bool read_string_or_reply(struct call *call, const struct resp_arg *key,
                          struct anystore_value *value, bool *exists)
{
    bool usable = get_string_or_reply(call, key, value, exists);
    count_lookup(call, key, *exists);
    return usable;
}

size_t longest_string(const struct call *call)
{
    size_t most = call->host->string_bytes_most(call);
    return most < ANYSTORE_MAX_BYTES ? most : ANYSTORE_MAX_BYTES;
}

bool string_size_or_reply(struct call *call, size_t size, size_t more)
{
    if (!__builtin_add_overflow(size, more, &size) && size <= longest_string(call))
        return true;
    resp_write_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

uint8_t *copy_string_or_reply(struct call *call, const struct anystore_value *old, size_t size)
{
    if (size < old->size)
        size = old->size;
    uint8_t *bytes = malloc(size + 1); /* never 0 bytes: malloc could return NULL */
    if (!bytes) {
        store_ok_or_reply(call, ANYSTORE_NOMEM);
        return NULL;
    }
    if (old->size > 0)
        memcpy(bytes, old->data, old->size);
    memset(bytes + old->size, 0, size - old->size);
    return bytes;
}

enum anystore_status put_string(struct call *call, const struct resp_arg *key,
                                const struct anystore_value *old, uint8_t *bytes, size_t size)
{
    struct anystore_value value = {
        .type = ANYSTORE_STRING,
        .data = bytes,
        .size = size,
        .expire_ms = old->expire_ms,
    };
    enum anystore_status status = anystore_put(call->txn, key->data, key->size, &value);
    free(bytes);
    return status;
}

void replace_reply_if_refused(struct call *call, size_t reply_start, enum anystore_status status)
{
    if (status == ANYSTORE_OK)
        return;
    resp_buffer_truncate(call->reply->out, reply_start);
    store_ok_or_reply(call, status);
}
