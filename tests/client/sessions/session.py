# SPDX-License-Identifier: MIT
"""The session of DESIGN.md through redis-py."""

import os
import signal
import sys
import time

import redis

PASSWORD = os.environ["SESSION_PASSWORD"]
PORT = {name: int(os.environ[f"SESSION_{name}_PORT"]) for name in "AB"}
SOCKET = {name: os.environ[f"SESSION_{name}_SOCKET"] for name in "AB"}
ALL_BYTES = bytes(range(256))
PATIENCE = 60  # seconds; a safety net


def over_tcp(name, **options):
    return redis.Redis(host="127.0.0.1", port=PORT[name], password=PASSWORD, **options)


def over_unix(name, **options):
    return redis.Redis(unix_socket_path=SOCKET[name], password=PASSWORD, **options)


a = over_tcp("A")
b = over_unix("B")


class Skip(Exception):
    """The client cannot do this step."""


def expect(got, wanted, what=""):
    if got != wanted or isinstance(got, bool) != isinstance(wanted, bool):
        raise AssertionError(f"{what}: {str(got)[:200]!r} instead of {str(wanted)[:200]!r}")


def expect_error(kind, text, function, *arguments):
    try:
        got = function(*arguments)
    except redis.RedisError as error:
        if not isinstance(error, kind) or text not in str(error):
            raise AssertionError(f"{type(error).__name__}: {error}, not {kind.__name__}: {text}")
        return
    raise AssertionError(f"{got!r} instead of an error: {text}")


def wait_until(condition, what):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.002)


def connect_tcp():
    expect(a.ping(), True)


def connect_unix():
    expect(b.ping(), True)


def connect_url():
    expect(redis.from_url(os.environ["SESSION_A_URL"]).ping(), True)
    with_socket = redis.from_url(f"unix://{SOCKET['B']}?db=0", password=PASSWORD)
    expect(with_socket.ping(), True)


def password():
    expect_error(
        redis.AuthenticationError,
        "Authentication required",
        redis.Redis(port=PORT["A"]).get,
        "password:key",
    )
    wrong = redis.Redis(port=PORT["A"], password="wrong")
    expect_error(redis.ResponseError, "WRONGPASS", wrong.ping)
    named = redis.Redis(port=PORT["A"], username="default", password=PASSWORD)
    expect(named.ping(), True)
    single = redis.Redis(port=PORT["A"], single_connection_client=True)
    expect(single.execute_command("AUTH", PASSWORD), True)
    expect(single.get("password:key"), None)


def resp3():
    raise Skip("redis-py 4 speaks RESP2 only")


def introduce():
    client = over_tcp("A", single_connection_client=True)
    reply = client.execute_command("HELLO", 2, "AUTH", "default", PASSWORD, "SETNAME", "greeter")
    fields = dict(zip(reply[::2], reply[1::2]))
    expect((fields[b"proto"], fields[b"role"]), (2, b"master"))
    expect(client.client_getname(), "greeter")
    expect(client.client_setname("another"), True)
    expect(client.execute_command("CLIENT SETINFO", "LIB-NAME", "redis-py"), b"OK")
    expect(client.execute_command("CLIENT SETINFO", "LIB-VER", redis.__version__), b"OK")
    info = client.client_info()
    expect(info["name"], "another")
    expect(info["lib-name"], "redis-py")
    expect(info["lib-ver"].strip(), redis.__version__)  # redis-py keeps the line's end
    expect([entry["name"] for entry in client.client_list() if entry["name"]], ["another"])


def seen_at_once():
    for i in range(200):
        expect(a.set("seen_at_once:key", f"a{i}"), True)
        expect(b.get("seen_at_once:key"), f"a{i}".encode())
        expect(b.set("seen_at_once:key", f"b{i}"), True)
        expect(a.get("seen_at_once:key"), f"b{i}".encode())


