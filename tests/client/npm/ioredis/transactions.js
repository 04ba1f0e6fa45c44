// SPDX-License-Identifier: MIT
// MULTI/EXEC and WATCH, as ioredis has them: EXEC after a conflict gives null.
import assert from 'node:assert/strict';
import { it } from 'node:test';

export function transactionSteps(s, { ReplyError }) {
    it('a transaction', async () => {
        const replies = await s.one.multi().set('t', 1).incr('t').get('t').get('t:none').exec();
        assert.deepEqual(replies, [[null, 'OK'], [null, 2], [null, '2'], [null, null]]);
        assert.equal(await s.two.get('t'), '2');
        assert.deepEqual(await s.one.multi([['get', 't'], ['del', 't']]).exec(), [[null, '2'], [null, 1]]);
    });

    it('a transaction without a pipeline, and DISCARD', async () => {
        const client = await s.open(s.place.one);
        assert.equal(await client.multi({ pipeline: false }), 'OK');
        assert.equal(await client.set('t', '5'), 'QUEUED');
        assert.equal(await s.two.exists('t'), 0);
        assert.deepEqual(await client.exec(), [[null, 'OK']]);
        assert.equal(await s.two.get('t'), '5');
        await client.multi({ pipeline: false });
        assert.equal(await client.set('t', '6'), 'QUEUED');
        assert.equal(await client.discard(), 'OK');
        assert.equal(await s.two.get('t'), '5');
        client.disconnect();
    });

    it('transactions of two clients do not mix', async () => {
        await s.one.mset({ 'pair:a': 0, 'pair:b': 0 });
        await Promise.all(Array.from({ length: 100 }, async (_, i) => {
            const client = i % 2 ? s.one : s.two;
            const [[, a], [, b]] = await client.multi().incr('pair:a').incr('pair:b').exec();
            assert.equal(a, b);
        }));
        assert.deepEqual(await s.two.mget('pair:a', 'pair:b'), ['100', '100']);
    });

    it('WATCH without a conflict', async () => {
        const client = await s.open(s.place.one);
        await client.set('w', 10);
        await client.watch('w');
        const value = Number(await client.get('w'));
        assert.deepEqual(await client.multi().set('w', value + 1).exec(), [[null, 'OK']]);
        assert.equal(await s.two.get('w'), '11');
        client.disconnect();
    });

    it('WATCH with a conflict, through the other client', async () => {
        const client = await s.open(s.place.one);
        await s.two.set('w', 1);
        await client.watch('w', 'w2');
        await s.two.set('w', 2);
        assert.equal(await client.multi().set('w', 3).exec(), null);
        assert.equal(await client.get('w'), '2');
        // also when the key is made, deleted, or gets an end
        for (const change of [
            () => s.two.set('w:new', 1), () => s.two.del('w:new'), () => s.two.incr('w:new'),
            () => s.two.pexpire('w:new', 1_000_000), () => s.two.flushdb(),
        ]) {
            await client.watch('w:new');
            await change();
            assert.equal(await client.multi().set('w:late', 1).exec(), null);
        }
        assert.equal(await s.two.exists('w:late'), 0);
        // and it is over after that, or by UNWATCH
        await client.watch('w');
        await s.two.set('w', 4);
        await client.unwatch();
        assert.deepEqual(await client.multi().get('w').exec(), [[null, '4']]);
        client.disconnect();
    });

    it('many clients add under WATCH, and none is lost', async () => {
        await s.one.set('sum', 0);
        const { one, two } = s.place;
        await Promise.all([one, two, one, two].map(async (server) => {
            const client = await s.open(server);
            for (let done = 0; done < 10;) {
                await client.watch('sum');
                const value = Number(await client.get('sum'));
                if (await client.multi().set('sum', value + 1).exec())
                    done++;
            }
            client.disconnect();
        }));
        assert.equal(await s.one.get('sum'), '40');
    });

    it('errors in a transaction', async () => {
        await s.one.set('word', 'abc');
        const replies = await s.one.multi().set('t:1', 1).incr('word').set('t:2', 2).exec();
        assert.deepEqual([replies[0], replies[2]], [[null, 'OK'], [null, 'OK']]);
        assert.ok(replies[1][0] instanceof ReplyError);
        assert.equal(replies[1][0].message, 'ERR value is not an integer or out of range');
        // as in Redis, the others were done
        assert.deepEqual(await s.two.mget('t:1', 't:2'), ['1', '2']);
        await assert.rejects(s.one.multi().set('t:3', 3).call('GET').exec(), (error) => {
            assert.equal(error.message, 'EXECABORT Transaction discarded because of previous errors.');
            assert.match(error.previousErrors[0].message, /^ERR wrong number of arguments for 'get' command/);
            return true;
        });
        assert.equal(await s.two.exists('t:3'), 0);
    });
}
