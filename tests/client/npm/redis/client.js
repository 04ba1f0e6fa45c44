// SPDX-License-Identifier: MIT
// Opening and closing clients of node-redis.
import { createClient, RESP_TYPES } from 'redis';

// Quick, so that a test of a reconnect is.
function reconnectStrategy() {
    return 20;
}

export function socketOf(server, options) {
    return { host: server.host, port: server.port, reconnectStrategy, ...options };
}

export function connector(RESP) {
    return async function connect(server, options = {}) {
        const client = createClient({ RESP, ...options, socket: socketOf(server, options.socket) });
        client.RESP = RESP;
        client.on('error', () => {}); // of a socket: those of commands come to their promises
        return client.connect();
    };
}

export async function close(client) {
    if (client.isOpen)
        client.destroy();
}

// The same client with replies as bytes.
export function raw(client) {
    return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}
