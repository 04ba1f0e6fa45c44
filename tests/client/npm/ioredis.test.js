// SPDX-License-Identifier: MIT
// The session of `ioredis`.
import { Redis, ReplyError } from 'ioredis';

import { versionOf } from './harness/package.js';
import { ioredisSession } from './ioredis/session.js';

ioredisSession({ name: 'ioredis', version: versionOf('ioredis'), Client: Redis, ReplyError, libName: 'ioredis' });
