/* SPDX-License-Identifier: MIT */
/* Messages in one piece of memory, counted by reference. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

struct message *message_new(enum message_kind kind, const struct resp_arg *name,
                            const struct resp_arg *payload)
{
    struct message *message = malloc(sizeof *message + name->size + payload->size);
    if (!message)
        return NULL;
    *message =
        (struct message){.kind = kind, .name_size = name->size, .payload_size = payload->size};
    atomic_init(&message->references, 1);
    if (name->size > 0)
        memcpy(message->bytes, name->data, name->size);
    if (payload->size > 0)
        memcpy(message->bytes + name->size, payload->data, payload->size);
    return message;
}

void message_release(struct message *message)
{
    if (atomic_fetch_sub(&message->references, 1) == 1)
        free(message);
}
