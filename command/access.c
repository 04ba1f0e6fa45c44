/* SPDX-License-Identifier: MIT */
/* Reads and changes keys for calls. */
#include "command/access.h"

#include "command/host.h"
#include "command/reply.h"

struct anystore_txn *call_txn(const struct call *call, unsigned database)
{
    const struct scope *scope = call->scope;
    if (scope->databases == 0)
        return scope->database == database ? scope->txn : NULL;
    return scope->txns && (scope->databases & database_bit(database)) ? scope->txns[database]
                                                                      : NULL;
}

static void count_one(struct call *call, bool exists)
{
    if (exists)
        call->hits++;
    else
        call->misses++;
}

void count_lookup(struct call *call, const struct resp_arg *key, bool exists)
{
    count_one(call, exists);
    if (!exists)
        call_event(call, NOTIFY_KEY_MISS, "keymiss", key);
}

bool read_key(struct call *call, const struct resp_arg *key, struct anystore_value *value)
{
    bool exists = anystore_get(call->txn, key->data, key->size, value);
    count_lookup(call, key, exists);
    return exists;
}

bool read_key_quietly(struct call *call, const struct resp_arg *key, struct anystore_value *value)
{
    bool exists = anystore_get(call->txn, key->data, key->size, value);
    count_one(call, exists);
    return exists;
}

bool store_ok_or_reply(struct call *call, enum anystore_status status)
{
    if (status == ANYSTORE_OK)
        return true;
    call->store_failed = true;
    if (status == ANYSTORE_NOMEM)
        reply_out_of_memory(call);
    else if (status == ANYSTORE_TOO_LARGE)
        resp_write_errorf(call->reply, "ERR key or value exceeds maximum allowed size (%zu bytes)",
                          ANYSTORE_MAX_BYTES);
    else
        resp_write_errorf(call->reply, "ERR %s", anystore_status_text(status));
    return false;
}

enum anystore_status put_or_expire(struct call *call, const struct resp_arg *key,
                                   const struct anystore_value *value)
{
    if (value->expire_ms != 0 && value->expire_ms <= anystore_now(call->txn))
        return anystore_delete(call->txn, key->data, key->size, NULL);
    return anystore_put(call->txn, key->data, key->size, value);
}

bool get_string_or_reply(struct call *call, const struct resp_arg *key,
                         struct anystore_value *value, bool *exists)
{
    *exists = anystore_get(call->txn, key->data, key->size, value);
    if (!*exists || value->type == ANYSTORE_STRING)
        return true;
    reply_wrong_type(call);
    return false;
}
