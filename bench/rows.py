# SPDX-License-Identifier: MIT
"""The rows beside Redis: each is a function that records figures.

A figure has a row, a variant (the server that was measured), a round, a metric, a value and a
unit.  A row with several points has the point behind a slash: "set-durable/1k".  Within a round the
variants take turns, in opposite order in every second round: a machine whose speed drifts does so
for all.
"""

import csv
import os
import subprocess
import threading
import time

import load
import works
from figures import median
from servers import encode
from stalls import stalls

SIZES = {"1k": 1000, "10k": 10000, "100k": 100000, "1m": 1000000}
UNITS = {"rps": "1/s", "p50_us": "us", "p99_us": "us", "cpu_us": "us", "written_bytes": "bytes",
         "requests_per_commit": "requests", "read_bytes": "bytes", "unchanged_p50_us": "us",
         "smallest_share_percent": "%"}
CLIENT_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200)
PROCESSES = 4


class Run:
    """The surroundings of a row: programs, servers, number and length of rounds, a place for
    figures."""

    def __init__(self, programs, fleet, rounds, seconds, most_keys, on_figure):
        self.programs = programs
        self.fleet = fleet
        self.rounds = rounds
        self.seconds = seconds
        self.most_keys = most_keys  # a limit for all sizes of data
        self.on_figure = on_figure

    def record(self, row, variant, number, metric, value, unit):
        self.on_figure((row, variant, number, metric, value, unit))

    def record_all(self, row, variant, number, figures):
        for metric, value in figures.items():
            self.record(row, variant, number, metric, value, UNITS[metric])

    def keys(self, size):
        return min(SIZES[size], self.most_keys)

    def possible(self, variants):
        return [variant for variant in variants if self.programs.can_run(variant)]

    def start_filled(self, variant, keys):
        return load.start_filled(self.fleet, variant, keys)


def in_turn(items, number):
    return items if number % 2 == 0 else list(reversed(items))


# ---- redis-benchmark on servers, side by side ---------------------------------------------------


def compare_loads(run, row, variants, spec, seconds=None, rounds=None, servers=None):
    """The same load on a server of each variant, in alternating rounds."""
    own = servers is None
    if own:
        servers = {v: run.start_filled(v, spec.keys) for v in run.possible(variants)}
    loads = [load.Load(run.programs, servers[v], spec, seconds or run.seconds) for v in servers]
    for each in loads:
        each.calibrate()
    for number in range(rounds or run.rounds):
        for each in in_turn(loads, number):
            run.record_all(row, each.server.variant, number, each.measure())
    if own:
        run.fleet.stop_all()


def get(run):
    compare_loads(run, "get", ("anystore", "redis"), load.Spec("get", run.keys("100k")))


def get_pipeline(run):
    compare_loads(run, "get-pipeline", ("anystore", "redis"),
                  load.Spec("get", run.keys("100k"), pipeline=16))


def set_memory(run):
    compare_loads(run, "set-memory", ("anystore-memory", "redis"),
                  load.Spec("set", run.keys("100k"), pipeline=16))


DURABLE = ("anystore", "redis-always")


def set_durable(run):
    for size in ("1k", "10k", "1m"):
        compare_loads(run, "set-durable/" + size, DURABLE, load.Spec("set", run.keys(size)))


def set_durable_pipeline(run):
    compare_loads(run, "set-durable-pipeline", DURABLE,
                  load.Spec("set", run.keys("10k"), pipeline=16))


def set_durable_200(run):
    compare_loads(run, "set-durable-200", DURABLE, load.Spec("set", run.keys("10k"), clients=200))


def set_durable_one(run):
    """Servers of all sizes are ready at once, so that the sizes take turns, too."""
    specs = {size: load.Spec("set", run.keys(size), clients=1) for size in SIZES}
    loads = [(size, load.Load(run.programs, run.start_filled(variant, spec.keys), spec,
                              run.seconds))
             for size, spec in specs.items() for variant in run.possible(DURABLE)]
    for _, each in loads:
        each.calibrate()
    for number in range(run.rounds):
        for size, each in in_turn(loads, number):
            run.record_all("set-durable-one/" + size, each.server.variant, number, each.measure())
    run.fleet.stop_all()