def counters():
    for i in range(200):
        expect(a.incr("counters:n"), 2 * i + 1)
        expect(b.incr("counters:n"), 2 * i + 2)
    expect(a.decrby("counters:n", 100), 300)
    expect(b.incrbyfloat("counters:n", 0.5), 300.5)
    expect(a.get("counters:n"), b"300.5")
    expect(b.get("counters:n"), b"300.5")


def pipeline():
    commands = a.pipeline(transaction=False)
    for i in range(1000):
        commands.set(f"pipeline:{i}", i)
    for i in range(1000):
        commands.get(f"pipeline:{i}")
    expect(commands.execute(), [True] * 1000 + [str(i).encode() for i in range(1000)])
    commands.set("pipeline:text", "x").incr("pipeline:text").set("pipeline:after", "y")
    replies = commands.execute(raise_on_error=False)
    expect((replies[0], replies[2]), (True, True))
    expect(isinstance(replies[1], redis.ResponseError), True)
    expect(b.mget("pipeline:text", "pipeline:after"), [b"x", b"y"])
    commands.incr("pipeline:text")
    expect_error(redis.ResponseError, "value is not an integer", commands.execute)


def transaction():
    block = a.pipeline()
    block.set("transaction:text", "one").incr("transaction:n").get("transaction:text")
    expect(block.execute(), [True, 1, b"one"])
    expect(b.mget("transaction:text", "transaction:n"), [b"one", b"1"])
    single = over_tcp("A", single_connection_client=True)
    for command in (["MULTI"], ["SET", "transaction:text", "two"], ["DISCARD"]):
        single.execute_command(*command)
    expect(b.get("transaction:text"), b"one")
    block.incr("transaction:n").incr("transaction:text").incr("transaction:n")
    replies = block.execute(raise_on_error=False)
    expect((replies[0], replies[2]), (2, 3))
    expect(isinstance(replies[1], redis.ResponseError), True)
    expect(b.get("transaction:n"), b"3")


def watch():
    a.set("watch:key", "1")
    with a.pipeline() as block:
        block.watch("watch:key")
        value = int(block.get("watch:key"))
        block.multi()
        block.set("watch:key", value + 1)
        expect(block.execute(), [True])
        expect(b.get("watch:key"), b"2")

        block.watch("watch:key")
        b.set("watch:key", "by another")
        block.multi()
        block.set("watch:key", "lost")
        expect_error(redis.WatchError, "", block.execute)
        expect(a.get("watch:key"), b"by another")

        block.watch("watch:key")
        b.set("watch:key", "again")
        block.unwatch()
        block.multi()
        block.set("watch:key", "won")
        expect(block.execute(), [True])
    expect(b.get("watch:key"), b"won")

    def increment(pipe):
        if not tries:
            b.incr("watch:n")
        tries.append(1)
        value = int(pipe.get("watch:n") or 0)
        pipe.multi()
        pipe.set("watch:n", value + 1)

    tries = []
    a.transaction(increment, "watch:n")
    expect((len(tries), b.get("watch:n")), (2, b"2"))


def binary():
    for byte in ALL_BYTES:
        end = bytes([byte])
        a.set(b"binary:" + end, end + ALL_BYTES)
    for byte in ALL_BYTES:
        end = bytes([byte])
        expect(b.get(b"binary:" + end), end + ALL_BYTES, end)
    expect(b.mget([b"binary:" + bytes([x]) for x in ALL_BYTES])[10], b"\n" + ALL_BYTES)
    a.set("binary:empty", b"")
    expect(b.get("binary:empty"), b"")
    a.set(b"binary:" + ALL_BYTES, ALL_BYTES)
    expect(b.get(b"binary:" + ALL_BYTES), ALL_BYTES)
    expect(b.keys(b"binary:\x00\x01*"), [b"binary:" + ALL_BYTES])


def large():
    value = b"".join(b"%09d\n" % i for i in range(1000000))
    expect(a.set("large:key", value), True)
    expect(b.get("large:key") == value, True)
    expect(b.append("large:key", "!"), 10000001)
    expect(a.strlen("large:key"), 10000001)
    expect(a.getrange("large:key", -3, -1), b"9\n!")


