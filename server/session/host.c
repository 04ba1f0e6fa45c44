/* SPDX-License-Identifier: MIT */
/* What commands ask of the server. */
#include "server/session/host.h"

#include <stdlib.h>

#include "command/host.h"
#include "server/config/config.h"
#include "server/publish/notify.h"
#include "server/server.h"
#include "server/session/session.h"

static void send_event(struct call *call, enum notify_class class, unsigned database,
                       const char *event, const struct resp_arg *key)
{
    struct session *session = call->session;
    notify_send(session->server->notify, &session->outbox, class, database, event, key);
}

static size_t string_bytes_most(const struct call *call)
{
    return (size_t)config_number(call->session->server->config, CONFIG_PROTO_MAX_BULK_LEN);
}

struct command_host *host_new(const struct config *config)
{
    struct command_host *host = calloc(1, sizeof *host);
    if (!host)
        return NULL;
    host->event = send_event;
    host->string_bytes_most = string_bytes_most;
    host->databases = (unsigned)config_number(config, CONFIG_DATABASES);
    return host;
}

void host_free(struct command_host *host)
{
    free(host);
}
