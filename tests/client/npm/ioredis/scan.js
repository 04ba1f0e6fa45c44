// SPDX-License-Identifier: MIT
// Scans are complete, wherever their pages are fetched.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { keys } from '../harness/bytes.js';

const COUNT = 5000;

export function scanSteps(s) {
    it('the stream finds every key', async () => {
        await s.one.flushall();
        const names = keys('scan', COUNT);
        await s.one.mset(new Map(names.map((name) => [name, '1'])));
        await s.one.mset(new Map(keys('other', 100).map((name) => [name, '1'])));
        for (const client of [s.one, s.two]) {
            const found = new Set();
            for await (const page of client.scanStream({ match: 'scan:*', count: 100, type: 'string' }))
                page.forEach((name) => found.add(name));
            assert.deepEqual([...found].sort(), [...names].sort());
        }
        const lists = [];
        for await (const page of s.one.scanStream({ type: 'list', count: 1000 }))
            lists.push(...page);
        assert.deepEqual(lists, []);
        assert.equal(await s.two.dbsize(), COUNT + 100);
        assert.equal((await s.two.keys('scan:?')).length, 10);
    });

    it('each page from the other server, while keys come and go', async () => {
        const found = new Set();
        let cursor = '0';
        let pages = 0;
        do {
            const [next, page] = await (pages % 2 ? s.one : s.two).scan(cursor, 'COUNT', 200);
            page.forEach((name) => found.add(name));
            cursor = next;
            await s.one.mset(keys(`come:${pages}`, 50).flatMap((name) => [name, '1']));
            if (pages > 0)
                await s.two.del(keys(`come:${pages - 1}`, 50));
            pages++;
        } while (cursor !== '0');
        assert.ok(pages > 1);
        assert.deepEqual(keys('scan', COUNT).filter((name) => !found.has(name)), []);
    });

    it('keys that are no text', async () => {
        await s.one.flushall();
        const names = Array.from({ length: 300 }, (_, i) => Buffer.from([0xff, i % 256, i >> 8, 0]));
        await Promise.all(names.map((name) => s.one.set(name, name)));
        const found = new Set();
        for await (const page of s.two.scanBufferStream({ match: Buffer.from([0xff, 0x2a]), count: 50 }))
            page.forEach((name) => found.add(name.toString('hex')));
        assert.deepEqual([...found].sort(), names.map((name) => name.toString('hex')).sort());
    });
}
