// SPDX-License-Identifier: MIT
// MULTI/EXEC and WATCH, as node-redis has them.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MultiErrorReply, WatchError } from 'redis';

export function transactionSteps(s) {
    it('a transaction', async () => {
        const replies = await s.one.multi().set('t', '1').incr('t').get('t').get('t:none').exec();
        assert.deepEqual(replies, ['OK', 2, '2', null]);
        assert.equal(await s.two.get('t'), '2');
        assert.deepEqual(await s.one.multi().exec(), []);
    });

    it('transactions of two clients do not mix', async () => {
        await s.one.mSet({ 'pair:a': '0', 'pair:b': '0' });
        await Promise.all(Array.from({ length: 100 }, async (_, i) => {
            const client = i % 2 ? s.one : s.two;
            const [a, b] = await client.multi().incr('pair:a').incr('pair:b').exec();
            assert.equal(a, b);
        }));
        assert.deepEqual(await s.two.mGet(['pair:a', 'pair:b']), ['100', '100']);
    });

    it('WATCH without a conflict', async () => {
        const client = await s.open(s.place.one);
        await client.set('w', '10');
        await client.watch('w');
        const value = Number(await client.get('w'));
        assert.deepEqual(await client.multi().set('w', String(value + 1)).exec(), ['OK']);
        assert.equal(await s.two.get('w'), '11');
        client.destroy();
    });

    it('WATCH with a conflict, through the other client', async () => {
        const client = await s.open(s.place.one);
        await s.two.set('w', '1');
        await client.watch(['w', 'w2']);
        await s.two.set('w', '2');
        await assert.rejects(client.multi().set('w', '3').exec(), WatchError);
        assert.equal(await client.get('w'), '2');
        // also when the key is made, deleted, or run out of time
        for (const change of [
            () => s.two.set('w:new', '1'), () => s.two.del('w:new'), () => s.two.incr('w:new'),
            () => s.two.pExpire('w:new', 1_000_000), () => s.two.flushDb(),
        ]) {
            await client.watch('w:new');
            await change();
            await assert.rejects(client.multi().set('w:late', '1').exec(), WatchError);
        }
        assert.equal(await s.two.exists('w:late'), 0);
        // and it is over after that, or by UNWATCH
        await client.watch('w');
        await s.two.set('w', '4');
        await client.unwatch();
        assert.deepEqual(await client.multi().get('w').exec(), ['4']);
        client.destroy();
    });

    it('many clients add under WATCH, and none is lost', async () => {
        await s.one.set('sum', '0');
        let conflicts = 0;
        async function add(client) {
            for (;;) {
                await client.watch('sum');
                const value = Number(await client.get('sum'));
                try {
                    return await client.multi().set('sum', String(value + 1)).exec();
                } catch (error) {
                    assert.ok(error instanceof WatchError);
                    conflicts++;
                }
            }
        }
        await Promise.all([s.place.one, s.place.two, s.place.one, s.place.two].map(async (server) => {
            const client = await s.open(server);
            for (let i = 0; i < 10; i++)
                await add(client);
            client.destroy();
        }));
        assert.equal(await s.one.get('sum'), '40', `${conflicts} conflicts`);
    });

    it('errors in a transaction', async () => {
        await s.one.set('word', 'abc');
        const failed = s.one.multi().set('t:1', '1').incr('word').set('t:2', '2').exec();
        await assert.rejects(failed, (error) => {
            assert.ok(error instanceof MultiErrorReply);
            assert.deepEqual(error.errorIndexes, [1]);
            assert.equal(error.replies[1].message, 'ERR value is not an integer or out of range');
            assert.deepEqual([error.replies[0], error.replies[2]], ['OK', 'OK']);
            return true;
        });
        // as in Redis, the others were done
        assert.deepEqual(await s.two.mGet(['t:1', 't:2']), ['1', '2']);
        const refused = s.one.multi().set('t:3', '3').addCommand(['GET']).exec();
        await assert.rejects(refused, /EXECABORT|wrong number of arguments/);
        assert.equal(await s.two.exists('t:3'), 0);
    });
}
