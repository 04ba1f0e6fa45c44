/* SPDX-License-Identifier: MIT */
/* A message is one piece of memory with a count of references. */
#include "server/peer/message.h"

#include <stdlib.h>
#include <string.h>

static struct message *make(enum message_kind kind, const char *prefix, const struct resp_arg *name,
                            const struct resp_arg *payload)
{
    size_t prefix_size = strlen(prefix);
    struct message *message = malloc(sizeof *message + prefix_size + name->size + payload->size);
    if (!message)
        return NULL;
    *message = (struct message){
        .kind = kind, .name_size = prefix_size + name->size, .payload_size = payload->size};
    atomic_init(&message->references, 1);
    memcpy(message->bytes, prefix, prefix_size);
    if (name->size > 0)
        memcpy(message->bytes + prefix_size, name->data, name->size);
    if (payload->size > 0)
        memcpy(message->bytes + message->name_size, payload->data, payload->size);
    return message;
}

struct message *message_new(enum message_kind kind, const struct resp_arg *name,
                            const struct resp_arg *payload)
{
    return make(kind, "", name, payload);
}

struct message *message_new_event(unsigned class, unsigned database, const struct resp_arg *event,
                                  const struct resp_arg *key)
{
    struct message *message = message_new(MESSAGE_EVENT, event, key);
    if (message) {
        message->class = class;
        message->database = database;
    }
    return message;
}

struct message *message_new_behind(const char *prefix, const struct resp_arg *name,
                                   const struct resp_arg *payload)
{
    return make(MESSAGE_CHANNEL, prefix, name, payload);
}

void message_release(struct message *message)
{
    if (atomic_fetch_sub(&message->references, 1) == 1)
        free(message);
}
