# SPDX-License-Identifier: MIT
"""Load on a server: filling it, redis-benchmark for a given time, and its cost to the server."""

import csv
import io
import subprocess
import time

from servers import Failure, encode

VALUE_BYTES = 100
FILL_BATCH = 10000


def key_name(number):
    """A name that redis-benchmark makes of key:__rand_int__."""
    return b"key:%012d" % number


def set_batch(first, last):
    """The SETs of keys first..last-1, encoded."""
    one = encode(b"SET", key_name(0), b"v" * VALUE_BYTES)
    before, after = one.split(key_name(0))
    return b"".join([before + key_name(i) + after for i in range(first, last)])


def send_batch(client, batch, count):
    client.call_encoded(batch, b"+OK\r\n" * count)


def fill(server, keys):
    """Gives a server `keys` keys, in pipelines."""
    with server.client() as client:
        for first in range(0, keys, FILL_BATCH):
            last = min(first + FILL_BATCH, keys)
            send_batch(client, set_batch(first, last), last - first)


def start_filled(fleet, variant, keys):
    server = fleet.start(variant)
    fill(server, keys)
    return server


class Spec:
    """The requests that redis-benchmark sends."""

    def __init__(self, command, keys, clients=50, pipeline=1):
        self.command = command  # a test of redis-benchmark by its name, or the words of a command
        self.keys = keys
        self.clients = clients
        self.pipeline = pipeline

    def arguments(self, programs, server, requests):
        return [programs.redis_benchmark, "-h", "127.0.0.1", "-p", str(server.port), "--csv",
                "--precision", "3", "-c", str(self.clients), "-P", str(self.pipeline), "-r",
                str(self.keys), "-d", str(VALUE_BYTES), "-n", str(requests),
                *(["-t", self.command] if isinstance(self.command, str) else self.command)]


def run_requests(programs, server, spec, requests):
    """redis-benchmark's own figures: rps, p50_us and p99_us."""
    done = subprocess.run(spec.arguments(programs, server, requests), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('"')]
    if done.returncode != 0 or len(lines) != 2:
        raise Failure("redis-benchmark failed on %s: %s" %
                      (server.variant, (done.stderr or done.stdout).strip()[-300:]))
    row = next(csv.DictReader(io.StringIO("\n".join(lines))))
    return {"rps": float(row["rps"]),
            "p50_us": float(row["p50_latency_ms"]) * 1000,
            "p99_us": float(row["p99_latency_ms"]) * 1000}


class Load:
    """A spec on a server, repeated for about the same time each round."""

    def __init__(self, programs, server, spec, seconds):
        self.programs = programs
        self.server = server
        self.spec = spec
        self.seconds = seconds
        self.requests = 0

    def calibrate(self):
        """Finds out how many requests take that time; warms up, too."""
        requests = max(200, 4 * self.spec.clients * self.spec.pipeline)
        while True:
            started = time.monotonic()
            figures = run_requests(self.programs, self.server, self.spec, requests)
            if time.monotonic() - started >= self.seconds / 5 or requests > 1e8:
                break
            requests *= 4
        least = 2 * self.spec.clients * self.spec.pipeline
        self.requests = max(least, int(figures["rps"] * self.seconds))

    def warm_up(self):
        """Stands in for calibrate() where the number of requests is known."""
        least = 2 * self.spec.clients * self.spec.pipeline
        run_requests(self.programs, self.server, self.spec, max(least, self.requests // 4))

    def measure(self):
        """A round: the figures, and the CPU and bytes that a request cost the server."""
        if not self.requests:
            self.calibrate()
        server = self.server
        with server.client() as client:
            commits = int(client.info("anystore")["commits"]) if server.is_ours else 0
            cpu, written = server.cpu_seconds(), server.written_bytes()
            figures = run_requests(self.programs, server, self.spec, self.requests)
            cpu = server.cpu_seconds() - cpu
            if server.is_ours:
                commits = int(client.info("anystore")["commits"]) - commits
        figures["cpu_us"] = cpu * 1e6 / self.requests
        if self.spec.command == "set":
            if written >= 0:
                figures["written_bytes"] = (server.written_bytes() - written) / self.requests
            if commits:
                figures["requests_per_commit"] = self.requests / commits
        return figures


class Background:
    """A redis-benchmark that runs until it is stopped."""

    def __init__(self, programs, server, spec):
        command = spec.arguments(programs, server, 10 ** 9)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()

    def check(self):
        if self.process.poll() is not None:
            raise Failure("redis-benchmark ended too early")


def commands_done(client):
    return int(client.info("stats")["total_commands_processed"])


def wait_busy(client, seconds=60):
    """Waits until commands of other clients arrive."""
    first, until = commands_done(client), time.monotonic() + seconds
    while commands_done(client) < first + 50:
        if time.monotonic() > until:
            raise Failure("no load arrived")
        time.sleep(0.005)
