// SPDX-License-Identifier: MIT
// An application that limits its callers: express-rate-limit over counters that end.
import express from 'express';
import { rateLimit } from 'express-rate-limit';

import { appClient } from './client.js';
import { serve } from './web.js';

// The store's interface is express-rate-limit's: one counter a caller, begun anew each window.
class CounterStore {
    constructor(client) {
        this.client = client;
        this.prefix = 'rate:';
    }

    init({ windowMs }) {
        this.windowMs = windowMs;
    }

    key(caller) {
        return this.prefix + caller;
    }

    async increment(caller) {
        const key = this.key(caller);
        const [hits, , left] = await this.client.multi()
            .incr(key).pExpire(key, this.windowMs, 'NX').pTTL(key).exec();
        return { totalHits: hits, resetTime: new Date(Date.now() + left) };
    }

    async get(caller) {
        const hits = await this.client.get(this.key(caller));
        return hits === null ? undefined : { totalHits: Number(hits), resetTime: undefined };
    }

    async decrement(caller) {
        await this.client.decr(this.key(caller));
    }

    async resetKey(caller) {
        await this.client.del(this.key(caller));
    }
}

export async function limitedApp(server, { windowMs = 1_000_000, limit = 10 } = {}) {
    const client = await appClient(server);
    const store = new CounterStore(client);
    const app = express();
    app.get('/:caller', rateLimit({
        windowMs, limit, store, standardHeaders: 'draft-7', legacyHeaders: false,
        keyGenerator: (request) => request.params.caller,
    }), (request, response) => response.send('fine'));
    const site = await serve(app);
    return {
        client, store, url: site.url,
        async close() {
            await site.close();
            client.destroy();
        },
    };
}
