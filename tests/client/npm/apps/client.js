// SPDX-License-Identifier: MIT
// The node-redis client that an application makes.
import { createClient } from 'redis';

export async function appClient(server) {
    const client = createClient({
        url: `redis://${server.host}:${server.port}`,
        socket: { reconnectStrategy: () => 20 },
    });
    client.on('error', () => {});
    return client.connect();
}

export async function closeApp(app) {
    await app.close();
}
