// SPDX-License-Identifier: MIT
// What an installed package says about itself.
import { readFileSync } from 'node:fs';

export function versionOf(name) {
    return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url))).version;
}
