// SPDX-License-Identifier: MIT
// Rate limiters: express-rate-limit with a store of counters, and what of rate-limiter-flexible needs no scripts.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RateLimiterRedis, RateLimiterRedisNonAtomic } from 'rate-limiter-flexible';

import { closeApp } from './apps/client.js';
import { limitedApp } from './apps/limits.js';
import { Browser } from './apps/web.js';
import { heard, until } from './harness/wait.js';
import { session } from './harness/session.js';

const LIMIT = 10; // of limitedApp

function expressSteps(s) {
    const browser = new Browser();

    it('callers are let in as often as agreed, whichever server they ask', async () => {
        for (let i = 1; i <= LIMIT + 3; i++) {
            const reply = await browser.get(i % 2 ? s.one : s.two, '/ann');
            assert.equal(reply.status, i <= LIMIT ? 200 : 429);
            assert.match(reply.headers.get('ratelimit'), new RegExp(`remaining=${Math.max(LIMIT - i, 0)},`));
        }
        assert.equal((await browser.get(s.one, '/bob')).status, 200);
        const at_once = await Promise.all(
            Array.from({ length: 3 * LIMIT }, (_, i) => browser.get(i % 2 ? s.one : s.two, '/crowd')));
        assert.equal(at_once.filter((reply) => reply.status === 200).length, LIMIT);
        await s.two.store.resetKey('ann');
        assert.equal((await browser.get(s.one, '/ann')).status, 200);
        await s.two.store.decrement('ann');
        assert.equal((await s.one.store.get('ann')).totalHits, 0);
    });

    it('a new window begins', async () => {
        const app = await s.open(s.place.one, { windowMs: 200, limit: 1 });
        await browser.get(app, '/window');
        await until('the next window', async () => (await browser.get(app, '/window')).status === 200);
    });

    it('counts survive the SIGKILL of the server', async () => {
        for (let i = 0; i < LIMIT; i++)
            await browser.get(s.one, '/kim');
        const ready = heard(s.one.client, 'ready');
        await s.place.one.kill();
        await s.place.one.start();
        await ready;
        assert.equal((await browser.get(s.one, '/kim')).status, 429);
    });
}

function flexibleSteps(s) {
    function limiter(Limiter, app, options) {
        return new Limiter({ storeClient: app.client, useRedisPackage: true, keyPrefix: 'flex', points: 5, ...options });
    }

    it('rate-limiter-flexible: RateLimiterRedisNonAtomic', async () => {
        const [one, two] = [s.one, s.two].map((app) => limiter(RateLimiterRedisNonAtomic, app, { duration: 1000 }));
        for (let i = 1; i <= 5; i++)
            assert.equal((await (i % 2 ? one : two).consume('ann')).remainingPoints, 5 - i);
        await assert.rejects(two.consume('ann'), (reply) => reply.msBeforeNext > 0 && reply.consumedPoints === 6);
        assert.equal((await one.get('ann')).consumedPoints, 6);
        await two.block('bob', 1000);
        await assert.rejects(one.consume('bob'));
        assert.equal(await two.delete('ann'), true);
        assert.equal((await one.consume('ann')).remainingPoints, 4);
    });

    it('rate-limiter-flexible: RateLimiterRedis without an end of its counts', async () => {
        const [one, two] = [s.one, s.two].map((app) => limiter(RateLimiterRedis, app, { duration: 0, keyPrefix: 'flex0' }));
        for (let i = 1; i <= 5; i++)
            assert.equal((await (i % 2 ? one : two).consume('ann')).remainingPoints, 5 - i);
        await assert.rejects(two.consume('ann'));
        await two.block('bob', 1000);
        await assert.rejects(one.consume('bob'));
        assert.equal(await one.delete('ann'), true);
        assert.equal(await two.get('ann'), null);
    });
}

session('rate limiters', { connect: limitedApp, close: closeApp }, [expressSteps, flexibleSteps]);
