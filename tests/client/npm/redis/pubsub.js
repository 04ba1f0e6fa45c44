// SPDX-License-Identifier: MIT
// Publish and subscribe.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { every_byte } from '../harness/bytes.js';
import { until } from '../harness/wait.js';

export function pubsubSteps(s) {
    it('channels and patterns, and their end', async () => {
        const heard = [];
        const listener = (message, channel) => heard.push([channel, message]);
        const client = await s.open(s.place.one);
        await client.subscribe(['news', 'weather'], listener);
        await client.pSubscribe('n?ws*', listener);
        await client.subscribe('bytes', listener, true);

        assert.equal(await s.one.publish('news', 'a'), 2);
        assert.equal(await s.one.publish('weather', 'b'), 1);
        assert.equal(await s.one.publish('news:more', 'c'), 1);
        assert.equal(await s.one.publish('nothing', 'd'), 0);
        assert.equal(await s.one.publish('bytes', every_byte), 1);
        await until('five messages', () => heard.length === 5);
        assert.deepEqual(heard.slice(0, 4), [['news', 'a'], ['news', 'a'], ['weather', 'b'], ['news:more', 'c']]);
        assert.deepEqual(heard[4], [Buffer.from('bytes'), every_byte]);

        assert.deepEqual((await s.one.pubSubChannels()).sort(), ['bytes', 'news', 'weather']);
        assert.deepEqual({ ...(await s.one.pubSubNumSub(['news', 'none'])) }, { news: 1, none: 0 });
        assert.equal(await s.one.pubSubNumPat(), 1);

        await client.unsubscribe('news');
        assert.equal(await s.one.publish('news', 'e'), 1);
        await client.pUnsubscribe('n?ws*'); // of all, by no name, it waits for ever; with Redis too
        assert.equal(await s.one.publish('news', 'f'), 0);
        await client.unsubscribe(['weather', 'bytes']);
        assert.equal(await s.one.publish('weather', 'g'), 0);
        await until('the sixth message', () => heard.length === 6);
        assert.equal(String(await client.ping()), 'PONG'); // a client as any other again
        client.destroy();
    });

    it('many messages stay in order', async () => {
        const heard = [];
        const client = await s.open(s.place.one);
        await client.subscribe('flow', (message) => heard.push(Number(message)));
        await Promise.all(Array.from({ length: 2000 }, (_, i) => s.one.publish('flow', String(i))));
        await until('all of them', () => heard.length === 2000);
        assert.deepEqual(heard, Array.from({ length: 2000 }, (_, i) => i));
        client.destroy();
    });

    it('a subscriber may do other things in RESP3 only', async () => {
        const heard = [];
        const client = await s.open(s.place.one);
        await client.subscribe('both', (message) => heard.push(message));
        if (s.one.RESP === 3) {
            assert.equal(await client.set('both', '1'), 'OK');
            assert.equal(await client.get('both'), '1');
            assert.deepEqual(await client.multi().incr('both').publish('both', 'x').exec(), [2, 1]);
            await until('the message', () => heard.length === 1);
        } else {
            await assert.rejects(client.get('both'), /allowed in this context/);
            assert.ok(await client.ping());
        }
        client.destroy();
    });

    it('messages reach subscribers of the other server', async () => {
        const heard = [];
        const client = await s.open(s.place.two);
        await client.subscribe('far', (message) => heard.push(message));
        await client.pSubscribe('fa*', (message) => heard.push(message));
        await s.one.publish('far', 'x');
        await until('both messages', () => heard.length === 2);
        assert.deepEqual(heard, ['x', 'x']);
        client.destroy();
    });
}
