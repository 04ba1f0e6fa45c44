<?php
// SPDX-License-Identifier: MIT
// The session of DESIGN.md through phpredis.
declare(strict_types=1);

define('PASSWORD', getenv('SESSION_PASSWORD'));
define('PORT', ['A' => (int)getenv('SESSION_A_PORT'), 'B' => (int)getenv('SESSION_B_PORT')]);
define('SOCKET', ['A' => getenv('SESSION_A_SOCKET'), 'B' => getenv('SESSION_B_SOCKET')]);
define('ALL_BYTES', implode('', array_map('chr', range(0, 255))));
const PATIENCE = 60; // seconds; a safety net

/** The client cannot do this step. */
class Skip extends Exception
{
}

function over_tcp(string $name, $password = PASSWORD): Redis
{
    $redis = new Redis();
    $redis->connect('127.0.0.1', PORT[$name]);
    if ($password !== null) {
        $redis->auth($password);
    }
    return $redis;
}

function over_unix(string $name): Redis
{
    $redis = new Redis();
    $redis->connect(SOCKET[$name]);
    $redis->auth(PASSWORD);
    return $redis;
}

function show($value): string
{
    return substr(json_encode($value, JSON_INVALID_UTF8_SUBSTITUTE), 0, 200);
}

function expect($got, $wanted, string $what = ''): void
{
    if ($got !== $wanted) {
        throw new Exception("$what " . show($got) . ' instead of ' . show($wanted));
    }
}

/** phpredis gives false for an error that begins with ERR, and keeps its text. */
function expect_false(Redis $redis, string $text, callable $call): void
{
    $redis->clearLastError();
    expect($call($redis), false, $text);
    $error = (string)$redis->getLastError();
    if (strpos($error, $text) === false) {
        throw new Exception("$error, not $text");
    }
}

/** It throws for others. */
function expect_exception(string $text, callable $call): void
{
    try {
        $got = $call();
    } catch (RedisException $error) {
        if (strpos($error->getMessage(), $text) === false) {
            throw new Exception($error->getMessage() . ", not $text");
        }
        return;
    }
    throw new Exception(show($got) . " instead of an exception: $text");
}

function within(int $value, int $least, int $most): void
{
    if ($value < $least || $value > $most) {
        throw new Exception("$value is not from $least to $most");
    }
}

function wait_until(string $what, callable $condition): void
{
    $limit = microtime(true) + PATIENCE;
    while (!$condition()) {
        if (microtime(true) > $limit) {
            throw new Exception("waited in vain: $what");
        }
        usleep(2000);
    }
}

/** A flat list of names and values as a map. */
function pairs(array $list): array
{
    $map = [];
    foreach (array_chunk($list, 2) as [$name, $value]) {
        $map[$name] = $value;
    }
    return $map;
}

function sorted_unique(array $keys): array
{
    $keys = array_values(array_unique($keys));
    sort($keys);
    return $keys;
}

/** The steps; each has its name. */
class Session
{
    private ?Redis $a = null;
    private ?Redis $b = null;

    public function connect_tcp(): void
    {
        $this->a = over_tcp('A');
        expect($this->a->ping(), true);
    }

    public function connect_unix(): void
    {
        $this->b = over_unix('B');
        expect($this->b->ping(), true);
    }

    public function connect_url(): void
    {
        throw new Skip('phpredis knows no URLs');
    }

    public function password(): void
    {
        $stranger = over_tcp('A', null);
        expect_exception('NOAUTH', fn () => $stranger->get('password:key'));
        expect_exception('WRONGPASS', fn () => over_tcp('A', 'wrong'));
        expect(over_tcp('A', ['default', PASSWORD])->ping(), true);
        expect($stranger->auth(PASSWORD), true);
        expect($stranger->get('password:key'), false);
    }

    public function resp3(): void
    {
        throw new Skip('phpredis speaks RESP2 only');
    }

