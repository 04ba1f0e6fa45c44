// SPDX-License-Identifier: MIT
// Every way in that node-redis has, and what it says about itself.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createClient, createClientPool } from 'redis';

import { versionOf } from '../harness/package.js';

const PASSWORD = 'p@ss w\u00f6rd/:';

function url(server, password) {
    const secret = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
    return `redis://${secret}${server.host}:${server.port}`;
}

export function connectSteps(s) {
    // through(options): a client made so writes, the other one reads.
    async function through(options) {
        const client = createClient({ RESP: s.one.RESP, ...options });
        client.on('error', () => {});
        await client.connect();
        try {
            assert.equal(await client.ping(), 'PONG');
            assert.equal(await client.set('way', JSON.stringify(options)), 'OK');
            assert.equal(await s.two.get('way'), JSON.stringify(options));
            return await client.clientInfo();
        } finally {
            await client.close();
        }
    }

    it('connects over TCP, by URL and over a UNIX socket', async () => {
        const { one } = s.place;
        await through({ socket: { host: one.host, port: one.port } });
        await through({ url: url(one) });
        await through({ url: url(one), socket: { noDelay: true, keepAlive: true } });
        await through({ socket: { path: one.socket } });
        await through({ socket: { path: one.socket }, pingInterval: 5, commandsQueueMaxLength: 10 });
    });

    it('says who it is with HELLO and CLIENT SETINFO', async () => {
        const { one } = s.place;
        const socket = { path: one.socket };
        const info = await through({ socket, name: 'the-name' });
        assert.equal(info.name, 'the-name');
        assert.equal(info.libName, 'node-redis');
        assert.equal(info.libVer, versionOf('@redis/client'));
        assert.equal(info.resp, s.one.RESP);
        assert.equal((await through({ socket, clientInfoTag: 'tag' })).libName, 'node-redis(tag)');
        assert.equal((await through({ socket, disableClientInfo: true })).libName, '');
        const hello = await s.one.hello(s.one.RESP);
        assert.equal(hello.proto, s.one.RESP);
        assert.equal(hello.mode, 'standalone');
        assert.equal(hello.role, 'master');
    });

    it('authenticates by option, by URL and by AUTH, and is refused without', async () => {
        const server = await s.place.add('--requirepass', PASSWORD);
        try {
            const { host, port, socket } = server;
            await through({ socket: { host, port }, password: PASSWORD });
            await through({ socket: { path: socket }, username: 'default', password: PASSWORD, name: 'n' });
            await through({ url: url(server, PASSWORD) });
            // One that may not reconnect, or it would try for ever.
            const refused = { path: socket, reconnectStrategy: false };
            await assert.rejects(through({ socket: refused, password: 'wrong' }), /WRONGPASS/);
            await assert.rejects(through({ url: url(server, 'wrong'), socket: refused }), /WRONGPASS/);

            await assert.rejects(through({ socket: refused, RESP: 3 }), /NOAUTH HELLO must be called/);
            const late = createClient({ socket: { path: socket } }); // sends no HELLO
            await late.connect();
            await assert.rejects(late.get('way'), /NOAUTH Authentication required\./);
            assert.equal(await late.auth({ password: PASSWORD }), 'OK');
            assert.ok(await late.get('way'));
            await late.close();
        } finally {
            await server.stop();
        }
    });

    it('a pool shares its connections', async () => {
        const pool = createClientPool(
            { RESP: s.one.RESP, socket: { path: s.place.one.socket } }, { minimum: 2, maximum: 5 });
        await pool.connect();
        try {
            const key = `pool:${s.one.RESP}`;
            await Promise.all(Array.from({ length: 200 }, () => pool.incr(key)));
            assert.equal(await s.two.get(key), '200');
            const [id, same] = await pool.execute(async (client) => [await client.clientId(), await client.clientId()]);
            assert.equal(id, same);
            assert.deepEqual(await pool.multi().incr(key).get(key).exec(), [201, '201']);
            assert.ok(pool.totalClients <= 5);
        } finally {
            await pool.close();
        }
    });

    it('duplicates itself', async () => {
        const client = await s.closeLater(s.one.duplicate()).connect();
        await client.set('duplicate', '1');
        assert.equal(await s.two.get('duplicate'), '1');
        await client.close();
    });

    it('keeps databases apart', async () => {
        const other = await s.open(s.place.one, { database: 5 });
        await other.set('which', 'five');
        await s.one.set('which', 'zero');
        assert.equal(await s.two.get('which'), 'zero');
        const there = await s.open(s.place.two, { url: `${url(s.place.two)}/5` });
        assert.equal(await there.get('which'), 'five');
        await there.select(0);
        assert.equal(await there.get('which'), 'zero');
        await there.select(15);
        assert.equal(await there.dbSize(), 0);
        assert.equal(await s.one.move('which', 7), 1);
        await there.select(7);
        assert.equal(await there.get('which'), 'zero');
        assert.deepEqual(await other.multi().set('in', '5').select(6).get('in').exec(), ['OK', 'OK', null]);
        // Each database is a file of its own, so one commit cannot be of two.
        await assert.rejects(other.multi().select(5).set('in', '55').select(6).set('in', '6').exec(),
            /^Error: EXECABORT .*several databases/);
        assert.equal(await other.select(5).then(() => other.get('in')), '5');
    });
}
