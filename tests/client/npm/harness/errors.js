// SPDX-License-Identifier: MIT
// Commands that are refused, with the texts that Redis has for them.

// Before them, `word` is "abc" and `most` the largest number.
export const refused = [
    [['INCR', 'word'], 'ERR value is not an integer or out of range'],
    [['INCR', 'most'], 'ERR increment or decrement would overflow'],
    [['INCRBYFLOAT', 'word', '1'], 'ERR value is not a valid float'],
    [['GET'], "ERR wrong number of arguments for 'get' command"],
    [['SET', 'word', '1', 'BOGUS'], 'ERR syntax error'],
    [['SET', 'word', '1', 'EX', '0'], "ERR invalid expire time in 'set' command"],
    [['SETRANGE', 'word', '-1', 'x'], 'ERR offset is out of range'],
    [['SETBIT', 'word', '-1', '1'], 'ERR bit offset is not an integer or out of range'],
    [['RENAME', 'nothing', 'word'], 'ERR no such key'],
    [['SELECT', '1000'], 'ERR DB index is out of range'],
    [['NOSUCH', 'a', 'b'], "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' "],
    [['CLIENT', 'NOSUCH'], "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."],
    [['RESTORE', 'word', '0', 'x'], 'BUSYKEY Target key name already exists.'],
    [['RESTORE', 'word2', '0', 'x'], 'ERR DUMP payload version or checksum are wrong'],
    [['EXEC'], 'ERR EXEC without MULTI'],
    [['AUTH', 'x', 'y', 'z'], 'ERR syntax error'],
];
