// SPDX-License-Identifier: MIT
// Starts, kills and ends server processes, and the directories they work in.
import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const PROGRAM = process.env.ANYSTORE_SERVER;
const START_TRIES = 20;
const LOG_TAIL = 4000;

// One that can be listened on; below those that the kernel gives to clients, so that it is
// still free when a killed server comes back.
async function freePort() {
    for (;;) {
        const port = randomInt(20_000, 30_000);
        const free = await new Promise((resolve) => {
            const probe = net.createServer();
            probe.once('error', () => resolve(false));
            probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
        });
        if (free)
            return port;
    }
}

// ping(socket): true when a server answers there, be it that one must authenticate first.
function ping(socket) {
    return new Promise((resolve) => {
        const connection = net.connect(socket);
        connection.once('error', () => resolve(false));
        connection.once('close', () => resolve(false));
        connection.once('data', (data) => {
            connection.destroy();
            resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()));
        });
        connection.write('PING\r\n');
    });
}

export class Server {
    // place: where its data and key are; args: further options.
    constructor(place, number, args) {
        this.place = place;
        this.args = args;
        this.home = path.join(place.dir, `s${number}`);
        this.socket = path.join(this.home, 'socket');
        this.log = path.join(this.home, 'log');
        fs.mkdirSync(this.home);
    }

    get host() {
        return '127.0.0.1';
    }

    async start() {
        for (let tries = 0; tries < START_TRIES; tries++) {
            this.port ??= await freePort();
            this.launch();
            if (await this.ready())
                return;
            // Another process may have taken the port; one that clients know we wait for.
            if (!this.known)
                this.port = undefined;
            await pause(100);
        }
        throw new Error(`the server does not start:\n${this.logTail()}`);
    }

    launch() {
        const log = fs.openSync(this.log, 'a');
        // setpriv: should this process die, the kernel ends the server.
        this.process = spawn('setpriv', [
            '--pdeathsig', 'KILL', PROGRAM,
            '--unixsocket', this.socket, '--bind', this.host, '--port', String(this.port),
            '--dir', this.place.data, '--dbfilename', 'anystore.db',
            '--encryption-key-file', this.place.key, ...this.args,
        ], { cwd: this.home, stdio: ['ignore', log, log], env: { HOME: this.home, PATH: process.env.PATH } });
        fs.closeSync(log);
        this.ended = new Promise((resolve) => {
            this.process.once('exit', resolve);
            this.process.once('error', resolve);
        });
        this.running = true;
        this.ended.then(() => (this.running = false));
    }

    async ready() {
        while (this.running) {
            if (await ping(this.socket)) {
                this.known = true;
                return true;
            }
            await pause(5);
        }
        return false;
    }

    // As a crash does it.
    async kill() {
        this.process.kill('SIGKILL');
        await this.ended;
    }

    async stop() {
        if (!this.running)
            return;
        this.process.kill('SIGTERM');
        await this.ended;
    }

    logTail() {
        return fs.existsSync(this.log) ? fs.readFileSync(this.log, 'utf8').slice(-LOG_TAIL) : '';
    }
}

// A temporary directory with one data file and the servers on it.
export class Place {
    servers = [];

    constructor() {
        this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'anystore-npm-'));
        this.data = path.join(this.dir, 'data');
        this.key = path.join(this.dir, 'key');
        fs.mkdirSync(this.data);
        fs.writeFileSync(this.key, randomBytes(32).toString('base64') + '\n', { mode: 0o600 });
    }

    // add(...args): starts another server on the file.
    async add(...args) {
        const server = new Server(this, this.servers.length + 1, args);
        this.servers.push(server);
        await server.start();
        return server;
    }

    // The first and the last server are what a client switches between; with one server, the same.
    static async open(mode) {
        const place = new Place();
        for (let i = 0; i < mode.servers; i++)
            await place.add();
        place.one = place.servers[0];
        place.two = place.servers[mode.servers - 1];
        return place;
    }

    async close() {
        for (const server of this.servers)
            await server.stop();
        fs.rmSync(this.dir, { recursive: true, force: true });
    }
}

export const modes = [
    { title: 'one instance', servers: 1 },
    { title: 'two instances on one file', servers: 2 },
];
