// SPDX-License-Identifier: MIT
// The server's errors as ioredis throws them; the connection goes on.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { refused } from '../harness/errors.js';

export function errorSteps(s, { ReplyError }) {
    it('errors are ReplyError, with their text and command', async () => {
        await s.one.mset('word', 'abc', 'most', '9223372036854775807');
        for (const [command, text] of refused) {
            await assert.rejects(s.one.call(...command), (error) => {
                assert.ok(error instanceof ReplyError);
                assert.equal(error.message, text);
                assert.equal(error.command.name, command[0]);
                return true;
            });
        }
        assert.equal(await s.one.get('word'), 'abc');
    });

    it('an error among others concerns one only', async () => {
        const replies = await Promise.allSettled([
            s.one.set('e', 1), s.one.incr('word'), s.one.incr('e'), s.one.call('GET'), s.one.get('e'),
        ]);
        assert.deepEqual(replies.map((reply) => reply.status),
            ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
        assert.equal(replies[4].value, '2');
        assert.equal(await s.two.get('e'), '2');
    });
}
