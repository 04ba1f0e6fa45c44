// SPDX-License-Identifier: MIT
// What is stored comes back: any bytes, any length; parts, bits and numbers of it.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { every_byte, large } from '../harness/bytes.js';
import { raw } from './client.js';

export function dataSteps(s) {
    it('keys and values of all bytes', async () => {
        const [one, two] = [raw(s.one), raw(s.two)];
        const key = Buffer.concat([Buffer.from('bytes:'), every_byte]);
        await one.set(key, every_byte);
        assert.deepEqual(await two.get(key), every_byte);
        assert.deepEqual(await two.keys('bytes:*'), [key]);
        for (let byte = 0; byte < 256; byte++) {
            const single = Buffer.from([byte]);
            assert.equal(await one.set(single, single), 'OK');
            assert.deepEqual(await two.get(single), single);
            assert.equal(await two.del(single), 1);
        }
        await one.set('', '');
        assert.deepEqual(await two.get(''), Buffer.alloc(0));
        await s.one.set('\u00fcn\u00efc\u00f6de \u{1f511}', '\u{1f512}\r\n\0');
        assert.equal(await s.two.get('\u00fcn\u00efc\u00f6de \u{1f511}'), '\u{1f512}\r\n\0');
        await one.del([key, '']);
    });

    it('a value of 10 MB', async () => {
        const value = large();
        assert.equal(await s.one.set('large', value), 'OK');
        assert.equal(await s.two.strLen('large'), value.length);
        assert.deepEqual(await raw(s.two).get('large'), value);
        assert.deepEqual(await raw(s.two).getRange('large', -100, -1), value.subarray(-100));
        assert.equal(await s.two.append('large', every_byte), value.length + 256);
        assert.deepEqual(await raw(s.one).getDel('large'), Buffer.concat([value, every_byte]));
        assert.equal(await s.two.exists('large'), 0);
    });

    it('numbers', async () => {
        await s.one.del('n');
        assert.equal(await s.one.incrBy('n', 40), 40);
        assert.equal(await s.two.decr('n'), 39);
        assert.equal(await s.one.decrBy('n', 9), 30);
        assert.equal(Number(await s.two.incrByFloat('n', 0.5)), 30.5);
        assert.equal(await s.one.getSet('n', '7'), '30.5');
        assert.equal(await s.two.set('n', '8', { GET: true }), '7');
        assert.equal(await s.one.set('n', '9', { condition: 'NX' }), null);
        assert.equal(await s.two.setNX('n', '9'), 0);
        assert.equal(await s.one.get('n'), '8');
    });

    it('parts', async () => {
        await s.one.set('part', 'Hello World');
        assert.equal(await s.two.setRange('part', 6, 'Redis'), 11);
        assert.equal(await s.one.getRange('part', 0, 4), 'Hello');
        assert.equal(await s.one.getRange('part', -5, -1), 'Redis');
        assert.equal(await s.two.append('part', '!'), 12);
        await s.two.set('part2', 'Hallo Redis');
        assert.equal(await s.one.lcs('part', 'part2'), 'Hllo Redis');
        assert.equal(await s.one.lcsLen('part', 'part2'), 10);
        assert.equal(await s.one.mSetNX({ part: '1', part3: '1' }), 0);
        assert.equal(await s.two.exists(['part', 'part2', 'part3']), 2);
    });

    it('bits', async () => {
        await s.one.del(['bits', 'bits2']);
        assert.equal(await s.one.setBit('bits', 7, 1), 0);
        assert.equal(await s.two.setBit('bits', 100, 1), 0);
        assert.equal(await s.one.getBit('bits', 100), 1);
        assert.equal(await s.two.bitCount('bits'), 2);
        assert.equal(await s.two.bitCount('bits', { start: 1, end: -1 }), 1);
        assert.equal(await s.one.bitPos('bits', 1), 7);
        await s.one.set('bits2', Buffer.from([0x01]));
        assert.equal(await s.two.bitOp('XOR', 'bits3', ['bits', 'bits2']), 13);
        assert.equal(await s.one.bitCount('bits3'), 1);
        const fields = [
            { operation: 'SET', encoding: 'u8', offset: '#2', value: 200 },
            { operation: 'OVERFLOW', behavior: 'SAT' },
            { operation: 'INCRBY', encoding: 'u8', offset: '#2', increment: 100 },
            { operation: 'GET', encoding: 'i8', offset: '#2' },
        ];
        assert.deepEqual(await s.one.bitField('bits3', fields), [0, 255, -1]);
        assert.deepEqual(await s.two.bitFieldRo('bits3', [{ encoding: 'u8', offset: 16 }]), [255]);
    });

    it('keys: rename, copy, touch, dump, type', async () => {
        await s.one.set('k', 'v');
        assert.equal(await s.two.rename('k', 'k2'), 'OK');
        assert.equal(await s.one.copy('k2', 'k3'), 1);
        assert.equal(await s.two.renameNX('k2', 'k3'), 0);
        assert.equal(await s.one.touch(['k', 'k2', 'k3']), 2);
        assert.equal(await s.two.type('k2'), 'string');
        assert.equal(await s.two.type('k'), 'none');
        const dump = await raw(s.one).dump('k2');
        assert.equal(await s.two.restore('k4', 0, dump), 'OK');
        assert.equal(await s.one.get('k4'), 'v');
        assert.equal(await s.one.unlink(['k2', 'k3', 'k4']), 3);
        assert.equal(await s.two.get('k4'), null);
    });
}
