// SPDX-License-Identifier: MIT
// A session of one client library: its steps run with one server, then with two on one file.
import { after, before, describe } from 'node:test';

import { Place, modes } from './server.js';

// connect(server, options) opens a client, close(client) closes it whatever state it is in.
// Each of steps gets the session: place (its servers one and two), one and two (clients of
// these), open(server, options) for more clients, which are closed at the end.
export function session(name, { connect, close }, steps) {
    for (const mode of modes) {
        describe(`${name}, ${mode.title}`, () => {
            const opened = [];
            const self = {
                mode,
                async open(server, options) {
                    const client = await connect(server, options);
                    opened.push(client);
                    return client;
                },
                closeLater(client) {
                    opened.push(client);
                    return client;
                },
            };
            before(async () => {
                self.place = await Place.open(mode);
                self.one = await self.open(self.place.one);
                self.two = await self.open(self.place.two);
            });
            after(async () => {
                for (const client of opened)
                    await close(client);
                await self.place?.close();
            });
            for (const step of steps)
                step(self);
        });
    }
}
