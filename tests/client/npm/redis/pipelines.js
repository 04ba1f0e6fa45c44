// SPDX-License-Identifier: MIT
// Many commands at a time: what node-redis sends in one go by itself, and pipelines by name.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { keys } from '../harness/bytes.js';

export function pipelineSteps(s) {
    it('commands of one tick go out together, and their replies come in order', async () => {
        const names = keys('auto', 1000);
        const sets = await Promise.all(names.map((name, i) => s.one.set(name, `v${i}`)));
        assert.ok(sets.every((reply) => reply === 'OK'));
        const values = await Promise.all(names.map((name) => s.two.get(name)));
        assert.deepEqual(values, names.map((_, i) => `v${i}`));
        // reads behind writes see them
        const mixed = await Promise.all(names.flatMap((name) => [s.one.append(name, '!'), s.one.get(name)]));
        assert.deepEqual(mixed, names.flatMap((_, i) => [`v${i}!`.length, `v${i}!`]));
    });

    it('a pipeline by name', async () => {
        const pipeline = s.one.multi();
        for (const name of keys('pipe', 500))
            pipeline.set(name, name).strLen(name);
        const replies = await pipeline.execAsPipeline();
        assert.deepEqual(replies, keys('pipe', 500).flatMap((name) => ['OK', name.length]));
        assert.deepEqual(await s.two.mGet(keys('pipe', 500)), keys('pipe', 500));
    });

    it('writes on one are read at once on the other', async () => {
        for (let i = 0; i < 200; i++) {
            const [from, to] = i % 2 ? [s.one, s.two] : [s.two, s.one];
            await from.set('turn', String(i));
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
