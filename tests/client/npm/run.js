// SPDX-License-Identifier: MIT
// Runs all sessions, or those named, and ends with "N passed, N failed".
//
//   node run.js [FILE.test.js...]     ANYSTORE_SERVER: the server to test
import fs from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const server = process.env.ANYSTORE_SERVER;
if (!server || !fs.existsSync(server)) {
    console.error('run.js: set ANYSTORE_SERVER to a built server; script/test-npm does that');
    console.log('0 passed, 1 failed');
    process.exit(1);
}
process.env.ANYSTORE_SERVER = path.resolve(server);

const named = process.argv.slice(2).map((file) => path.resolve(file));
const all = fs.readdirSync(here).filter((file) => file.endsWith('.test.js'));
const files = named.length ? named : all.sort().map((file) => path.join(here, file));

// Suites are no tests: one that fails by a failed test in it says nothing new, one that fails
// by itself (a hook) counts.
let passed = 0;
let failed = 0;
let skipped = 0;
let suites_failed = 0;

function isSuite(event) {
    return event.details.type === 'suite' || files.includes(event.name) || files.includes(path.resolve(event.name));
}

function indent(event) {
    return '  '.repeat(event.nesting);
}

const stream = run({ files, concurrency: 2, timeout: 200_000 });
stream.on('test:pass', (event) => {
    if (isSuite(event))
        return console.log(`${indent(event)}${event.name}`);
    if (event.skip !== undefined) {
        skipped++;
        return console.log(`${indent(event)}skipped: ${event.name}`);
    }
    passed++;
    console.log(`${indent(event)}ok: ${event.name} (${Math.round(event.details.duration_ms)} ms)`);
});
stream.on('test:fail', (event) => {
    console.log(`${indent(event)}FAILED: ${event.name}`);
    const error = event.details.error;
    if (isSuite(event))
        suites_failed++;
    else
        failed++;
    console.log(error?.cause?.stack ?? error?.cause ?? error);
});
stream.on('test:stderr', (event) => process.stderr.write(event.message));
stream.on('end', () => {
    if (suites_failed && !failed)
        failed = suites_failed;
    if (!passed && !failed)
        failed = 1;
    const line = `${passed} passed, ${failed} failed`;
    console.log(skipped ? `${line}, ${skipped} skipped` : line);
    process.exitCode = failed ? 1 : 0;
});
stream.resume();