def set_everysec(run):
    compare_loads(run, "set-everysec", ("anystore", "anystore-nosync", "redis-everysec"),
                  load.Spec("set", run.keys("10k")))


def clients(run):
    """Throughput against the number of clients, for the plot."""
    keys = run.keys("10k")
    for command, variants in (("get", ("anystore", "redis")), ("set", DURABLE)):
        servers = {v: run.start_filled(v, keys) for v in run.possible(variants)}
        for count in CLIENT_COUNTS:
            compare_loads(run, "clients/%s-%d" % (command, count), variants,
                          load.Spec(command, keys, clients=count), seconds=run.seconds / 2,
                          rounds=min(3, run.rounds), servers=servers)
        run.fleet.stop_all()


def get_beside_set(run):
    keys = run.keys("10k")
    reads = load.Spec("get", keys, clients=10)
    writes = load.Spec("set", keys, clients=40)
    servers = {v: run.start_filled(v, keys) for v in run.possible(DURABLE)}
    alone = {v: load.Load(run.programs, servers[v], reads, run.seconds) for v in servers}
    beside = {v: works.ReadsBesideWrites(run.programs, servers[v], reads, writes, run.seconds)
              for v in servers}
    for number in range(run.rounds):
        for variant in in_turn(list(servers), number):
            run.record_all("get-beside-set/alone", variant, number, alone[variant].measure())
            run.record_all("get-beside-set", variant, number, beside[variant].measure())
    run.fleet.stop_all()


# ---- Several of our servers on one file ---------------------------------------------------------


def processes(run):
    """Writes by one process, and by four on one file, in the same time."""
    keys = run.keys("10k")
    spec = load.Spec("set", keys)
    servers = [run.start_filled("anystore", keys)]
    for _ in range(PROCESSES - 1):
        servers.append(run.fleet.start("anystore", servers[0].directory))
    shared = {count: works.SharedWrites(run.programs, servers[:count], spec, run.seconds)
              for count in (1, PROCESSES)}
    for number in range(run.rounds):
        for count in in_turn(list(shared), number):
            run.record_all("processes", "%d-processes" % count, number, shared[count].measure())
    run.fleet.stop_all()


def catch_up(run):
    """A key is changed through one server and then read through another, at once."""
    keys = run.keys("1m")
    first = run.start_filled("anystore", keys)
    second = run.fleet.start("anystore", first.directory)
    work = works.CatchUp(first, second, keys, max(20, int(300 * run.seconds)))
    for number in range(run.rounds):
        run.record_all("catch-up", "anystore", number, work.measure())
    run.fleet.stop_all()


# ---- A million keys: bytes, start, memory, a new base -------------------------------------------


def time_sets(client, keys, count, go_on=lambda: False):
    """One SET after the other: at least `count`, and more while go_on().  Returns the seconds of
    each."""
    times, i = [], 0
    while i < count or go_on():
        request = encode("SET", load.key_name(i * 7919 % keys), b"%099d" % i)
        started = time.perf_counter()
        client.call_encoded(request, b"+OK\r\n")
        times.append(time.perf_counter() - started)
        i += 1
    return times


def grow_to_base(client, keys):
    """Changes keys until the server writes a new base.  Returns the size of the file just
    before."""
    bases, largest = int(client.info("anystore")["bases_written"]), 0
    count = min(keys, load.FILL_BATCH)
    batch = load.set_batch(0, count)
    while True:
        info = client.info("anystore")
        if int(info["bases_written"]) > bases:
            return largest
        largest = max(largest, int(info["file_size"]))
        load.send_batch(client, batch, count)


