// SPDX-License-Identifier: MIT
// Bytes that keys and values are made of.
import { randomBytes } from 'node:crypto';

export const every_byte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

// Longer than any buffer on the way, and not to be compressed.
export function large() {
    return randomBytes(10 * 1024 * 1024);
}

// keys(prefix, count): names of keys.
export function keys(prefix, count) {
    return Array.from({ length: count }, (_, i) => `${prefix}:${i}`);
}