    public function introduce(): void
    {
        $client = over_tcp('A');
        $hello = $client->rawCommand('HELLO', '2', 'AUTH', 'default', PASSWORD, 'SETNAME', 'greeter');
        $fields = pairs($hello);
        expect([$fields['proto'], $fields['role']], [2, 'master']);
        expect($client->client('getname'), 'greeter');
        expect($client->client('setname', 'another'), true);
        $version = phpversion('redis');
        expect($client->rawCommand('CLIENT', 'SETINFO', 'LIB-NAME', 'phpredis'), true);
        expect($client->rawCommand('CLIENT', 'SETINFO', 'LIB-VER', $version), true);
        $info = explode(' ', trim($client->rawCommand('CLIENT', 'INFO')));
        foreach (['name=another', 'lib-name=phpredis', "lib-ver=$version"] as $field) {
            expect(in_array($field, $info, true), true, $field);
        }
        $names = array_filter(array_column($client->client('list'), 'name'));
        expect(array_values($names), ['another']);
    }

    public function seen_at_once(): void
    {
        for ($i = 0; $i < 200; $i++) {
            expect($this->a->set('seen_at_once:key', "a$i"), true);
            expect($this->b->get('seen_at_once:key'), "a$i");
            expect($this->b->set('seen_at_once:key', "b$i"), true);
            expect($this->a->get('seen_at_once:key'), "b$i");
        }
    }

    public function counters(): void
    {
        for ($i = 0; $i < 200; $i++) {
            expect($this->a->incr('counters:n'), 2 * $i + 1);
            expect($this->b->incr('counters:n'), 2 * $i + 2);
        }
        expect($this->a->decrBy('counters:n', 100), 300);
        expect($this->b->incrByFloat('counters:n', 0.5), 300.5);
        expect($this->a->get('counters:n'), '300.5');
        expect($this->b->get('counters:n'), '300.5');
    }

    public function pipeline(): void
    {
        $commands = $this->a->pipeline();
        for ($i = 0; $i < 1000; $i++) {
            $commands->set("pipeline:$i", (string)$i);
        }
        for ($i = 0; $i < 1000; $i++) {
            $commands->get("pipeline:$i");
        }
        $values = array_map('strval', range(0, 999));
        expect($commands->exec(), array_merge(array_fill(0, 1000, true), $values));
        $replies = $this->a->pipeline()->set('pipeline:text', 'x')->incr('pipeline:text')
            ->set('pipeline:after', 'y')->exec();
        expect($replies, [true, false, true]);
        expect(strpos($this->a->getLastError(), 'ERR value is not an integer'), 0);
        expect($this->b->mGet(['pipeline:text', 'pipeline:after']), ['x', 'y']);
    }

    public function transaction(): void
    {
        $replies = $this->a->multi()->set('transaction:text', 'one')->incr('transaction:n')
            ->get('transaction:text')->exec();
        expect($replies, [true, 1, 'one']);
        expect($this->b->mGet(['transaction:text', 'transaction:n']), ['one', '1']);
        $this->a->multi()->set('transaction:text', 'two');
        expect($this->a->discard(), true);
        expect($this->b->get('transaction:text'), 'one');
        $replies = $this->a->multi()->incr('transaction:n')->incr('transaction:text')
            ->incr('transaction:n')->exec();
        expect($replies, [2, false, 3]);
        expect($this->b->get('transaction:n'), '3');
    }

    public function watch(): void
    {
        $this->a->set('watch:key', '1');
        expect($this->a->watch('watch:key'), true);
        $value = (int)$this->a->get('watch:key');
        expect($this->a->multi()->set('watch:key', (string)($value + 1))->exec(), [true]);
        expect($this->b->get('watch:key'), '2');

        $this->a->watch('watch:key');
        $this->b->set('watch:key', 'by another');
        expect($this->a->multi()->set('watch:key', 'lost')->exec(), false);
        expect($this->a->get('watch:key'), 'by another');

        $this->a->watch('watch:key');
        $this->b->set('watch:key', 'again');
        expect($this->a->unwatch(), true);
        expect($this->a->multi()->set('watch:key', 'won')->exec(), [true]);
        expect($this->b->get('watch:key'), 'won');
    }

