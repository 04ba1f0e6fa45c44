# SPDX-License-Identifier: MIT
"""Server processes, ours and Redis's: starting, asking, looking at in /proc, ending."""

import os
import shutil
import signal
import socket
import subprocess
import time

START_SECONDS = 300  # a safety net; a start is polled
STOP_SECONDS = 60

# What each variant is started with, beside port and directory.
ANYSTORE = {
    "anystore": [],
    "anystore-nosync": ["--fsync", "no"],
    "anystore-memory": ["--persistence", "no"],
}
NO_SNAPSHOTS = ["--save", ""]
REDIS = {
    "redis": NO_SNAPSHOTS + ["--appendonly", "no"],
    "redis-always": NO_SNAPSHOTS + ["--appendonly", "yes", "--appendfsync", "always"],
    "redis-everysec": NO_SNAPSHOTS + ["--appendonly", "yes", "--appendfsync", "everysec"],
    # For starts: a snapshot; a log of all commands, as it was written.
    "redis-rdb": NO_SNAPSHOTS + ["--appendonly", "no"],
    "redis-aof": NO_SNAPSHOTS + ["--appendonly", "yes", "--appendfsync", "everysec",
                                 "--auto-aof-rewrite-percentage", "0"],
}


class Failure(Exception):
    """Something that a person must be told in one line."""


class ReplyError(Exception):
    """An error that a server replied."""


# ---- A client -----------------------------------------------------------------------------------


def encode(*args):
    """A command in the protocol's form."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Client:
    """One connection; what is needed of RESP2 and no more."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.input.close()
        self.socket.close()

    def read_reply(self):
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise Failure("a server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.input.read(size + 2)[:-2]
        if kind == b"*":
            return [self.read_reply() for _ in range(int(rest))]
        raise Failure("a server replied what is no RESP2: %r" % line)

    def call(self, *args):
        self.socket.sendall(encode(*args))
        return self.read_reply()

    def call_encoded(self, request, reply):
        """A command that was encoded before, and the only reply that it may get: the quick way."""
        self.socket.sendall(request)
        answer = self.input.read(len(reply))
        if answer != reply:
            raise Failure("a server replied %r where %r was due" % (answer, reply))

    def info(self, *sections):
        """INFO's fields as text."""
        fields = {}
        for line in self.call("info", *sections).decode().splitlines():
            if ":" in line:
                name, value = line.split(":", 1)
                fields[name] = value
        return fields


# ---- A process ----------------------------------------------------------------------------------

STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def set_signals(blocked):
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server.  `directory` holds its data and log and may have held data before; `signals` is
    the mask that it starts with."""

    def __init__(self, programs, variant, directory, signals):
        self.variant = variant
        self.is_ours = variant in ANYSTORE
        self.directory = directory
        self.port = free_port()
        os.makedirs(directory, exist_ok=True)
        self.log = os.path.join(directory, "log-%d" % self.port)
        if self.is_ours:
            command = [programs.anystore_server] + ANYSTORE[variant]
            if variant != "anystore-memory":
                command += ["--encryption-key-file", os.path.join(directory, "key")]
        else:
            command = [programs.redis_server] + REDIS[variant]
        command += ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", directory,
                    "--loglevel", "warning"]
        with open(self.log, "wb") as log:
            # A session of its own: Ctrl-C comes to us alone, and we end the servers.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True,
                                            preexec_fn=lambda: set_signals(signals))
        self.pid = self.process.pid

    def log_end(self):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-5:]).strip()

    def wait_ready(self, keys=0):
        """Waits until it serves, with that many keys."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Failure("%s did not start: %s" % (self.variant, self.log_end()))
            try:
                with Client(self.port) as client:
                    while client.call("dbsize") < keys:
                        time.sleep(0.001)
                    return
            except (OSError, ReplyError):  # not listening yet; loading
                time.sleep(0.001)
        raise Failure("%s did not get ready: %s" % (self.variant, self.log_end()))

    def client(self):
        return Client(self.port)

    def stop(self):
        """Ends it in order, so that its data are complete on disk.  Does nothing the second time."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # Looking at it from outside, the same for all.

    def cpu_seconds(self):
        """User and system time of all threads, those that have ended included, in nanoseconds: the
        clock that clock_getcpuclockid() names."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def written_bytes(self):
        """What it has caused to be written to disk, in pages; -1 where that is not told."""
        try:
            with open("/proc/%d/io" % self.pid) as file:
                for line in file:
                    if line.startswith("write_bytes:"):
                        return int(line.split()[1])
        except OSError:
            pass
        return -1

    def resident_bytes(self):
        with open("/proc/%d/status" % self.pid) as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise Failure("no VmRSS of process %d" % self.pid)


class Programs:
    """The binaries; redis_server is None where there is none."""

    def __init__(self, anystore_server, anystore_bench, redis_server, redis_benchmark):
        self.anystore_server = anystore_server
        self.anystore_bench = anystore_bench
        self.redis_server = redis_server
        self.redis_benchmark = redis_benchmark

    def can_run(self, variant):
        return variant in ANYSTORE or self.redis_server is not None

    def redis_version(self):
        if not self.redis_server:
            return None
        text = subprocess.run([self.redis_server, "--version"], capture_output=True, text=True,
                              check=True).stdout
        return next((word[2:] for word in text.split() if word.startswith("v=")), "unknown")


class Fleet:
    """All servers of a run, so that none outlives it."""

    def __init__(self, programs, directory):
        self.programs = programs
        self.directory = directory
        self.servers = []
        self.count = 0

    def new_directory(self):
        self.count += 1
        return os.path.join(self.directory, str(self.count))

    def launch(self, variant, directory=None):
        """Starts a server without waiting for it."""
        # Ctrl-C waits until the server is among those that are ended then.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            server = Server(self.programs, variant, directory or self.new_directory(), before)
            self.servers.append(server)
        finally:
            set_signals(before)
        return server

    def start(self, variant, directory=None):
        server = self.launch(variant, directory)
        server.wait_ready()
        return server

    def stop_all(self):
        """Ends the servers and removes their data."""
        for server in self.servers:
            server.stop()
        for server in self.servers:
            shutil.rmtree(server.directory, ignore_errors=True)
        self.servers = []
