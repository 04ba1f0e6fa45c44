// SPDX-License-Identifier: MIT
// keyv with @keyv/redis.
import KeyvRedis, { createKeyv } from '@keyv/redis';
import assert from 'node:assert/strict';
import { it } from 'node:test';
import Keyv from 'keyv';

import { until } from './harness/wait.js';
import { session } from './harness/session.js';

function url(server) {
    return `redis://${server.host}:${server.port}`;
}

async function connect(server, namespace) {
    const keyv = createKeyv(url(server), { namespace, throwOnErrors: true });
    keyv.on('error', () => {});
    return keyv;
}

async function close(keyv) {
    await keyv.disconnect();
}

async function entries(keyv) {
    const found = {};
    for await (const [key, value] of keyv.iterator())
        found[key] = value;
    return found;
}

function steps(s) {
    it('set, get, has, delete', async () => {
        const value = { text: '\u{1f511}', list: [1, 2, { three: null }] };
        assert.equal(await s.one.set('a', value), true);
        assert.deepEqual(await s.two.get('a'), value);
        assert.equal(await s.two.has('a'), true);
        assert.equal(await s.one.get('none'), undefined);
        assert.equal(await s.two.delete('a'), true);
        assert.equal(await s.one.delete('a'), false);
        assert.equal(await s.one.has('a'), false);
    });

    it('many at once', async () => {
        const names = Array.from({ length: 100 }, (_, i) => `many${i}`);
        await s.one.setMany(names.map((key, value) => ({ key, value })));
        assert.deepEqual(await s.two.getMany(names), names.map((_, i) => i));
        assert.deepEqual(await s.two.hasMany(['many1', 'none']), [true, false]);
        assert.equal(await s.two.delete(names), true);
        assert.deepEqual(await s.one.getMany(['many1', 'many2']), [undefined, undefined]);
    });

    it('a time to live', async () => {
        await s.one.set('short', 1, 60);
        await s.one.set('long', 2, 1_000_000);
        assert.equal(await s.two.get('long'), 2);
        await until('its end', async () => (await s.two.get('short')) === undefined);
        assert.equal(await s.one.has('short'), false);
        assert.equal(await s.two.has('long'), true);
        await s.one.delete('long');
    });

    it('namespaces, iterators, clear', async () => {
        const users = [await s.open(s.place.one, 'users'), await s.open(s.place.two, 'users')];
        const orders = await s.open(s.place.two, 'orders');
        const expected = {};
        for (let i = 0; i < 300; i++)
            expected[`u${i}`] = i;
        await Promise.all(Object.entries(expected).map(([key, value]) => users[value % 2].set(key, value)));
        await orders.set('o1', 'x');
        await s.one.set('plain', 'p');
        assert.deepEqual(await entries(users[0]), expected);
        assert.deepEqual(await entries(users[1]), expected);
        assert.deepEqual(await entries(orders), { o1: 'x' });
        assert.deepEqual(await entries(s.two), { plain: 'p' });
        assert.equal(await orders.get('u1'), undefined);
        await users[1].clear();
        assert.deepEqual(await entries(users[0]), {});
        assert.equal(await orders.get('o1'), 'x');
        await s.two.clear();
        assert.deepEqual(await entries(s.one), {});
        assert.equal(await orders.get('o1'), 'x');
        await orders.clear();
    });

    it('a store of its own making, bytes by its own serializer', async () => {
        const store = new KeyvRedis({ socket: { path: s.place.one.socket } }, { keyPrefixSeparator: '/' });
        const keyv = s.closeLater(new Keyv({ store, namespace: 'ns', useKeyPrefix: false }));
        await keyv.set('bytes', Buffer.from([0, 1, 254, 255]));
        assert.deepEqual(await keyv.get('bytes'), Buffer.from([0, 1, 254, 255]));
        await keyv.clear();
        assert.equal(await keyv.get('bytes'), undefined);
    });

    it('values survive the SIGKILL of the server', async () => {
        await s.one.set('kept', 'yes');
        await s.place.one.kill();
        await s.place.one.start();
        await until('its return', async () => {
            try {
                return (await s.one.get('kept')) === 'yes';
            } catch {
                return false;
            }
        });
        assert.equal(await s.two.get('kept'), 'yes');
    });
}

session('keyv', { connect, close }, [steps]);