def expiry():
    a.set("expiry:ex", "1", ex=100)
    expect(0 < b.ttl("expiry:ex") <= 100, True)
    b.set("expiry:px", "1", px=100000)
    expect(0 < a.pttl("expiry:px") <= 100000, True)
    expect(a.expireat("expiry:px", int(time.time()) + 3600), True)
    expect(3500 < b.ttl("expiry:px") <= 3600, True)
    expect(b.persist("expiry:px"), True)
    expect(a.ttl("expiry:px"), -1)
    expect(a.ttl("expiry:missing"), -2)
    a.set("expiry:soon", "1", px=50)
    wait_until(lambda: not a.exists("expiry:soon"), "a key expires")
    expect(b.get("expiry:soon"), None)
    expect(a.expireat("expiry:px", 1), True)
    expect(b.exists("expiry:px"), 0)


def scan():
    fill = a.pipeline(transaction=False)
    for i in range(3000):
        fill.set(f"scan:{i}", i)
    for i in range(500):
        fill.set(f"scanned:{i}", i)
    fill.execute()
    wanted = {f"scan:{i}".encode() for i in range(3000)}
    expect(set(a.scan_iter(match="scan:*", count=100)) == wanted, True, "scan_iter")
    found, cursor, calls = set(), 0, 0
    while calls == 0 or cursor:
        cursor, keys = (b if calls % 2 else a).scan(cursor, match="scan:*", count=50)
        found.update(keys)
        calls += 1
    expect(found == wanted, True, "cursors at both")


def strings():
    key = "strings:key"
    expect(a.append(key, "Hello"), 5)
    expect(b.append(key, " World"), 11)
    expect(a.strlen(key), 11)
    expect(a.setrange(key, 6, "Redis"), 11)
    expect(b.getrange(key, 0, -1), b"Hello Redis")
    expect(a.getset(key, "new"), b"Hello Redis")
    expect(b.getex(key, ex=50), b"new")
    expect(0 < a.ttl(key) <= 50, True)
    expect(b.getdel(key), b"new")
    expect(a.get(key), None)
    expect(a.setnx(key, "1"), True)
    expect(b.setnx(key, "2"), False)
    expect(b.set(key, "2", nx=True), None)
    expect(b.set("strings:none", "2", xx=True), None)
    expect(b.set(key, "3", xx=True, get=True), b"1")
    expect(a.mset({"strings:1": "1", "strings:2": "2"}), True)
    expect(b.mget("strings:1", "strings:none", "strings:2"), [b"1", None, b"2"])
    expect(b.msetnx({"strings:3": "3", "strings:1": "other"}), False)
    expect(a.exists("strings:3"), 0)
    expect(b.msetnx({"strings:3": "3", "strings:4": "4"}), True)
    expect(a.copy("strings:1", "strings:5"), True)
    expect(b.rename("strings:5", "strings:6"), True)
    expect(a.exists("strings:1", "strings:5", "strings:6"), 2)
    expect(a.type("strings:6"), b"string")
    expect(b.delete("strings:1", "strings:2", "strings:none"), 2)


def bits():
    key = "bits:key"
    expect(a.setbit(key, 7, 1), 0)
    expect(b.setbit(key, 7, 0), 1)
    a.set(key, b"\x00\xff\xf0")
    expect(b.getbit(key, 8), 1)
    expect((b.bitcount(key), b.bitcount(key, 1, 1)), (12, 8))
    expect((b.bitpos(key, 1), b.bitpos(key, 0, 1)), (8, 20))
    a.set("bits:mask", b"\xff\x0f\x0f")
    expect(b.bitop("AND", "bits:and", key, "bits:mask"), 3)
    expect(a.get("bits:and"), b"\x00\x0f\x00")
    expect(b.bitop("NOT", "bits:not", key), 3)
    expect(a.get("bits:not"), b"\xff\x00\x0f")
    field = a.bitfield("bits:field").set("u8", "#1", 200).incrby("u8", "#1", 10).get("u8", 8)
    expect(field.execute(), [0, 210, 210])
    sat = b.bitfield("bits:field", default_overflow="SAT").incrby("u8", "#1", 100)
    expect(sat.execute(), [255])