def write_bytes_cost(run):
    """Bytes written per commit.  A new base comes after some hundred thousand commits.  Its share
    is computed from its cost and from the growth of the file between two of them."""
    keys = run.keys("1m")
    row = "bytes"
    commits = max(20, int(1000 * run.seconds))
    servers = [run.start_filled(v, keys) for v in run.possible(DURABLE)]
    for server in servers:
        with server.client() as client:
            if server.is_ours:
                cycle = grow_to_base(client, keys) - int(client.info("anystore")["base_size"])
                client.call("save")  # waits for a base and its second copy that are being written
            for number in range(run.rounds):
                time_sets(client, keys, 10)  # make the second copy again
                commit, growth, counted = cost_of_commits(server, client, keys, commits)
                if commit < 0:
                    continue  # this system does not count them
                run.record(row, server.variant, number, "commit_bytes", commit, "bytes")
                if not server.is_ours:
                    continue
                base = cost_of_base(server, client, keys, commit)
                per_base = cycle / growth
                run.record(row, server.variant, number, "counted_bytes", counted, "bytes")
                run.record(row, server.variant, number, "base_bytes", base, "bytes")
                run.record(row, server.variant, number, "commits_per_base", per_base, "commits")
                run.record(row, server.variant, number, "all_bytes", commit + base / per_base,
                           "bytes")
    run.fleet.stop_all()


def cost_of_commits(server, client, keys, commits):
    """Per commit of one SET: bytes to disk, growth of the file, and the bytes that the server
    counts."""
    before = client.info("anystore") if server.is_ours else {}
    written = server.written_bytes()
    time_sets(client, keys, commits)
    written = (server.written_bytes() - written) / commits if written >= 0 else -1
    if not server.is_ours:
        return written, 0, 0
    after = client.info("anystore")

    def per_commit(*names):
        return sum(int(after[name]) - int(before[name]) for name in names) / commits

    return written, per_commit("file_size"), per_commit("bytes_written", "bytes_copied")


def cost_of_base(server, client, keys, commit):
    """Bytes to disk for a new base and for its second copy, which the next commits make."""
    settle, written = 50, server.written_bytes()
    client.call("bgrewriteaof")
    time_sets(client, keys, settle)
    return server.written_bytes() - written - settle * commit


def start(run):
    """The time from starting a process until it answers with all keys."""
    keys = run.keys("1m")
    directories = {}
    for variant in run.possible(("anystore", "redis-aof", "redis-rdb")):
        server = run.start_filled(variant, keys)
        if variant == "redis-rdb":
            with server.client() as client:
                client.call("save")
        server.stop()
        directories[variant] = server.directory
    for number in range(run.rounds):
        for variant in in_turn(list(directories), number):
            started = time.monotonic()
            server = run.fleet.launch(variant, directories[variant])
            server.wait_ready(keys)
            seconds = time.monotonic() - started
            run.record("start", variant, number, "seconds", seconds, "s")
            run.record("start", variant, number, "cpu_seconds", server.cpu_seconds(), "s")
            server.stop()
    run.fleet.stop_all()


def memory(run):
    keys = run.keys("1m")
    for number in range(min(3, run.rounds)):
        for variant in in_turn(run.possible(("anystore", "anystore-memory", "redis")), number):
            server = run.fleet.start(variant)
            empty = server.resident_bytes()
            load.fill(server, keys)
            full = server.resident_bytes()
            run.record("memory", variant, number, "resident_bytes", full, "bytes")
            run.record("memory", variant, number, "bytes_per_key", (full - empty) / keys, "bytes")
            run.fleet.stop_all()


def compaction(run):
    """One client's commits while a new base is written; Redis rewrites its log."""
    keys = run.keys("1m")
    servers = [run.start_filled(v, keys) for v in run.possible(DURABLE)]
    for number in range(run.rounds):
        for server in in_turn(servers, number):
            with server.client() as writer, server.client() as other:
                quiet = time_sets(writer, keys, max(20, int(500 * run.seconds)))
                busy = time_sets_during_rewrite(writer, other, server, keys)
            variant = server.variant
            for metric, value in (("quiet_p50_us", median(quiet)), ("quiet_longest_us", max(quiet)),
                                  ("p50_us", median(busy)), ("longest_us", max(busy))):
                run.record("compaction", variant, number, metric, value * 1e6, "us")
            run.record("compaction", variant, number, "commits", len(busy), "commits")
    run.fleet.stop_all()


