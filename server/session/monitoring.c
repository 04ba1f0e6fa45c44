/* SPDX-License-Identifier: MIT */
/* What MONITOR shows of a call's session. */
#include "server/session/monitoring.h"

#include <stddef.h>

#include "command/call.h"
#include "server/client/client.h"
#include "server/publish/monitor.h"
#include "server/server.h"
#include "server/session/session.h"

void monitoring_show(struct call *call)
{
    const struct session *session = call->session;
    struct monitors *monitors = session->server->monitors;
    if (!monitors_wanted(monitors))
        return;
    const struct monitor_origin origin = {.database = session->database,
                                          .address = session->client->address,
                                          .is_unix = session->client->is_unix};
    /* A client that wants no replies now does not get this line when it wants them again. */
    const struct silence *silence = &session->silence;
    const struct subscriber *silent = silence->off || silence->skip ? session->subscriber : NULL;
    monitors_show(monitors, call, &origin, silent);
}
