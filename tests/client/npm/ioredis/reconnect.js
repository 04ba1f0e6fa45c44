// SPDX-License-Identifier: MIT
// The server is killed and comes back: what ioredis promises then.  These steps end servers: they come last.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { heard, until } from '../harness/wait.js';

export function reconnectSteps(s) {
    it('commands wait in the offline queue until the server is back', async () => {
        const retries = [];
        const client = await s.open(s.place.one, {
            maxRetriesPerRequest: null,
            retryStrategy: (times) => (retries.push(times), 20),
        });
        await client.set('kept', 'yes');
        const reconnecting = heard(client, 'reconnecting');
        await s.place.one.kill();
        await reconnecting;
        const waiting = [client.get('kept'), client.incr('offline'), client.multi().incr('offline').get('kept').exec()];
        await until('a few tries', () => retries.length >= 3);
        if (s.place.two !== s.place.one) { // the other goes on
            assert.equal(await s.two.get('kept'), 'yes');
            assert.equal(await s.two.set('meanwhile', 'written'), 'OK');
        }
        const ready = heard(client, 'ready');
        await s.place.one.start();
        await ready;
        assert.deepEqual(await Promise.all(waiting), ['yes', 1, [[null, 2], [null, 'yes']]]);
        assert.deepEqual(retries.slice(0, 3), [1, 2, 3]);
        assert.equal(await s.two.getdel('offline'), '2');
        if (s.place.two !== s.place.one)
            assert.equal(await client.getdel('meanwhile'), 'written');
        client.disconnect();
    });

    it('over the UNIX socket too', async () => {
        const client = await s.open(s.place.one, { path: s.place.one.socket });
        assert.equal(await client.get('kept'), 'yes');
        const ready = heard(client, 'reconnecting').then(() => heard(client, 'ready'));
        await s.place.one.kill();
        await s.place.one.start();
        await ready;
        assert.equal(await client.get('kept'), 'yes');
        client.disconnect();
    });

    it('nothing acknowledged is lost, and what is not sent again is counted once', async () => {
        const client = await s.open(s.place.one, { autoResendUnfulfilledCommands: false });
        await client.del('flight');
        const total = 20;
        let sent = 0;
        let acknowledged = 0;
        let closed = false;
        client.once('close', () => (closed = true));
        // Without resending, a command whose connection ended gets no answer: nobody may wait for it.
        for (let i = 0; i < total; i++)
            (async () => {
                while (!closed) {
                    sent++;
                    await client.incr('flight');
                    acknowledged++;
                }
            })().catch(() => {});
        await until('some work', () => acknowledged > 200);
        await s.place.one.kill();
        await until('the end', () => closed);
        await s.place.one.start();
        const count = Number(await s.two.get('flight'));
        assert.ok(acknowledged <= count && count <= sent, `${acknowledged} <= ${count} <= ${sent}`);
        client.disconnect();
    });

    it('unanswered commands are sent again', async () => {
        const client = await s.open(s.place.one);
        await client.del('resent');
        let running = true;
        let done = 0;
        const work = Array.from({ length: 20 }, async (_, i) => {
            for (let j = 0; running; j++, done++)
                await client.set(`resent:${i}`, j);
        });
        await until('some work', () => done > 100);
        const again = heard(client, 'reconnecting').then(() => heard(client, 'ready'));
        await s.place.one.kill();
        await s.place.one.start();
        await again;
        const before = done;
        await until('more work', () => done > before + 100);
        running = false;
        await Promise.all(work); // none failed, none waits for ever
        client.disconnect();
    });

    it('a subscriber is subscribed again', async () => {
        const messages = [];
        const client = await s.open(s.place.one);
        client.on('message', (channel, message) => messages.push(message));
        client.on('pmessage', (pattern, channel, message) => messages.push(message));
        await client.subscribe('again');
        await client.psubscribe('aga?n');
        await s.place.one.kill();
        await s.place.one.start();
        await until('its return', async () => (await s.one.publish('again', 'x')) === 2);
        await until('the messages', () => messages.length >= 2);
        client.disconnect();
    });

    it('without offline queue, with few retries, and without reconnecting', async () => {
        const impatient = await s.open(s.place.one, { enableOfflineQueue: false, lazyConnect: true });
        const few = await s.open(s.place.one, { maxRetriesPerRequest: 1 });
        const single = await s.open(s.place.one, { retryStrategy: null });
        await impatient.connect();
        await Promise.all([few.ping(), single.ping()]);
        const gone = [heard(impatient, 'reconnecting'), heard(few, 'reconnecting'), heard(single, 'end')];
        await s.place.one.kill();
        await Promise.all(gone);
        await assert.rejects(impatient.get('kept'), /enableOfflineQueue options is false/);
        await assert.rejects(few.get('kept'), /^MaxRetriesPerRequestError/);
        await assert.rejects(single.get('kept'), /Connection is closed/);
        const back = [heard(impatient, 'ready'), heard(few, 'ready')];
        await s.place.one.start();
        await Promise.all(back);
        assert.deepEqual(await Promise.all([impatient.get('kept'), few.get('kept')]), ['yes', 'yes']);
        await single.connect();
        assert.equal(await single.get('kept'), 'yes');
        for (const client of [impatient, few, single])
            client.disconnect();
    });

    it('reconnects when an error asks for it', async () => {
        const client = await s.open(s.place.one, { reconnectOnError: (error) => error.message.includes('integer') });
        await client.set('word', 'abc');
        const again = heard(client, 'reconnecting').then(() => heard(client, 'ready'));
        await assert.rejects(client.incr('word'), /not an integer/);
        await again;
        assert.equal(await client.get('word'), 'abc');
        client.disconnect();
    });
}