def time_sets_during_rewrite(writer, other, server, keys):
    """The seconds of each, those right after the rewrite included: they make the second copy."""
    rewriting = threading.Thread(target=other.call, args=("bgrewriteaof",))
    rewriting.start()

    def go_on():
        return rewriting.is_alive()

    times = time_sets(writer, keys, 20, go_on)
    rewriting.join()
    if not server.is_ours:  # it replies at once, and a child process rewrites
        while other.info("persistence")["aof_rewrite_in_progress"] == "1":
            times += time_sets(writer, keys, 20)
    return times + time_sets(writer, keys, 50)


# ---- In process ---------------------------------------------------------------------------------

IN_PROCESS = {"StoreAndLoad": "memory", "StoreAndLoadPersistence": "swap",
              "StoreAndLoadFreshCopy": "fresh-copy"}


def in_process(run):
    figures = os.path.join(run.fleet.directory, "in-process.csv")
    sizes = {"10": 10, "100": 100, **{name: run.keys(name) for name in SIZES}}
    for number in range(min(3, run.rounds)):
        for benchmark in in_turn(list(IN_PROCESS), number):
            subprocess.run([run.programs.anystore_bench, "--directory", run.fleet.directory,
                            "--seconds", str(run.seconds / 2), "--csv", figures, "--keys",
                            ",".join(str(keys) for keys in sorted(set(sizes.values()))), benchmark],
                           stdout=subprocess.DEVNULL, check=True)
            with open(figures, newline="") as file:
                lines = list(csv.DictReader(file))
            for name, keys in sizes.items():
                for line in lines:
                    if int(line["keys"]) == keys:
                        record_in_process(run, "in-process/" + name, IN_PROCESS[benchmark], number,
                                          line)
    os.unlink(figures)


def record_in_process(run, row, variant, number, line):
    for metric in ("mean_ns", "median_ns", "p99_ns", "longest_ns"):
        run.record(row, variant, number, line["part"] + "_" + metric, int(line[metric]), "ns")


# In the order in which they run; names for the command line.
ROWS = {
    "get": (get, "GET, 50 clients, one at a time"),
    "get-pipeline": (get_pipeline, "GET, 50 clients, pipelines of 16"),
    "set-memory": (set_memory, "SET without persistence, 50 clients, pipelines of 16"),
    "set-durable": (set_durable, "durable SET, 50 clients, at 1k, 10k and 1M keys"),
    "set-durable-pipeline": (set_durable_pipeline, "durable SET, 50 clients, pipelines of 16"),
    "set-durable-200": (set_durable_200, "durable SET, 200 clients"),
    "set-durable-one": (set_durable_one, "durable SET, one client, at 1k, 10k, 100k and 1M keys"),
    "set-everysec": (set_everysec, "SET against appendfsync everysec, 50 clients"),
    "get-beside-set": (get_beside_set, "GET (10 clients) beside durable SET (40 clients)"),
    "bytes": (write_bytes_cost, "bytes written per commit at 1M keys, new bases included"),
    "catch-up": (catch_up, "a second server sees a change of one key, at 1M keys"),
    "start": (start, "starting with 1M keys"),
    "memory": (memory, "memory at 1M keys"),
    "compaction": (compaction, "commits while a new base is written, at 1M keys"),
    "stalls": (stalls, "GET of a client while another one sends a heavy request, at 1M keys"),
    "processes": (processes, "four processes that write to one file"),
    "in-process": (in_process, "the library in process: StoreAndLoad at 10 to 1M keys"),
    "clients": (clients, "throughput against number of clients, for the plot"),
}
