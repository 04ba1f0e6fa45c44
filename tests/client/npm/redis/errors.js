// SPDX-License-Identifier: MIT
// The server's errors as node-redis throws them; the connection goes on.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ErrorReply, SimpleError } from 'redis';

import { refused } from '../harness/errors.js';

export function errorSteps(s) {
    it('errors are ErrorReply, with their text', async () => {
        await s.one.set('word', 'abc');
        await s.one.set('most', '9223372036854775807');
        for (const [command, text] of refused) {
            await assert.rejects(s.one.sendCommand(command), (error) => {
                assert.ok(error instanceof ErrorReply && error instanceof SimpleError);
                assert.equal(error.message, text);
                return true;
            });
        }
        assert.equal(await s.one.get('word'), 'abc');
    });

    it('an error among others concerns one only', async () => {
        const replies = await Promise.allSettled([
            s.one.set('e', '1'), s.one.sendCommand(['INCR', 'word']), s.one.incr('e'), s.one.sendCommand(['GET']),
            s.one.get('e'),
        ]);
        assert.deepEqual(replies.map((reply) => reply.status),
            ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
        assert.equal(replies[4].value, '2');
        assert.equal(await s.two.get('e'), '2');
    });
}
