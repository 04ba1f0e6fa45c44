// SPDX-License-Identifier: MIT
// A web application's sessions: express-session with connect-redis.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { closeApp } from './apps/client.js';
import { sessionApp } from './apps/sessions.js';
import { Browser } from './apps/web.js';
import { heard, until } from './harness/wait.js';
import { session } from './harness/session.js';

function sid(browser) {
    return decodeURIComponent(browser.cookie.split('=')[1]).replace(/^s:([^.]*)\..*$/, '$1');
}

function loginSteps(s) {
    it('a login is kept across requests and application servers', async () => {
        const browser = new Browser();
        assert.equal((await browser.get(s.one, '/visit')).status, 401);
        assert.equal((await browser.get(s.one, '/login/ann')).body, 'welcome');
        for (let i = 1; i <= 20; i++)
            assert.equal((await browser.get(i % 2 ? s.one : s.two, '/visit')).body, `ann ${i}`);
        const other = new Browser();
        assert.equal((await other.get(s.two, '/look')).body, 'nobody');
        assert.equal((await browser.get(s.two, '/logout')).body, 'bye');
        assert.equal((await browser.get(s.one, '/visit')).status, 401);
    });

    it('many users at once', async () => {
        await Promise.all(Array.from({ length: 30 }, async (_, user) => {
            const browser = new Browser();
            await browser.get(user % 2 ? s.one : s.two, `/login/user${user}`);
            for (let i = 1; i <= 5; i++)
                assert.equal((await browser.get((user + i) % 2 ? s.one : s.two, '/visit')).body, `user${user} ${i}`);
        }));
    });

    it('a login survives the SIGKILL of the server', async () => {
        const browser = new Browser();
        await browser.get(s.one, '/login/bob');
        await browser.get(s.one, '/visit');
        const ready = heard(s.one.client, 'ready');
        await s.place.one.kill();
        if (s.place.one !== s.place.two) // its other server goes on
            assert.equal((await browser.get(s.two, '/look')).body, 'bob');
        await s.place.one.start();
        await ready;
        assert.equal((await browser.get(s.one, '/visit')).body, 'bob 2');
    });
}

function storeSteps(s) {
    it('a session ends, and a visit moves its end', async () => {
        const browser = new Browser();
        await browser.get(s.one, '/login/eve');
        const key = `sess:${sid(browser)}`;
        const ttl = await s.two.client.ttl(key);
        assert.ok(ttl > 0 && ttl <= 1000, String(ttl));
        await s.two.client.expire(key, 100);
        assert.equal((await browser.get(s.one, '/look')).body, 'eve'); // touches it
        await until('the later end', async () => (await s.two.client.ttl(key)) > 100);
        await s.one.client.pExpire(key, 10);
        await until('its end', async () => (await s.two.client.exists(key)) === 0);
        assert.equal((await browser.get(s.one, '/look')).body, 'nobody');
    });

    it('the store lists, counts, destroys and clears', async () => {
        await s.one.store.clear();
        assert.equal(await s.two.store.length(), 0);
        assert.deepEqual(await s.two.store.all(), []);
        const ids = Array.from({ length: 250 }, (_, i) => `id${i}`);
        await Promise.all(ids.map((id, i) => (i % 2 ? s.one : s.two).store.set(id, { user: id, cookie: {} })));
        await s.one.client.set('not a session', '1');
        assert.equal(await s.two.store.length(), 250);
        assert.deepEqual((await s.one.store.ids()).sort(), [...ids].sort());
        assert.deepEqual((await s.two.store.all()).map((one) => one.user).sort(), [...ids].sort());
        assert.equal((await s.two.store.get('id7')).user, 'id7');
        await s.one.store.destroy('id7');
        assert.equal(await s.two.store.get('id7'), null);
        assert.equal(await s.one.store.length(), 249);
        await s.two.store.clear();
        assert.equal(await s.one.store.length(), 0);
        assert.equal(await s.one.client.get('not a session'), '1');
    });
}

session('express-session, connect-redis', { connect: sessionApp, close: closeApp }, [loginSteps, storeSteps]);