    public function binary(): void
    {
        foreach (str_split(ALL_BYTES) as $byte) {
            $this->a->set("binary:$byte", $byte . ALL_BYTES);
        }
        foreach (str_split(ALL_BYTES) as $byte) {
            expect($this->b->get("binary:$byte"), $byte . ALL_BYTES, bin2hex($byte));
        }
        $this->a->set('binary:empty', '');
        expect($this->b->get('binary:empty'), '');
        $this->a->set('binary:' . ALL_BYTES, ALL_BYTES);
        expect($this->b->get('binary:' . ALL_BYTES), ALL_BYTES);
    }

    public function large(): void
    {
        $value = '';
        for ($i = 0; $i < 1000000; $i++) {
            $value .= sprintf("%09d\n", $i);
        }
        expect($this->a->set('large:key', $value), true);
        expect($this->b->get('large:key') === $value, true);
        expect($this->b->append('large:key', '!'), 10000001);
        expect($this->a->strlen('large:key'), 10000001);
        expect($this->a->getRange('large:key', -3, -1), "9\n!");
    }

    public function expiry(): void
    {
        $this->a->set('expiry:ex', '1', ['ex' => 100]);
        within($this->b->ttl('expiry:ex'), 1, 100);
        $this->b->set('expiry:px', '1', ['px' => 100000]);
        within($this->a->pttl('expiry:px'), 1, 100000);
        expect($this->a->expireAt('expiry:px', time() + 3600), true);
        within($this->b->ttl('expiry:px'), 3500, 3600);
        expect($this->b->persist('expiry:px'), true);
        expect($this->a->ttl('expiry:px'), -1);
        expect($this->a->ttl('expiry:missing'), -2);
        $this->a->set('expiry:soon', '1', ['px' => 50]);
        wait_until('a key expires', fn () => !$this->a->exists('expiry:soon'));
        expect($this->b->get('expiry:soon'), false);
        expect($this->a->expireAt('expiry:px', 1), true);
        expect($this->b->exists('expiry:px'), 0);
    }

    public function scan(): void
    {
        $fill = $this->a->pipeline();
        $wanted = [];
        for ($i = 0; $i < 3000; $i++) {
            $fill->set("scan:$i", '1');
            $wanted[] = "scan:$i";
        }
        for ($i = 0; $i < 500; $i++) {
            $fill->set("scanned:$i", '1');
        }
        $fill->exec();
        sort($wanted);
        // The iterator goes on until there are keys, then gives one page of them.
        $this->a->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
        $found = [];
        $cursor = null;
        while (($keys = $this->a->scan($cursor, 'scan:*', 100)) !== false) {
            array_push($found, ...$keys);
        }
        expect(sorted_unique($found) === $wanted, true, 'scan');
        $found = [];
        $cursor = '0';
        $calls = 0;
        do {
            $redis = $calls++ % 2 ? $this->b : $this->a;
            [$cursor, $keys] = $redis->rawCommand('SCAN', $cursor, 'MATCH', 'scan:*', 'COUNT', '50');
            array_push($found, ...$keys);
        } while ($cursor !== '0');
        expect(sorted_unique($found) === $wanted, true, 'cursors at both');
    }

