/* SPDX-License-Identifier: MIT */
/* The server as the host of commands. */
#ifndef SERVER_SESSION_HOST_H
#define SERVER_SESSION_HOST_H

struct command_host;
struct config;

/* Makes the host, all but events_wanted, which notify_start sets.  The options must have been read,
 * and stay until host_free.  NULL if memory is short. */
struct command_host *host_new(const struct config *config);
void host_free(struct command_host *host);

#endif
