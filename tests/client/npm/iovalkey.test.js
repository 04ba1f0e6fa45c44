// SPDX-License-Identifier: MIT
// The session of `iovalkey`.
import iovalkey from 'iovalkey';

import { versionOf } from './harness/package.js';
import { ioredisSession } from './ioredis/session.js';

const { Redis: Client, ReplyError } = iovalkey;
ioredisSession({ name: 'iovalkey', version: versionOf('iovalkey'), Client, ReplyError, libName: '' });
