// SPDX-License-Identifier: MIT
// The session of `redis` (node-redis), in RESP2 and in RESP3.
import { connectSteps } from './redis/connect.js';
import { close, connector } from './redis/client.js';
import { dataSteps } from './redis/data.js';
import { errorSteps } from './redis/errors.js';
import { expirySteps } from './redis/expiry.js';
import { pipelineSteps } from './redis/pipelines.js';
import { pubsubSteps } from './redis/pubsub.js';
import { reconnectSteps } from './redis/reconnect.js';
import { scanSteps } from './redis/scan.js';
import { transactionSteps } from './redis/transactions.js';
import { session } from './harness/session.js';

const steps = [
    connectSteps, pipelineSteps, transactionSteps, dataSteps, expirySteps, scanSteps, errorSteps,
    pubsubSteps, reconnectSteps,
];
for (const RESP of [2, 3])
    session(`redis, RESP${RESP}`, { connect: connector(RESP), close }, steps);
