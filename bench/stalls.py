# SPDX-License-Identifier: MIT
"""The row `stalls`: how long the heavy request of one client holds up the others.

A prober sends a GET every millisecond while the heavy request is answered.  Its longest GET is the
figure, with the 99th percentile beside it.
"""

import json
import os
import subprocess
import sys
import time

import load
from servers import Failure, encode

KEY_BYTES = len(load.key_name(0))
PROBER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prober.py")
SETTLE = 0.1  # seconds: work that a request leaves for later counts as its own

MOST_KEYS, CHANNELS, PATTERNS = 1000000, 500000, 1000
CHANNEL_BYTES = 1 << 20


# ---- The other client ---------------------------------------------------------------------------


class Prober:
    def __init__(self, server):
        self.process = subprocess.Popen(
            [sys.executable, PROBER, str(server.port), load.key_name(0).decode()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def __enter__(self):
        self.read_line()
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.communicate()

    def read_line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure("the client that measures ended")
        return line

    def end_interval(self):
        """The seconds of its requests since the last call, at least one."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.read_line())


def percentile_over_time(times, part, period=0.001):
    """The percentile for requests that come once in a period, whether or not the last one was
    answered: a long one stands also for those that would have waited with it."""
    waits = []
    for took in times:
        waits.append(took)
        while took > period:
            took -= period
            waits.append(took)
    waits.sort()
    return waits[min(len(waits) - 1, int(part * len(waits)))]


# ---- Heavy requests -----------------------------------------------------------------------------


class Sizes:
    """How much of everything; `most` is less than a million in a quick run."""

    def __init__(self, most):
        self.keys = min(MOST_KEYS, most)
        self.channels = min(CHANNELS, most)
        self.patterns = min(PATTERNS, most)
        self.channel_bytes = min(CHANNEL_BYTES, most)

    def key_names(self, count=None):
        return [load.key_name(i) for i in range(count or self.keys)]


class Heavy:
    """A heavy request, its reply, and a state that it needs."""

    def __init__(self, request, read, prepare=None):
        self.request = request  # its bytes, a function of sizes
        self.read = read  # reads the reply; takes client and sizes
        # Takes server and sizes; the clients whose state it is.  Not measured.
        self.prepare = prepare or (lambda server, sizes: [])


def subscribe_patterns(server, sizes):
    """The subscriber reads nothing more: no channel matches."""
    client = server.client()
    client.call_encoded(encode("PSUBSCRIBE", *(b"*a*a*a*a*a%d" % i for i in range(sizes.patterns))),
                        b"".join(encode_confirmation(b"psubscribe", b"*a*a*a*a*a%d" % i, i + 1)
                                 for i in range(sizes.patterns)))
    return [client]


def encode_confirmation(kind, name, count):
    return b"*3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:%d\r\n" % (len(kind), kind, len(name), name, count)


def channel_name(number):
    return b"channel:%06d" % number


def read_exactly(client, count):
    """Discards that many bytes."""
    while count:
        data = client.input.read(min(count, 1 << 20))
        if not data:
            raise Failure("a server closed the connection")
        count -= len(data)


def read_one(client, _):
    """A reply of one line."""
    client.read_reply()


def subscribe(sizes):
    return encode("SUBSCRIBE", *map(channel_name, range(sizes.channels)))


def read_confirmations(client, sizes):
    one = len(encode_confirmation(b"subscribe", channel_name(0), 0)) - 1
    digits = sum(len(str(number)) for number in range(1, sizes.channels + 1))
    read_exactly(client, one * sizes.channels + digits)


def read_line(client, kind):
    line = client.input.readline()
    if line[:1] != kind or not line.endswith(b"\r\n"):
        raise Failure("a server replied %r where %r was due" % (line[:100], kind))
    return int(line[1:])


def read_keys(client, _):
    """An array of keys, all of one length; quicker than one by one."""
    read_exactly(client, read_line(client, b"*") * (KEY_BYTES + len(b"$16\r\n\r\n")))


def subscribe_channels(server, sizes):
    client = server.client()
    client.socket.sendall(subscribe(sizes))
    read_confirmations(client, sizes)
    return [client]


def read_channels(client, _):
    read_exactly(client, read_line(client, b"*") * (len(channel_name(0)) + len(b"$14\r\n\r\n")))


def read_values(client, _):
    read_exactly(client, read_line(client, b"*") * (load.VALUE_BYTES + len(b"$100\r\n\r\n")))


SCAN = (b"COUNT", 10 ** 9)


def read_scan(client, sizes):
    """To the end of the walk, however many parts the server makes of it."""
    while True:
        read_line(client, b"*")
        read_line(client, b"$")
        cursor = int(client.input.readline())
        read_keys(client, sizes)
        if cursor == 0:
            return
        client.socket.sendall(encode("SCAN", cursor, *SCAN))


def mset(sizes):
    value = b"v" * load.VALUE_BYTES
    pairs = [word for name in sizes.key_names(max(1, sizes.keys // 2)) for word in (name, value)]
    return encode("MSET", *pairs)


# In this order: DEL and MSET change the keys.
HEAVY = {
    "publish": Heavy(lambda s: encode("PUBLISH", b"a" * s.channel_bytes, "x"), read_one,
                     subscribe_patterns),
    "watch": Heavy(lambda s: encode("WATCH", *s.key_names()), read_one),
    "subscribe": Heavy(subscribe, read_confirmations),
    "channels": Heavy(lambda s: encode("PUBSUB", "CHANNELS"), read_channels, subscribe_channels),
    "scan": Heavy(lambda s: encode("SCAN", 0, *SCAN), read_scan),
    "keys": Heavy(lambda s: encode("KEYS", "*"), read_keys),
    "mget": Heavy(lambda s: encode("MGET", *s.key_names()), read_values),
    "del": Heavy(lambda s: encode("DEL", *s.key_names()), read_one),
    "mset": Heavy(mset, read_one),
    "flushall": Heavy(lambda s: encode("FLUSHALL"), read_one),
}
# The end of these connections is measured, too: they leave much to do.
CLOSES = ("watch", "subscribe")


def stalls(run):
    sizes = Sizes(run.most_keys)
    requests = {name: heavy.request(sizes) for name, heavy in HEAVY.items()}
    server = load.start_filled(run.fleet, "anystore", sizes.keys)
    with Prober(server) as prober:
        for number in range(min(3, run.rounds)):
            quiet(run, number, prober)
            for name in HEAVY:
                one(run, number, prober, server, name, requests[name], sizes)
            load.fill(server, sizes.keys)
    run.fleet.stop_all()


def quiet(run, number, prober):
    """The machine alone delays a GET, too."""
    prober.end_interval()
    time.sleep(run.seconds)
    record(run, number, "quiet", prober)


def one(run, number, prober, server, name, request, sizes):
    others = HEAVY[name].prepare(server, sizes)
    client = server.client()
    prober.end_interval()
    started = time.monotonic()
    client.socket.sendall(request)
    HEAVY[name].read(client, sizes)
    took = time.monotonic() - started
    time.sleep(SETTLE)
    record(run, number, name, prober)
    run.record("stalls/" + name, "anystore", number, "took_us", took * 1e6, "us")
    client.close()
    if name in CLOSES:
        time.sleep(5 * SETTLE)
        record(run, number, name + "-close", prober)
    for other in others:
        other.close()
    if others:
        time.sleep(5 * SETTLE)


def record(run, number, name, prober):
    times = prober.end_interval()
    for metric, value in (("longest_us", max(times)),
                          ("p99_us", percentile_over_time(times, 0.99))):
        run.record("stalls/" + name, "anystore", number, metric, value * 1e6, "us")
