// SPDX-License-Identifier: MIT
// Scans are complete, wherever their pages are fetched.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { keys } from '../harness/bytes.js';
import { raw } from './client.js';

const COUNT = 5000;

export function scanSteps(s) {
    it('the iterator finds every key', async () => {
        await s.one.flushAll();
        const names = keys('scan', COUNT);
        await s.one.mSet(names.map((name) => [name, '1']));
        await s.one.mSet(keys('other', 100).map((name) => [name, '1']));
        for (const client of [s.one, s.two]) {
            const found = new Set();
            for await (const page of client.scanIterator({ MATCH: 'scan:*', COUNT: 100, TYPE: 'string' }))
                page.forEach((name) => found.add(name));
            assert.deepEqual([...found].sort(), [...names].sort());
        }
        const lists = new Set();
        for await (const page of s.one.scanIterator({ TYPE: 'list', COUNT: 1000 }))
            page.forEach((name) => lists.add(name));
        assert.equal(lists.size, 0);
        assert.equal(await s.two.dbSize(), COUNT + 100);
        assert.equal((await s.two.keys('scan:?')).length, 10);
    });

    it('each page from the other server, while keys come and go', async () => {
        const stay = keys('scan', COUNT);
        const found = new Set();
        let cursor = '0';
        let pages = 0;
        do {
            const reply = await (pages % 2 ? s.one : s.two).scan(cursor, { COUNT: 200 });
            reply.keys.forEach((name) => found.add(name));
            cursor = reply.cursor;
            await s.one.mSet(keys(`come:${pages}`, 50).map((name) => [name, '1']));
            if (pages > 0)
                await s.two.del(keys(`come:${pages - 1}`, 50));
            pages++;
        } while (cursor !== '0');
        assert.ok(pages > 1);
        assert.deepEqual(stay.filter((name) => !found.has(name)), []);
    });

    it('keys that are no text', async () => {
        await s.one.flushAll();
        const names = Array.from({ length: 300 }, (_, i) => Buffer.from([0xff, i % 256, i >> 8, 0]));
        await Promise.all(names.map((name) => s.one.set(name, name)));
        const found = new Set();
        // By hand: scanIterator compares the cursor with '0', and never ends when that comes as bytes.
        let cursor = '0';
        do {
            const page = await raw(s.two).scan(cursor, { MATCH: Buffer.from([0xff, 0x2a]), COUNT: 50 });
            page.keys.forEach((name) => found.add(name.toString('hex')));
            cursor = page.cursor.toString();
        } while (cursor !== '0');
        assert.deepEqual([...found].sort(), names.map((name) => name.toString('hex')).sort());
    });
}
