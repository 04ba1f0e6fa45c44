# SPDX-License-Identifier: MIT
"""The work in which two builds compete: contests, each with the servers that it needs on a side.

A contest's prepare(side, shared) starts servers of that side's build and warms them up.  The
measure() of its result is one half of a pair.  `shared` is a dictionary that a contest has to
itself, for both sides and for the whole run.  It holds the number of requests, so that all
measurements have the same.
"""

import time

import load
import works

SIZES = {"10k": 10000, "100k": 100000, "1m": 1000000}


class Side:
    """One of the two builds: its programs, its servers in a block, and data that outlive a
    block."""

    def __init__(self, name, programs, fleet, lasting, seconds, most_keys):
        self.name = name  # "before" or "after"
        self.programs = programs
        self.fleet = fleet
        self.lasting = lasting  # a Fleet, too: its servers stop one by one, its data stay
        self.seconds = seconds  # about how long one measurement takes
        self.most_keys = most_keys
        self.directories = {}  # of the lasting data, by number of keys

    def keys(self, size):
        return min(SIZES[size], self.most_keys)

    def filled_directory(self, keys):
        """A directory where this build has left that many keys."""
        if keys not in self.directories:
            server = load.start_filled(self.lasting, "anystore", keys)
            server.stop()
            self.directories[keys] = server.directory
        return self.directories[keys]


class Contest:
    """Work, and the metrics by which the builds are judged in it."""

    def __init__(self, work, prepare, judged=("rps", "cpu_us")):
        self.work = work  # for the table
        self.prepare = prepare
        self.judged = judged


# ---- redis-benchmark ----------------------------------------------------------------------------


def requests_of(command, size, clients=50, pipeline=1, variant="anystore"):
    """A redis-benchmark on one server."""

    def prepare(side, shared):
        spec = load.Spec(command, side.keys(size), clients, pipeline)
        server = load.start_filled(side.fleet, variant, spec.keys)
        work = load.Load(side.programs, server, spec, side.seconds)
        return with_same_requests(work, shared)

    return prepare


def with_same_requests(work, shared):
    """Warms up.  The first server that is prepared sets the number of requests."""
    if "requests" in shared:
        work.requests = shared["requests"]
        work.warm_up()
    else:
        work.calibrate()
        shared["requests"] = work.requests
    return work


def reads_beside_writes(side, shared):
    keys = side.keys("10k")
    server = load.start_filled(side.fleet, "anystore", keys)
    work = works.ReadsBesideWrites(side.programs, server, load.Spec("get", keys, clients=10),
                                   load.Spec("set", keys, clients=40), side.seconds)
    if "requests" in shared:
        work.load.requests = shared["requests"]
        work.load.warm_up()
    else:
        work.measure()  # finds the number out while the writes are there
        shared["requests"] = work.load.requests
    return work


MGET = ["mget"] + ["key:__rand_int__"] * 10

# ---- Bytes that are known beforehand ------------------------------------------------------------


class Repeated:
    """An exchange, repeated for about the seconds of a measurement."""

    def __init__(self, exchange, times):
        self.exchange = exchange
        self.times = times

    def measure(self):
        return self.exchange.measure(self.times)

    def close(self):
        self.exchange.close()


def repeated(exchange, side, shared):
    if "times" in shared:
        exchange.run(max(2, shared["times"] // 4))
    else:
        shared["times"] = exchange.calibrate(side.seconds)
    return Repeated(exchange, shared["times"])


def transactions(side, shared):
    return repeated(works.transactions(side.fleet.start("anystore-memory")), side, shared)


def publish(side, shared):
    server = side.fleet.start("anystore")
    return repeated(works.publishing(server, server), side, shared)


def publish_across(side, shared):
    first = side.fleet.start("anystore")
    second = side.fleet.start("anystore", first.directory)
    return repeated(works.publishing(first, second), side, shared)


# ---- Several servers, starts --------------------------------------------------------------------


def two_on_a_file(side, keys):
    first = load.start_filled(side.fleet, "anystore", keys)
    return first, side.fleet.start("anystore", first.directory)


def writes_of_two(side, _):
    keys = side.keys("10k")
    work = works.SharedWrites(side.programs, two_on_a_file(side, keys), load.Spec("set", keys),
                              side.seconds)
    work.measure()
    return work


def catch_up(side, _):
    keys = side.keys("100k")
    work = works.CatchUp(*two_on_a_file(side, keys), keys, max(20, int(1000 * side.seconds)))
    work.measure()
    return work


class Start:
    """From starting a process until it answers with all keys."""

    def __init__(self, side, keys):
        self.side = side
        self.keys = keys
        self.directory = side.filled_directory(keys)

    def measure(self):
        started = time.monotonic()
        server = self.side.lasting.launch("anystore", self.directory)
        server.wait_ready(self.keys)
        figures = {"seconds": time.monotonic() - started, "cpu_seconds": server.cpu_seconds()}
        server.stop()
        return figures


def start(side, _):
    return Start(side, side.keys("1m"))


# In the order in which they take turns; names for the command line.
CONTESTS = {
    "get": Contest("GET, c=50", requests_of("get", "100k")),
    "get-pipeline": Contest("GET, c=50, P=16", requests_of("get", "100k", pipeline=16)),
    "set-memory": Contest("SET without persistence, c=50",
                          requests_of("set", "10k", variant="anystore-memory")),
    "set-memory-pipeline": Contest(
        "SET without persistence, c=50, P=16",
        requests_of("set", "10k", pipeline=16, variant="anystore-memory")),
    "incr": Contest("INCR without persistence, c=50, P=16",
                    requests_of("incr", "10k", pipeline=16, variant="anystore-memory")),
    "mget": Contest("MGET of 10 keys, c=50", requests_of(MGET, "100k")),
    "transaction": Contest("MULTI, SET, GET, EXEC without persistence, c=20, P=8", transactions),
    "publish": Contest("PUBLISH to 10 subscribers, P=50", publish),
    "publish-across": Contest("PUBLISH to 10 subscribers at a second server, P=50", publish_across),
    "set-durable-one": Contest("durable SET, one client", requests_of("set", "10k", clients=1)),
    "set-durable": Contest("durable SET, c=50", requests_of("set", "10k")),
    "set-durable-200": Contest("durable SET, c=200", requests_of("set", "10k", clients=200)),
    "set-durable-pipeline": Contest("durable SET, c=50, P=16",
                                    requests_of("set", "10k", pipeline=16)),
    "get-beside-set": Contest("GET (c=10) beside durable SET (c=40)", reads_beside_writes, ("rps",)),
    "two-servers": Contest("durable SET at two servers of one file, c=50 each", writes_of_two),
    "catch-up": Contest("second server sees a change, 100k keys", catch_up, ("p50_us", "cpu_us")),
    "start": Contest("start with 1M keys", start, ("seconds", "cpu_seconds")),
}
