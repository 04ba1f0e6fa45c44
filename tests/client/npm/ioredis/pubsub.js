// SPDX-License-Identifier: MIT
// Publish and subscribe.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { every_byte } from '../harness/bytes.js';
import { until } from '../harness/wait.js';

export function pubsubSteps(s) {
    it('channels and patterns, and their end', async () => {
        const heard = [];
        const bytes = [];
        const client = await s.open(s.place.one);
        client.on('message', (channel, message) => heard.push([channel, message]));
        client.on('pmessage', (pattern, channel, message) => heard.push([pattern, channel, message]));
        client.on('messageBuffer', (channel, message) => bytes.push(message));
        assert.equal(await client.subscribe('news', 'weather'), 2);
        assert.equal(await client.psubscribe('n?ws*'), 3);
        assert.equal(await client.subscribe('bytes'), 4);

        assert.equal(await s.one.publish('news', 'a'), 2);
        assert.equal(await s.one.publish('weather', 'b'), 1);
        assert.equal(await s.one.publish('news:more', 'c'), 1);
        assert.equal(await s.one.publish('nothing', 'd'), 0);
        assert.equal(await s.one.publish('bytes', every_byte), 1);
        await until('five messages', () => heard.length === 5);
        assert.deepEqual(heard.slice(0, 4),
            [['news', 'a'], ['n?ws*', 'news', 'a'], ['weather', 'b'], ['n?ws*', 'news:more', 'c']]);
        assert.deepEqual(bytes[2], every_byte);

        assert.deepEqual((await s.one.pubsub('CHANNELS')).sort(), ['bytes', 'news', 'weather']);
        assert.deepEqual(await s.one.pubsub('NUMSUB', 'news', 'none'), ['news', 1, 'none', 0]);
        assert.equal(await s.one.pubsub('NUMPAT'), 1);

        assert.equal(await client.unsubscribe('news'), 3);
        assert.equal(await s.one.publish('news', 'e'), 1);
        // Without a name it waits until nothing at all is subscribed; with Redis too.
        assert.equal(await client.punsubscribe('n?ws*'), 2);
        assert.equal(await s.one.publish('news', 'f'), 0);
        await assert.rejects(client.get('x'), /subscriber mode/);
        assert.equal(await client.unsubscribe(), 0);
        assert.equal(await s.one.publish('weather', 'g'), 0);
        await until('the sixth message', () => heard.length === 6);
        assert.equal(await client.ping(), 'PONG'); // a client as any other again
        client.disconnect();
    });

    it('many messages stay in order', async () => {
        const heard = [];
        const client = await s.open(s.place.one);
        client.on('message', (channel, message) => heard.push(Number(message)));
        await client.subscribe('flow');
        await Promise.all(Array.from({ length: 2000 }, (_, i) => s.one.publish('flow', i)));
        await until('all of them', () => heard.length === 2000);
        assert.deepEqual(heard, Array.from({ length: 2000 }, (_, i) => i));
        client.disconnect();
    });

    it('messages reach subscribers of the other server', async () => {
        const heard = [];
        const client = await s.open(s.place.two);
        client.on('message', (channel, message) => heard.push(message));
        client.on('pmessage', (pattern, channel, message) => heard.push(message));
        await client.subscribe('far');
        await client.psubscribe('fa*');
        await s.one.publish('far', 'x');
        await until('both messages', () => heard.length === 2);
        assert.deepEqual(heard, ['x', 'x']);
        client.disconnect();
    });
}
