// SPDX-License-Identifier: MIT
// What the server is said to be able to do: steps that need more are left out, and counted as skipped.

// PUBLISH reaches the subscribers of every server of a file.
export const PUBLISH_ACROSS_SERVERS = false;
