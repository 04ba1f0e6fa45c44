// SPDX-License-Identifier: MIT
// cache-manager over keyv and @keyv/redis, alone and as the second tier behind memory.
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import assert from 'node:assert/strict';
import { it } from 'node:test';
import Keyv from 'keyv';

import { until } from './harness/wait.js';
import { session } from './harness/session.js';

function redisStore(server) {
    return new Keyv({ store: new KeyvRedis(`redis://${server.host}:${server.port}`), namespace: 'cache', useKeyPrefix: false });
}

async function connect(server, { tiers = [], ...options } = {}) {
    return createCache({ stores: [...tiers, redisStore(server)], ...options });
}

async function close(cache) {
    await cache.disconnect();
}

function steps(s) {
    it('set, get, del, many', async () => {
        await s.one.set('a', { b: [1, 2] });
        assert.deepEqual(await s.two.get('a'), { b: [1, 2] });
        await s.two.del('a');
        assert.equal(await s.one.get('a'), undefined);
        await s.one.mset([{ key: 'k1', value: 1 }, { key: 'k2', value: 2, ttl: 1_000_000 }]);
        assert.deepEqual(await s.two.mget(['k1', 'none', 'k2']), [1, undefined, 2]);
        await s.two.mdel(['k1', 'k2']);
        assert.deepEqual(await s.one.mget(['k1', 'k2']), [undefined, undefined]);
    });

    it('wrap computes once', async () => {
        let computed = 0;
        const compute = async () => ({ answer: 42, run: ++computed });
        for (const cache of [s.one, s.two, s.one])
            assert.deepEqual(await cache.wrap('answer', compute, 1_000_000), { answer: 42, run: 1 });
        assert.equal(computed, 1);
        const both = await Promise.all([s.one.wrap('both', compute), s.one.wrap('both', compute)]);
        assert.deepEqual(both[0], both[1]);
        await s.two.del('answer');
        assert.equal((await s.one.wrap('answer', compute)).run, computed);
        await assert.rejects(s.one.wrap('bad', async () => { throw new Error('no value'); }), /no value/);
        assert.equal(await s.two.get('bad'), undefined);
    });

    it('a time to live', async () => {
        await s.one.set('short', 1, 60);
        const end = await s.two.ttl('short');
        if (end !== undefined)
            assert.ok(end > Date.now() - 60_000 && end <= Date.now() + 60);
        await s.one.set('long', 2, 1_000_000);
        await until('its end', async () => (await s.two.get('short')) === undefined);
        const later = await s.two.ttl('long');
        assert.ok(later > Date.now() && later <= Date.now() + 1_000_000);
    });

    it('a second tier behind memory', async () => {
        const cache = await s.open(s.place.one, { tiers: [new Keyv()], ttl: 1_000_000 });
        await cache.set('tier', 'x');
        assert.equal(await s.two.get('tier'), 'x');
        await s.two.set('tier2', 'y');
        assert.equal(await cache.get('tier2'), 'y');
        await cache.del('tier');
        assert.equal(await s.two.get('tier'), undefined);
    });

    it('clear', async () => {
        await Promise.all(Array.from({ length: 200 }, (_, i) => s.one.set(`c${i}`, i)));
        assert.equal(await s.two.get('c199'), 199);
        await s.two.clear();
        assert.deepEqual(await s.one.mget(['c0', 'c199']), [undefined, undefined]);
    });

    it('values survive the SIGKILL of the server', async () => {
        await s.one.set('kept', 'yes');
        await s.place.one.kill();
        await s.place.one.start();
        await until('its return', async () => (await s.one.get('kept')) === 'yes');
        assert.equal(await s.two.get('kept'), 'yes');
    });
}

session('cache-manager', { connect, close }, [steps]);
