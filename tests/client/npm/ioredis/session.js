// SPDX-License-Identifier: MIT
// The session of ioredis, and of iovalkey, which has the same interface.
import { session } from '../harness/session.js';
import { connectSteps } from './connect.js';
import { dataSteps } from './data.js';
import { errorSteps } from './errors.js';
import { expirySteps } from './expiry.js';
import { pipelineSteps } from './pipelines.js';
import { pubsubSteps } from './pubsub.js';
import { reconnectSteps } from './reconnect.js';
import { scanSteps } from './scan.js';
import { transactionSteps } from './transactions.js';

const steps = [
    connectSteps, pipelineSteps, transactionSteps, dataSteps, expirySteps, scanSteps, errorSteps,
    pubsubSteps, reconnectSteps,
];

// library: { name, version, Client, ReplyError, libName (what it says with CLIENT SETINFO, or '') }
export function ioredisSession(library) {
    function connect(server, options = {}) {
        const client = new library.Client({ host: server.host, port: server.port, retryStrategy: () => 20, ...options });
        client.on('error', () => {}); // of a socket: those of commands come to their promises
        return client;
    }

    function close(client) {
        client.disconnect();
    }

    session(library.name, { connect, close }, steps.map((step) => (s) => step(s, library)));
}
