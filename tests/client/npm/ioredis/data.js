// SPDX-License-Identifier: MIT
// What is stored comes back: any bytes, any length; parts, bits and numbers of it.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { every_byte, large } from '../harness/bytes.js';

export function dataSteps(s) {
    it('keys and values of all bytes', async () => {
        const key = Buffer.concat([Buffer.from('bytes:'), every_byte]);
        await s.one.set(key, every_byte);
        assert.deepEqual(await s.two.getBuffer(key), every_byte);
        assert.deepEqual(await s.two.keysBuffer('bytes:*'), [key]);
        for (let byte = 0; byte < 256; byte++) {
            const single = Buffer.from([byte]);
            assert.equal(await s.one.set(single, single), 'OK');
            assert.deepEqual(await s.two.getBuffer(single), single);
            assert.equal(await s.two.del(single), 1);
        }
        await s.one.set('', '');
        assert.equal(await s.two.get(''), '');
        await s.one.set('\u00fcn\u00efc\u00f6de \u{1f511}', '\u{1f512}\r\n\0');
        assert.equal(await s.two.get('\u00fcn\u00efc\u00f6de \u{1f511}'), '\u{1f512}\r\n\0');
        assert.deepEqual(await s.two.mgetBuffer(key, 'none'), [every_byte, null]);
        await s.one.del(key, '');
    });

    it('a value of 10 MB', async () => {
        const value = large();
        assert.equal(await s.one.set('large', value), 'OK');
        assert.equal(await s.two.strlen('large'), value.length);
        assert.deepEqual(await s.two.getBuffer('large'), value);
        assert.deepEqual(await s.two.getrangeBuffer('large', -100, -1), value.subarray(-100));
        assert.equal(await s.two.append('large', every_byte), value.length + 256);
        assert.deepEqual(await s.one.getdelBuffer('large'), Buffer.concat([value, every_byte]));
        assert.equal(await s.two.exists('large'), 0);
    });

    it('numbers', async () => {
        await s.one.del('n');
        assert.equal(await s.one.incrby('n', 40), 40);
        assert.equal(await s.two.decr('n'), 39);
        assert.equal(await s.one.decrby('n', 9), 30);
        assert.equal(Number(await s.two.incrbyfloat('n', 0.5)), 30.5);
        assert.equal(await s.one.getset('n', 7), '30.5');
        assert.equal(await s.two.set('n', 8, 'GET'), '7');
        assert.equal(await s.one.set('n', 9, 'NX'), null);
        assert.equal(await s.two.setnx('n', 9), 0);
        assert.equal(await s.one.get('n'), '8');
        const client = await s.open(s.place.two, { stringNumbers: true });
        await s.one.set('n', '9223372036854775806');
        assert.equal(await client.incr('n'), '9223372036854775807');
        client.disconnect();
    });

    it('parts', async () => {
        await s.one.set('part', 'Hello World');
        assert.equal(await s.two.setrange('part', 6, 'Redis'), 11);
        assert.equal(await s.one.getrange('part', 0, 4), 'Hello');
        assert.equal(await s.one.getrange('part', -5, -1), 'Redis');
        assert.equal(await s.two.append('part', '!'), 12);
        await s.two.set('part2', 'Hallo Redis');
        assert.equal(await s.one.lcs('part', 'part2'), 'Hllo Redis');
        assert.equal(await s.one.lcs('part', 'part2', 'LEN'), 10);
        assert.equal(await s.one.msetnx({ part: '1', part3: '1' }), 0);
        assert.equal(await s.two.exists('part', 'part2', 'part3'), 2);
    });

    it('bits', async () => {
        await s.one.del('bits', 'bits2');
        assert.equal(await s.one.setbit('bits', 7, 1), 0);
        assert.equal(await s.two.setbit('bits', 100, 1), 0);
        assert.equal(await s.one.getbit('bits', 100), 1);
        assert.equal(await s.two.bitcount('bits'), 2);
        assert.equal(await s.two.bitcount('bits', 1, -1), 1);
        assert.equal(await s.one.bitpos('bits', 1), 7);
        await s.one.set('bits2', Buffer.from([0x01]));
        assert.equal(await s.two.bitop('XOR', 'bits3', 'bits', 'bits2'), 13);
        assert.equal(await s.one.bitcount('bits3'), 1);
        assert.deepEqual(await s.one.bitfield(
            'bits3', 'SET', 'u8', '#2', 200, 'OVERFLOW', 'SAT', 'INCRBY', 'u8', '#2', 100, 'GET', 'i8', '#2'), [0, 255, -1]);
        assert.deepEqual(await s.two.bitfield_ro('bits3', 'GET', 'u8', 16), [255]);
    });

    it('keys: rename, copy, touch, dump, type', async () => {
        await s.one.set('k', 'v');
        assert.equal(await s.two.rename('k', 'k2'), 'OK');
        assert.equal(await s.one.copy('k2', 'k3'), 1);
        assert.equal(await s.two.renamenx('k2', 'k3'), 0);
        assert.equal(await s.one.touch('k', 'k2', 'k3'), 2);
        assert.equal(await s.two.type('k2'), 'string');
        assert.equal(await s.two.type('k'), 'none');
        const dump = await s.one.dumpBuffer('k2');
        assert.equal(await s.two.restore('k4', 0, dump), 'OK');
        assert.equal(await s.one.get('k4'), 'v');
        assert.equal(await s.one.unlink('k2', 'k3', 'k4'), 3);
        assert.equal(await s.two.get('k4'), null);
    });
}
