// SPDX-License-Identifier: MIT
// The server is killed and comes back: what node-redis promises then.  These steps end servers: they come last.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ClientClosedError, ClientOfflineError, SocketClosedUnexpectedlyError } from 'redis';

import { heard, until } from '../harness/wait.js';

const SOCKET_ERRORS = ['ECONNRESET', 'EPIPE'];

export function reconnectSteps(s) {
    it('commands wait in the offline queue until the server is back', async () => {
        const retries = [];
        const client = await s.open(s.place.one, {
            socket: { reconnectStrategy: (count) => (retries.push(count), 20) },
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
        assert.deepEqual(await Promise.all(waiting), ['yes', 1, [2, 'yes']]);
        assert.ok(retries.includes(1));
        assert.equal(await s.two.getDel('offline'), '2');
        if (s.place.two !== s.place.one)
            assert.equal(await client.getDel('meanwhile'), 'written');
        client.destroy();
    });

    it('over the UNIX socket too', async () => {
        const client = await s.open(s.place.one, { socket: { path: s.place.one.socket } });
        const ready = heard(client, 'ready');
        await s.place.one.kill();
        await s.place.one.start();
        await ready;
        assert.equal(await client.get('kept'), 'yes');
        client.destroy();
    });

    it('what was in flight is refused, and nothing acknowledged is lost', async () => {
        const client = await s.open(s.place.one);
        await client.del('flight');
        let sent = 0;
        let acknowledged = 0;
        let errors = 0;
        const running = Array.from({ length: 20 }, async () => {
            while (errors === 0) {
                sent++;
                try {
                    await client.incr('flight');
                    acknowledged++;
                } catch (error) {
                    errors++;
                    if (!(error instanceof SocketClosedUnexpectedlyError) && !SOCKET_ERRORS.includes(error.code))
                        throw error;
                }
            }
        });
        await until('some work', () => acknowledged > 200);
        await s.place.one.kill();
        await until('an error', () => errors > 0);
        await s.place.one.start();
        await Promise.all(running);
        const count = Number(await s.two.get('flight'));
        assert.ok(acknowledged <= count && count <= sent, `${acknowledged} <= ${count} <= ${sent}`);
        client.destroy();
    });

    it('a subscriber is subscribed again', async () => {
        const messages = [];
        const client = await s.open(s.place.one);
        await client.subscribe('again', (message) => messages.push(message));
        await client.pSubscribe('aga?n', (message) => messages.push(message));
        await s.place.one.kill();
        await s.place.one.start();
        await until('its return', async () => (await s.one.publish('again', 'x')) === 2);
        await until('the messages', () => messages.length === 2);
        client.destroy();
    });

    it('without offline queue, and without reconnecting', async () => {
        const impatient = await s.open(s.place.one, { disableOfflineQueue: true });
        const single = await s.open(s.place.one, { socket: { reconnectStrategy: false } });
        const watching = await s.open(s.place.one);
        await watching.watch('kept');
        const gone = [heard(impatient, 'reconnecting'), heard(watching, 'reconnecting')];
        await s.place.one.kill();
        await Promise.all(gone);
        await assert.rejects(impatient.get('kept'), ClientOfflineError);
        await until('its end', () => !single.isOpen);
        await assert.rejects(single.get('kept'), ClientClosedError);
        const back = [heard(impatient, 'ready'), heard(watching, 'ready')];
        await s.place.one.start();
        await Promise.all(back);
        assert.equal(await impatient.get('kept'), 'yes');
        // the watch went with its connection
        await assert.rejects(watching.multi().get('kept').exec(), /WATCH|watch/);
        for (const client of [impatient, watching])
            client.destroy();
    });
}