    public function strings(): void
    {
        [$a, $b, $key] = [$this->a, $this->b, 'strings:key'];
        expect($a->append($key, 'Hello'), 5);
        expect($b->append($key, ' World'), 11);
        expect($a->strlen($key), 11);
        expect($a->setRange($key, 6, 'Redis'), 11);
        expect($b->getRange($key, 0, -1), 'Hello Redis');
        expect($a->getSet($key, 'new'), 'Hello Redis');
        expect($b->rawCommand('GETEX', $key, 'EX', '50'), 'new');
        within($a->ttl($key), 1, 50);
        expect($b->rawCommand('GETDEL', $key), 'new');
        expect($a->get($key), false);
        expect($a->setnx($key, '1'), true);
        expect($b->setnx($key, '2'), false);
        expect($b->set($key, '2', ['nx']), false);
        expect($b->set('strings:none', '2', ['xx']), false);
        expect($b->rawCommand('SET', $key, '3', 'XX', 'GET'), '1');
        expect($a->mSet(['strings:1' => '1', 'strings:2' => '2']), true);
        expect($b->mGet(['strings:1', 'strings:none', 'strings:2']), ['1', false, '2']);
        expect($b->msetnx(['strings:3' => '3', 'strings:1' => 'other']), false);
        expect($a->exists('strings:3'), 0);
        expect($b->msetnx(['strings:3' => '3', 'strings:4' => '4']), true);
        expect($a->rawCommand('COPY', 'strings:1', 'strings:5'), 1);
        expect($b->rename('strings:5', 'strings:6'), true);
        expect($a->exists('strings:1', 'strings:5', 'strings:6'), 2);
        expect($a->type('strings:6'), Redis::REDIS_STRING);
        expect($b->del('strings:1', 'strings:2', 'strings:none'), 2);
    }

    public function bits(): void
    {
        [$a, $b, $key] = [$this->a, $this->b, 'bits:key'];
        expect($a->setBit($key, 7, true), 0);
        expect($b->setBit($key, 7, false), 1);
        $a->set($key, "\x00\xff\xf0");
        expect($b->getBit($key, 8), 1);
        expect($b->bitCount($key), 12);
        expect($b->rawCommand('BITCOUNT', $key, '1', '1'), 8);
        expect([$b->bitpos($key, 1), $b->bitpos($key, 0, 1)], [8, 20]);
        $a->set('bits:mask', "\xff\x0f\x0f");
        expect($b->bitOp('AND', 'bits:and', $key, 'bits:mask'), 3);
        expect($a->get('bits:and'), "\x00\x0f\x00");
        expect($b->bitOp('NOT', 'bits:not', $key), 3);
        expect($a->get('bits:not'), "\xff\x00\x0f");
        $fields = explode(' ', 'SET u8 #1 200 INCRBY u8 #1 10 GET u8 8');
        expect($a->rawCommand('BITFIELD', 'bits:field', ...$fields), [0, 210, 210]);
        $fields = explode(' ', 'OVERFLOW SAT INCRBY u8 #1 100');
        expect($b->rawCommand('BITFIELD', 'bits:field', ...$fields), [255]);
    }

    public function errors(): void
    {
        $client = over_tcp('A');
        $client->set('errors:text', 'x');
        expect_exception('WRONGPASS', fn () => $client->auth('wrong'));
        $cases = [
            'unknown command' => ['NOSUCH', '1'],
            'value is not an integer' => ['INCR', 'errors:text'],
            'wrong number of arguments' => ['GET'],
            'EXEC without MULTI' => ['EXEC'],
            'syntax error' => ['SET', 'errors:text', '1', 'NOSUCH'],
        ];
        foreach ($cases as $text => $command) {
            expect_false($client, $text, fn ($redis) => $redis->rawCommand(...$command));
            expect($client->get('errors:text'), 'x');
        }
    }

    /** Publishes, in a process of its own, as soon as somebody listens to the channel or a pattern. */
    private function publish_later(callable $publisher, string $method, bool $counted): int
    {
        $child = pcntl_fork();
        if ($child !== 0) {
            return $child;
        }
        try {
            $at_listener = over_tcp('A');
            wait_until('somebody listens', fn () => $method === 'subscribe'
                ? $at_listener->pubsub('numsub', ['publish:news'])['publish:news'] > 0
                : $at_listener->pubsub('numpat') > 0);
            $reached = $publisher()->publish('publish:news', ALL_BYTES);
            exit($counted && $reached !== 1 ? 1 : 0);
        } catch (Throwable $error) {
            exit(1);
        }
    }

