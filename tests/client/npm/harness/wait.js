// SPDX-License-Identifier: MIT
// Waiting without fixed times.
import { setTimeout as pause } from 'node:timers/promises';

// A net for what never comes; no assertion about time.
const PATIENCE_MS = 60_000;

// until(what, condition): looks again and again, and returns the first value that is true.
export async function until(what, condition) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
        const value = await condition();
        if (value)
            return value;
        if (Date.now() > end)
            throw new Error(`this never came: ${what}`);
        await pause(5);
    }
}

// heard(emitter, event): a promise of the first argument of the next such event.
export function heard(emitter, event) {
    return new Promise((resolve) => emitter.once(event, resolve));
}
