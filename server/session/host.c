/* SPDX-License-Identifier: MIT */
/* What commands ask of the server. */
#include "server/session/host.h"

#include <stdlib.h>

#include "command/host.h"
#include "server/config/config.h"
#include "server/publish/notify.h"
#include "server/server.h"
#include "server/session/session.h"

static size_t string_bytes_most(const struct call *call)
{
    return (size_t)config_number(call->session->server->config, CONFIG_PROTO_MAX_BULK_LEN);
}

struct command_host *host_new(const struct config *config)
{
    struct command_host *host = calloc(1, sizeof *host);
    if (!host)
        return NULL;
    host->event = notify_send;
    host->string_bytes_most = string_bytes_most;
    host->databases = (unsigned)config_number(config, CONFIG_DATABASES);
    return host;
}

void host_free(struct command_host *host)
{
    free(host);
}
