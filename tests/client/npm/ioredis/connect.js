// SPDX-License-Identifier: MIT
// Every way in that ioredis has, and what it says about itself.
import assert from 'node:assert/strict';
import { it } from 'node:test';


const PASSWORD = 'p@ss w\u00f6rd/:';

function url(server, password) {
    const secret = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
    return `redis://${secret}${server.host}:${server.port}`;
}

// fields(text): what CLIENT INFO says.
function fields(text) {
    return Object.fromEntries(text.trim().split(' ').map((field) => field.split(/=(.*)/s).slice(0, 2)));
}

export function connectSteps(s, { Client, version, libName }) {
    let ways = 0;
    // through(...): a client made so writes, the other one reads.
    async function through(...args) {
        const client = new Client(...args);
        client.on('error', () => {});
        try {
            const value = String(++ways);
            assert.equal(await client.set('way', value), 'OK');
            assert.equal(await s.two.get('way'), value);
            return fields(await client.call('CLIENT', 'INFO'));
        } finally {
            client.disconnect();
        }
    }

    it('connects over TCP, by URL and over a UNIX socket', async () => {
        const { host, port, socket } = s.place.one;
        await through(port, host);
        await through(port);
        await through({ host, port });
        await through(url(s.place.one));
        await through(url(s.place.one), { lazyConnect: true, noDelay: true, keepAlive: 1 });
        await through(socket);
        await through({ path: socket });
        await through({ path: socket, enableReadyCheck: false });
        await through({ path: socket, readOnly: true }); // READONLY, of Redis Cluster: nothing to us
    });

    it('says who it is', async () => {
        const { socket } = s.place.one;
        const info = await through(socket, { connectionName: 'the-name' });
        assert.equal(info.name, 'the-name');
        assert.equal(info['lib-name'] ?? '', libName);
        assert.equal(info['lib-ver'] ?? '', libName && version);
        assert.equal(info.resp, '2');
        if (libName) {
            assert.equal((await through(socket, { clientInfoTag: 'tag' }))['lib-name'], `${libName}(tag)`);
            assert.equal((await through(socket, { disableClientInfo: true }))['lib-name'], '');
        }
    });

    it('authenticates by option, by URL and by AUTH, and is refused without', async () => {
        const server = await s.place.add('--requirepass', PASSWORD);
        try {
            const { host, port, socket } = server;
            await through(port, host, { password: PASSWORD });
            await through(socket, { username: 'default', password: PASSWORD, connectionName: 'n' });
            await through(url(server, PASSWORD));
            await assert.rejects(through(socket, { password: 'wrong', retryStrategy: null }), /WRONGPASS|Connection is closed/);
            await assert.rejects(through(url(server, 'wrong'), { retryStrategy: null }), /WRONGPASS|Connection is closed/);
            const late = new Client(socket, { enableReadyCheck: false });
            await assert.rejects(late.get('way'), /^ReplyError: NOAUTH Authentication required\./);
            assert.equal(await late.auth(PASSWORD), 'OK');
            assert.ok(await late.get('way'));
            assert.equal(await late.quit(), 'OK');
        } finally {
            await server.stop();
        }
    });

    it('a prefix of all keys', async () => {
        const client = await s.open(s.place.one, { keyPrefix: 'app:' });
        await client.mset('a', '1', 'b', '2');
        assert.deepEqual(await client.mget('a', 'b'), ['1', '2']);
        assert.deepEqual(await s.two.mget('app:a', 'app:b'), ['1', '2']);
        assert.equal(await client.del('a', 'b'), 2);
        client.disconnect();
    });

    it('waits with lazyConnect, duplicates itself, ends with quit', async () => {
        const client = await s.open(s.place.one, { lazyConnect: true });
        assert.equal(client.status, 'wait');
        await client.connect();
        assert.equal(client.status, 'ready');
        const other = client.duplicate();
        await Promise.all([client.set('dup', '1'), other.set('dup2', '2')]);
        assert.deepEqual(await s.two.mget('dup', 'dup2'), ['1', '2']);
        assert.deepEqual(await Promise.all([other.quit(), client.quit()]), ['OK', 'OK']);
    });

    it('keeps databases apart', async () => {
        const other = await s.open(s.place.one, { db: 5 });
        await other.set('which', 'five');
        await s.one.set('which', 'zero');
        assert.equal(await s.two.get('which'), 'zero');
        const there = s.closeLater(new Client(`${url(s.place.two)}/5`));
        assert.equal(await there.get('which'), 'five');
        await there.select(0);
        assert.equal(await there.get('which'), 'zero');
        await there.select(15);
        assert.equal(await there.dbsize(), 0);
        assert.equal(await s.one.move('which', 7), 1);
        await there.select(7);
        assert.equal(await there.get('which'), 'zero');
    });
}
