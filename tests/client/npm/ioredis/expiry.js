// SPDX-License-Identifier: MIT
// Keys with an end.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { until } from '../harness/wait.js';

export function expirySteps(s) {
    it('times to live, at both', async () => {
        await s.one.set('x', 1, 'EX', 1000);
        const ttl = await s.two.pttl('x');
        assert.ok(ttl > 0 && ttl <= 1_000_000);
        assert.equal(await s.two.expire('x', 2000, 'LT'), 0);
        assert.equal(await s.two.expire('x', 2000, 'GT'), 1);
        assert.ok((await s.one.ttl('x')) > 1000);
        await s.one.set('x', 2, 'KEEPTTL');
        assert.ok((await s.two.ttl('x')) > 1000);
        assert.equal(await s.two.persist('x'), 1);
        assert.equal(await s.one.ttl('x'), -1);
        assert.equal(await s.one.ttl('x:none'), -2);
        const when = 4_000_000_000;
        assert.equal(await s.one.expireat('x', when), 1);
        assert.equal(await s.two.expiretime('x'), when);
        assert.equal(await s.two.pexpireat('x', when * 1000 + 5), 1);
        assert.equal(await s.one.pexpiretime('x'), when * 1000 + 5);
        assert.equal(await s.one.getex('x', 'PERSIST'), '2');
        assert.equal(await s.two.ttl('x'), -1);
        assert.equal(await s.two.setex('x', 500, 3), 'OK');
        assert.equal(await s.two.psetex('x', 500_000, 4), 'OK');
        assert.equal(await s.one.set('x', 5, 'PXAT', 1), 'OK');
        assert.equal(await s.two.exists('x'), 0);
    });

    it('a key ends at both', async () => {
        await s.one.set('short', 1, 'PX', 50);
        await until('its end', async () => (await s.two.get('short')) === null);
        assert.equal(await s.one.exists('short'), 0);
        assert.equal(await s.two.set('short', 2, 'PX', 1_000_000, 'NX'), 'OK');
        assert.equal(await s.one.get('short'), '2');
    });

    it('a lock with an end: taken by one only, free again after it', async () => {
        await s.one.del('lock');
        const tries = await Promise.all(
            Array.from({ length: 20 }, (_, i) => (i % 2 ? s.one : s.two).set('lock', i, 'EX', 100, 'NX')));
        assert.equal(tries.filter((reply) => reply === 'OK').length, 1);
        await s.one.pexpire('lock', 20);
        await until('the lock', async () => (await s.two.set('lock', 'next', 'PX', 100, 'NX')) === 'OK');
    });
}
