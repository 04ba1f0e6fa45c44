# SPDX-License-Identifier: MIT
"""Work on running servers beyond one redis-benchmark.  The measure() of each gives a round's
figures."""

import select
import time

import load
from figures import median
from servers import Failure, encode

PATIENCE = 60  # seconds; a safety net: no reply and no message takes that long


def cpu_seconds(servers):
    return sum(server.cpu_seconds() for server in servers)


class ReadsBesideWrites:
    """GETs while a second redis-benchmark writes.  Processor time is left out: reads and writes
    share it, and their mix differs from run to run."""

    def __init__(self, programs, server, reads, writes, seconds):
        self.programs = programs
        self.server = server
        self.writes = writes
        self.load = load.Load(programs, server, reads, seconds)

    def measure(self):
        with self.server.client() as client, \
                load.Background(self.programs, self.server, self.writes) as background:
            load.wait_busy(client)
            figures = self.load.measure()
            background.check()
        del figures["cpu_us"]
        return figures


class CatchUp:
    """A key is changed through one server and at once read through another one of the same file."""

    def __init__(self, first, second, keys, changes):
        self.first = first
        self.second = second
        self.keys = keys
        self.changes = changes
        self.done = 0

    def measure(self):
        changed, unchanged = [], []
        with self.first.client() as writer, self.second.client() as reader:
            before, cpu = self.bytes_read(reader), cpu_seconds((self.first, self.second))
            for _ in range(self.changes):
                self.done += 1  # so that no key gets the value that it has
                value = b"%099d" % self.done
                name = load.key_name(self.done * 7919 % self.keys)
                writer.call_encoded(encode("SET", name, value), b"+OK\r\n")
                changed.append(time_get(reader, name, value))
                unchanged.append(time_get(reader, name, value))
            cpu = cpu_seconds((self.first, self.second)) - cpu
            read = self.bytes_read(reader) - before
        return {"read_bytes": read / self.changes, "p50_us": median(changed) * 1e6,
                "unchanged_p50_us": median(unchanged) * 1e6, "cpu_us": cpu * 1e6 / self.changes}

    @staticmethod
    def bytes_read(client):
        return int(client.info("anystore")["catch_up_bytes"])


def time_get(client, name, value):
    request, reply = encode("GET", name), b"$%d\r\n%s\r\n" % (len(value), value)
    started = time.perf_counter()
    client.call_encoded(request, reply)
    return time.perf_counter() - started


class SharedWrites:
    """Writes by several servers of one file, each with a redis-benchmark of its own."""

    def __init__(self, programs, servers, spec, seconds):
        self.programs = programs
        self.servers = servers
        self.spec = spec
        self.seconds = seconds

    def measure(self):
        users = [server.client() for server in self.servers]
        loads = [load.Background(self.programs, server, self.spec) for server in self.servers]
        try:
            for user in users:
                load.wait_busy(user)
            before, started = [load.commands_done(user) for user in users], time.monotonic()
            cpu = cpu_seconds(self.servers)
            time.sleep(self.seconds)
            cpu = cpu_seconds(self.servers) - cpu
            after, ended = [load.commands_done(user) for user in users], time.monotonic()
            for each in loads:
                each.check()
        finally:
            for each in loads:
                each.__exit__()
            for user in users:
                user.close()
        done = [last - first for first, last in zip(before, after)]
        return {"rps": sum(done) / (ended - started), "cpu_us": cpu * 1e6 / sum(done),
                "smallest_share_percent": 100 * min(done) / sum(done)}


# ---- Requests with known replies ----------------------------------------------------------------


class Exchange:
    """Sends the same requests again and again, and checks every byte of the replies.  The next are
    sent before the replies to the last are read, so that a server always has work.

    sends, receives: [(client, bytes)], few enough for the buffers of the sockets.  requests: their
    number in one time.  close() closes the clients.
    """

    def __init__(self, servers, sends, receives, requests):
        self.servers = servers
        self.sends = sends
        self.receives = receives
        self.requests = requests
        for client, _ in sends + receives:
            client.socket.settimeout(PATIENCE)

    def send(self):
        for client, data in self.sends:
            client.socket.sendall(data)

    def receive(self):
        for client, data in self.receives:
            if client.input.read(len(data)) != data:
                raise Failure("a server sent another reply or message than expected")

    def run(self, times):
        self.send()
        for _ in range(times - 1):
            self.send()
            self.receive()
        self.receive()

    def calibrate(self, seconds):
        """Finds out how many times take that long; warms up, too."""
        times = 4
        while True:
            started = time.monotonic()
            self.run(times)
            took = time.monotonic() - started
            if took >= seconds / 5:
                return max(2, int(times * seconds / took))
            times *= 4

    def measure(self, times):
        cpu, started = cpu_seconds(self.servers), time.monotonic()
        self.run(times)
        took, cpu = time.monotonic() - started, cpu_seconds(self.servers) - cpu
        requests = times * self.requests
        return {"rps": requests / took, "cpu_us": cpu * 1e6 / requests}

    def close(self):
        for client in {client for client, _ in self.sends + self.receives}:
            client.close()


def transactions(server, clients=20, pipeline=8):
    """MULTI, SET, GET and EXEC, as one request of each client."""
    value = b"v" * load.VALUE_BYTES
    sends, receives = [], []
    for i in range(clients):
        name = load.key_name(i)
        request = (encode("MULTI") + encode("SET", name, value) + encode("GET", name) +
                   encode("EXEC"))
        reply = (b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$%d\r\n%s\r\n" % (len(value), value))
        client = server.client()
        sends.append((client, request * pipeline))
        receives.append((client, reply * pipeline))
    return Exchange([server], sends, receives, clients * pipeline)


CHANNEL = "news"


def publishing(publisher, server, subscribers=10, pipeline=50):
    """PUBLISH at one server to subscribers at a server, the same one or another of its file."""
    listeners = [server.client() for _ in range(subscribers)]
    for client in listeners:
        client.call("SUBSCRIBE", CHANNEL)
    sender = publisher.client()
    wait_delivered(sender, listeners)
    payload = b"v" * load.VALUE_BYTES
    receivers = sender.call("PUBLISH", CHANNEL, payload)
    message = encode("message", CHANNEL, payload)
    for client in listeners:
        client.input.read(len(message))
    receives = [(sender, b":%d\r\n" % receivers * pipeline)]
    receives += [(client, message * pipeline) for client in listeners]
    return Exchange([publisher] if publisher is server else [publisher, server],
                    [(sender, encode("PUBLISH", CHANNEL, payload) * pipeline)], receives, pipeline)


def wait_delivered(sender, listeners):
    """Waits until messages arrive: another server learns of subscribers with a delay."""
    until = time.monotonic() + PATIENCE
    while True:
        sender.call("PUBLISH", CHANNEL, "first")
        if select.select([listeners[0].socket], [], [], 0.02)[0]:
            break
        if time.monotonic() > until:
            raise Failure("no message arrived")
    sender.call("PUBLISH", CHANNEL, "last")
    for client in listeners:
        client.socket.settimeout(PATIENCE)
        while client.read_reply()[2] != b"last":
            pass