    /**
     * What one listener gets.  In this version of phpredis listening ends only with the connection,
     * by an exception: after unsubscribe() in the callback it waits on (its issues 2060 and 2135).
     */
    private function receive(callable $publisher, string $method, string $name, bool $counted): array
    {
        $child = $this->publish_later($publisher, $method, $counted);
        $got = [];
        $listener = over_tcp('A');
        $listener->setOption(Redis::OPT_READ_TIMEOUT, PATIENCE);
        $on_message = function (Redis $redis, ...$message) use (&$got) {
            $got[] = $message;
            $redis->close();
        };
        expect_exception('Connection closed', fn () => $listener->$method([$name], $on_message));
        pcntl_waitpid($child, $status);
        expect(pcntl_wexitstatus($status), 0, 'the publisher:');
        return $got;
    }

    private function messages(callable $publisher, bool $counted): void
    {
        $got = $this->receive($publisher, 'subscribe', 'publish:news', $counted);
        expect($got, [['publish:news', ALL_BYTES]]);
        $at_listener = over_tcp('A');
        wait_until('nobody listens', fn () => $at_listener->publish('publish:news', '') === 0);
        $got = $this->receive($publisher, 'psubscribe', 'publish:n?ws', $counted);
        expect($got, [['publish:n?ws', 'publish:news', ALL_BYTES]]);
        wait_until('nobody listens', fn () => $at_listener->publish('publish:news', '') === 0);
    }

    public function publish(): void
    {
        $this->messages(fn () => over_unix('A'), true);
    }

    public function publish_across(): void
    {
        $this->messages(fn () => over_unix('B'), false);
    }

    public function databases(): void
    {
        $third = over_tcp('A');
        expect($third->select(3), true);
        $this->a->set('databases:key', '0');
        expect($third->get('databases:key'), false);
        $third->set('databases:key', '3');
        expect($third->dbSize(), 1);
        expect([$third->get('databases:key'), $this->b->get('databases:key')], ['3', '0']);
        expect($third->del('databases:key'), 1);
        expect($this->b->get('databases:key'), '0');
    }

    /**
     * The value of a key, once the client does not lose its connection.  phpredis connects again
     * itself, but gives a client up when the server goes away while it does: then a new one is made.
     */
    private function get_when_back(?Redis &$redis, callable $make, string $key): string
    {
        $value = false;
        wait_until('the server is back', function () use (&$redis, $make, $key, &$value) {
            try {
                $redis ??= $make();
                $value = $redis->get($key);
            } catch (RedisException $error) {
                $redis = null;
            }
            return $value !== false;
        });
        return $value;
    }

    public function reconnect(): void
    {
        for ($i = 0; $i < 10; $i++) {
            $this->a->incr('reconnect:n');
        }
        expect(posix_kill((int)$this->a->info('server')['process_id'], SIGKILL), true);
        $wanted = 10;
        if (PORT['A'] !== PORT['B']) {
            expect($this->b->get('reconnect:n'), '10');
            expect($this->b->incr('reconnect:n'), 11);
            $wanted = 11;
        }
        $value = $this->get_when_back($this->a, fn () => over_tcp('A'), 'reconnect:n');
        expect($value, (string)$wanted);
        expect($this->a->incr('reconnect:n'), $wanted + 1);
        $value = $this->get_when_back($this->b, fn () => over_unix('B'), 'reconnect:n');
        expect($value, (string)($wanted + 1));
    }

    public function flush(): void
    {
        expect($this->a->flushAll(), true);
        expect($this->b->dbSize(), 0);
        expect($this->a->close(), true);
        expect($this->b->close(), true);
    }
}

$session = new Session();
[$passed, $failed, $skipped] = [0, 0, 0];
foreach (get_class_methods($session) as $name) {
    try {
        $session->$name();
        $passed++;
        echo "ok $name\n";
    } catch (Skip $reason) {
        $skipped++;
        echo "skip $name: ", $reason->getMessage(), "\n";
    } catch (Throwable $error) { // whatever it is, the next step goes on
        $failed++;
        echo "FAILED $name: ", get_class($error), ': ', $error->getMessage(), "\n";
    }
}
echo "$passed passed, $failed failed", $skipped ? ", $skipped skipped" : '', "\n";
exit($failed ? 1 : 0);
