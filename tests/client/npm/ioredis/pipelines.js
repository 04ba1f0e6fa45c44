// SPDX-License-Identifier: MIT
// Pipelines, those that ioredis makes by itself, and counters.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { keys } from '../harness/bytes.js';

export function pipelineSteps(s, { ReplyError }) {
    it('a pipeline, with errors where they belong', async () => {
        const names = keys('pipe', 1000);
        const pipeline = s.one.pipeline();
        for (const name of names)
            pipeline.set(name, name).strlen(name);
        const replies = await pipeline.exec();
        assert.deepEqual(replies, names.flatMap((name) => [[null, 'OK'], [null, name.length]]));
        assert.deepEqual(await s.two.mget(names), names);

        const mixed = await s.one.pipeline([['set', 'p', 'abc'], ['incr', 'p'], ['get', 'p']]).exec();
        assert.deepEqual(mixed[0], [null, 'OK']);
        assert.ok(mixed[1][0] instanceof ReplyError);
        assert.deepEqual(mixed[2], [null, 'abc']);
    });

    it('auto pipelining', async () => {
        const client = await s.open(s.place.one, { enableAutoPipelining: true });
        await client.ping();
        const names = keys('auto', 1000);
        const sets = names.map((name, i) => client.set(name, `v${i}`));
        assert.equal(client.autoPipelineQueueSize, 1000);
        assert.ok((await Promise.all(sets)).every((reply) => reply === 'OK'));
        assert.deepEqual(await Promise.all(names.map((name) => s.two.get(name))), names.map((_, i) => `v${i}`));
        const one = await Promise.allSettled([client.incr('auto:0'), client.get('auto:1')]);
        assert.equal(one[0].status, 'rejected');
        assert.equal(one[1].value, 'v1');
        client.disconnect();
    });

    it('commands of one tick: their replies come in order', async () => {
        const names = keys('tick', 500);
        const replies = await Promise.all(names.flatMap((name, i) => [s.one.set(name, i), s.one.get(name)]));
        assert.deepEqual(replies, names.flatMap((_, i) => ['OK', String(i)]));
    });

    it('writes on one are read at once on the other', async () => {
        for (let i = 0; i < 200; i++) {
            const [from, to] = i % 2 ? [s.one, s.two] : [s.two, s.one];
            await from.set('turn', i);
            assert.equal(await to.get('turn'), String(i));
        }
    });

    it('counters, alternately and both at once', async () => {
        await s.one.del('counter');
        for (let i = 1; i <= 200; i++)
            assert.equal(await (i % 2 ? s.one : s.two).incr('counter'), i);
        const all = await Promise.all(
            Array.from({ length: 1000 }, (_, i) => (i % 2 ? s.one : s.two).incr('counter')));
        assert.equal(new Set(all).size, 1000);
        assert.equal(Math.max(...all), 1200);
        assert.equal(await s.two.get('counter'), '1200');
    });
}