def errors():
    single = over_tcp("A", single_connection_client=True)
    single.set("errors:text", "x")
    cases = (
        (redis.ResponseError, "WRONGPASS", ("AUTH", "wrong")),
        (redis.ResponseError, "unknown command", ("NOSUCH", "1")),
        (redis.ResponseError, "value is not an integer", ("INCR", "errors:text")),
        (redis.ResponseError, "wrong number of arguments", ("GET",)),
        (redis.ResponseError, "EXEC without MULTI", ("EXEC",)),
        (redis.ResponseError, "syntax error", ("SET", "errors:text", "1", "NOSUCH")),
    )
    for kind, text, command in cases:
        expect_error(kind, text, single.execute_command, *command)
        expect(single.get("errors:text"), b"x")


def messages(publisher, counted):
    listener = over_tcp("A").pubsub()
    listener.subscribe("publish:news")
    listener.psubscribe("publish:n?ws")
    got = []

    def receive(count):
        def condition():
            message = listener.get_message(timeout=0.1)
            if message:
                got.append(message)
            return len(got) >= count

        wait_until(condition, "messages")

    receive(2)
    expect([message["type"] for message in got], ["subscribe", "psubscribe"])
    reached = publisher.publish("publish:news", ALL_BYTES)
    if counted:
        expect(reached, 2)
    receive(4)
    expect(sorted(message["type"] for message in got[2:]), ["message", "pmessage"])
    for message in got[2:]:
        expect((message["channel"], message["data"]), (b"publish:news", ALL_BYTES))
    listener.unsubscribe()
    listener.punsubscribe()
    receive(6)
    if counted:
        expect(publisher.publish("publish:news", "nobody"), 0)


def publish():
    messages(over_unix("A"), True)


def publish_across():
    messages(b, False)


def databases():
    third = over_tcp("A", db=3)
    a.set("databases:key", "0")
    expect(third.get("databases:key"), None)
    third.set("databases:key", "3")
    expect(third.dbsize(), 1)
    expect((third.get("databases:key"), b.get("databases:key")), (b"3", b"0"))
    expect(third.delete("databases:key"), 1)
    expect(b.get("databases:key"), b"0")


def reconnect():
    for _ in range(10):
        a.incr("reconnect:n")
    os.kill(a.info("server")["process_id"], signal.SIGKILL)
    wanted = 10
    if PORT["A"] != PORT["B"]:
        expect(b.get("reconnect:n"), b"10")
        expect(b.incr("reconnect:n"), 11)
        wanted = 11

    def works():
        try:
            return a.ping()
        except redis.ConnectionError:
            return False

    wait_until(works, "the server is back")
    expect(a.get("reconnect:n"), str(wanted).encode())
    expect(a.incr("reconnect:n"), wanted + 1)

    def other_works():
        try:
            return b.get("reconnect:n") == str(wanted + 1).encode()
        except redis.ConnectionError:
            return False

    wait_until(other_works, "the other sees it")


def flush():
    expect(a.flushall(), True)
    expect(b.dbsize(), 0)
    expect(over_tcp("A", single_connection_client=True).execute_command("QUIT"), True)
    a.close()
    b.close()


STEPS = (
    connect_tcp, connect_unix, connect_url, password, resp3, introduce, seen_at_once, counters,
    pipeline, transaction, watch, binary, large, expiry, scan, strings, bits, errors, publish,
    publish_across, databases, reconnect, flush,
)  # fmt: skip


def main():
    passed = failed = skipped = 0
    for step in STEPS:
        name = step.__name__
        try:
            step()
            passed += 1
            line = f"ok {name}"
        except Skip as reason:
            skipped += 1
            line = f"skip {name}: {reason}"
        except Exception as error:  # whatever it is, the next step goes on
            failed += 1
            line = f"FAILED {name}: {type(error).__name__}: {error}"
        print(line, flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
