/* SPDX-License-Identifier: MIT */
/* CLIENT TRACKING and its kin.  There is no client side caching, and they answer as Redis does to a
 * client that does not use it. */
#include "command/args.h"
#include "command/reply.h"
#include "server/client/client.h"
#include "server/family/client.h"
#include "server/server.h"
#include "server/session/session.h"

enum tracking_option {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_PREFIX = 1 << 3
};

static bool redirect_or_reply(struct call *call, size_t index, int64_t *redirect)
{
    int64_t id = 0;
    if (*redirect != 0) {
        resp_write_error(call->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!arg_integer_or_reply(call, index, &id))
        return false;
    struct resp_buffer line = {0};
    uint64_t wanted = (uint64_t)id;
    client_describe_some(call->session->server->clients, &wanted, 1, 0, &line);
    bool there = resp_buffer_size(&line) > 0;
    resp_buffer_free(&line);
    if (!there)
        resp_write_error(call->reply, "ERR The client ID you want redirect to does not exist");
    *redirect = id;
    return there;
}

static bool tracking_options_or_reply(struct call *call, unsigned *options)
{
    int64_t redirect = 0;
    *options = 0;
    for (size_t i = 3; i < call->argc; i++) {
        const struct resp_arg *word = &call->argv[i];
        bool more = i + 1 < call->argc;
        if (arg_is(word, "redirect") && more) {
            if (!redirect_or_reply(call, ++i, &redirect))
                return false;
        } else if (arg_is(word, "bcast")) {
            *options |= TRACKING_BCAST;
        } else if (arg_is(word, "optin")) {
            *options |= TRACKING_OPTIN;
        } else if (arg_is(word, "optout")) {
            *options |= TRACKING_OPTOUT;
        } else if (arg_is(word, "prefix") && more) {
            *options |= TRACKING_PREFIX;
            i++;
        } else if (!arg_is(word, "noloop")) {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

void run_client_tracking(struct call *call)
{
    unsigned options = 0;
    if (!tracking_options_or_reply(call, &options))
        return;
    const char *wrong = "ERR AnyStore does not support client side caching";
    if (arg_is(&call->argv[2], "off")) {
        reply_ok(call);
        return;
    }
    if (!arg_is(&call->argv[2], "on")) {
        reply_syntax_error(call);
        return;
    }
    if ((options & TRACKING_PREFIX) && !(options & TRACKING_BCAST))
        wrong = "ERR PREFIX option requires BCAST mode to be enabled";
    else if ((options & TRACKING_BCAST) && (options & (TRACKING_OPTIN | TRACKING_OPTOUT)))
        wrong = "ERR OPTIN and OPTOUT are not compatible with BCAST";
    else if ((options & TRACKING_OPTIN) && (options & TRACKING_OPTOUT))
        wrong = "ERR You can't specify both OPTIN mode and OPTOUT mode";
    resp_write_error(call->reply, wrong);
}

void run_client_trackinginfo(struct call *call)
{
    struct resp_writer *reply = call->reply;
    resp_write_map(reply, 3);
    resp_write_bulk_text(reply, "flags");
    resp_write_set(reply, 1);
    resp_write_bulk_text(reply, "off");
    resp_write_bulk_text(reply, "redirect");
    resp_write_integer(reply, -1);
    resp_write_bulk_text(reply, "prefixes");
    resp_write_array(reply, 0);
}

void run_client_caching(struct call *call)
{
    resp_write_error(call->reply,
                     "ERR CLIENT CACHING can be called only when the client is in tracking mode "
                     "with OPTIN or OPTOUT mode enabled");
}

void run_client_getredir(struct call *call)
{
    resp_write_integer(call->reply, -1);
}
