# SPDX-License-Identifier: MIT
"""Server processes, ours and Redis's: their start, their end, a client, their figures in /proc."""

import os
import shutil
import signal
import socket
import subprocess
import time

START_SECONDS = 300  # a safety net: readiness is polled
STOP_SECONDS = 60

# The arguments of each variant, beside port and directory.
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
    """A failure with a message for the user."""


class ReplyError(Exception):
    """An error reply of a server."""


# ---- A client -----------------------------------------------------------------------------------


def encode(*args):
    """A command in the protocol's form."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Client:
    """One connection, with the part of RESP2 that the bench needs."""

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
        """The quick way: sends an encoded command that has only one right reply."""
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
    """A running server.  `directory` is for its data and its log, and may hold data of an earlier
    one.  `signals` is the mask that the process starts with."""

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
            # A session of its own: Ctrl-C reaches only the bench, which ends the servers.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True,
                                            preexec_fn=lambda: set_signals(signals))
        self.pid = self.process.pid

    def log_end(self):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-5:]).strip()

    def wait_ready(self, keys=0):
        """Waits until it serves that many keys."""
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
        """Ends it in order: its data are complete on disk.  Does nothing the second time."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # Figures from outside, the same for all servers.

    def cpu_seconds(self):
        """User and system time of all threads, those that have ended included, in nanoseconds: the
        clock that clock_getcpuclockid() names."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def written_bytes(self):
        """Bytes that it caused to be written to disk, in pages; -1 where the system does not count
        them."""
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
    """The programs; None for one that is missing or not needed."""

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
        # Ctrl-C waits until the server is in the list that stop_all() ends.
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
