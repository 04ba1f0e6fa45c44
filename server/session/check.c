/* SPDX-License-Identifier: MIT */
/* The checks that need no more than the command's row, the options and the client. */
#include "server/session/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "command/reply.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/config/config.h"
#include "server/server.h"
#include "server/session/session.h"

/* Redis looks at each command whether a password is set: once it is taken away, those who came before
 * are let in. */
static bool needs_auth(const struct call *call)
{
    if (call->session->authenticated)
        return false;
    char *password = config_text(call->session->server->config, CONFIG_REQUIREPASS);
    bool needed = !password || *password;
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return needed;
}

/* Whether enable-debug-command lets this client use what can do harm. */
static bool is_allowed_or_reply(struct call *call)
{
    const struct client *client = call->session->client;
    int64_t who = config_number(call->session->server->config, CONFIG_ENABLE_DEBUG_COMMAND);
    bool local = client->is_unix || strncmp(client->address, "127.", 4) == 0 ||
                 strncmp(client->address, "[::1]:", 6) == 0;
    if (who == CONFIG_PROTECTED_YES || (who == CONFIG_PROTECTED_LOCAL && local))
        return true;
    resp_write_error(call->reply,
                     "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
                     "\"local\", you can run it from a local connection, otherwise you need to set "
                     "this option in the configuration file, and then restart the server.");
    return false;
}

bool check_or_reply(struct call *call)
{
    const struct command *container;
    call->command =
        command_find_call(call->session->server->commands, call->argc, call->argv, &container);
    if (!call->command) {
        if (container)
            reply_unknown_subcommand(call, container);
        else
            reply_unknown_command(call);
        return false;
    }
    if (!command_arity_fits(call->command, call->argc)) {
        reply_wrong_arity(call);
        return false;
    }
    if ((call->command->flags & COMMAND_PROTECTED) && !is_allowed_or_reply(call))
        return false;
    if (!(call->command->flags & COMMAND_NO_AUTH) && needs_auth(call)) {
        resp_write_error(call->reply, "NOAUTH Authentication required.");
        return false;
    }
    assert(call->command->run);
    return true;
}
