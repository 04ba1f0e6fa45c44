# SPDX-License-Identifier: MIT
"""From raw figures to a table: medians, ratios round by round, goals and whether they are
reached."""

import csv

COLUMNS = ("row", "variant", "round", "metric", "value", "unit")


class Figures:
    """All figures of a run, by row, variant and metric; a value for each round."""

    def __init__(self):
        self.values = {}

    def add(self, row, variant, number, metric, value):
        self.values.setdefault((row, variant, metric), {})[int(number)] = float(value)

    @staticmethod
    def read(path):
        figures = Figures()
        with open(path, newline="") as file:
            for line in csv.DictReader(file):
                figures.add(*(line[name] for name in COLUMNS[:5]))
        return figures

    def rounds(self, row, variant, metric):
        return self.values.get((row, variant, metric), {})

    def median(self, row, variant, metric):
        """None if it was not measured."""
        values = self.rounds(row, variant, metric).values()
        return median(values) if values else None

    def ratio(self, first, second):
        """The median of first/second over the rounds that have both.  Each is a key (row, variant,
        metric)."""
        a, b = self.rounds(*first), self.rounds(*second)
        ratios = [a[number] / b[number] for number in a if b.get(number)]
        return median(ratios) if ratios else None


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


# ---- The lines of the table ---------------------------------------------------------------------

AT_LEAST, AT_MOST, BELOW = ">=", "<=", "<"


class Line:
    """A line of the table: a figure of ours, a figure to compare it with, and the goal for their
    ratio.  Without the second one the goal is for the figure itself."""

    def __init__(self, work, figure, ours, theirs=None, goal=None, constant=None):
        self.work = work
        self.figure = figure
        self.ours = ours  # (row, variant, metric)
        self.theirs = theirs  # the same; None: nothing
        self.goal = goal  # (AT_LEAST, 1.0); None: for information
        self.constant = constant  # (value in the unit of ours, text): compared with this

    def key(self):
        return self.ours[0].split("/")[0]


METRICS = {"rps": "throughput", "cpu_us": "CPU per request", "p50_us": "p50", "p99_us": "p99"}


def against(work, row, ours, theirs, goals):
    """A line for each metric that is named: goals[metric], which may be None."""
    return [Line(work, METRICS[metric], (row, ours, metric), (row, theirs, metric), goal)
            for metric, goal in goals.items()]


def all_lines():
    lines = []
    quiet = {"p50_us": None, "p99_us": None}
    lines += against("GET, c=50", "get", "anystore", "redis",
                     {"rps": (AT_LEAST, 1.0), "cpu_us": (AT_MOST, 0.9), **quiet})
    lines += against("GET, c=50, P=16", "get-pipeline", "anystore", "redis",
                     {"rps": (AT_LEAST, 1.1), "cpu_us": (AT_MOST, 0.85), **quiet})
    lines += against("SET without persistence, c=50, P=16", "set-memory", "anystore-memory", "redis",
                     {"rps": (AT_LEAST, 1.0), "cpu_us": (AT_MOST, 1.0), **quiet})
    durable = {"rps": (AT_LEAST, 1.0), "cpu_us": None, **quiet}
    for size, text in (("1k", "1k"), ("10k", "10k"), ("1m", "1M")):
        lines += against("durable SET, c=50, %s keys" % text, "set-durable/" + size, "anystore",
                         "redis-always", durable)
    lines += against("durable SET, c=50, P=16", "set-durable-pipeline", "anystore", "redis-always",
                     durable)
    lines += against("durable SET, c=200", "set-durable-200", "anystore", "redis-always", durable)
    lines += one_client_lines()
    lines += against("GET (c=10) beside durable SET (c=40)", "get-beside-set", "anystore",
                     "redis-always",
                     {"rps": (AT_LEAST, 2.0), "p50_us": None, "p99_us": (AT_MOST, 0.5)})
    lines += other_lines()
    everysec = {"rps": None, "p50_us": None, "p99_us": None}
    lines += stall_lines()
    lines += against("durable SET, c=50, vs appendfsync everysec", "set-everysec", "anystore",
                     "redis-everysec", everysec)
    lines += against("SET with fsync no, c=50, vs everysec", "set-everysec", "anystore-nosync",
                     "redis-everysec", everysec)
    return lines


def one_client_lines():
    row, ours = "set-durable-one/", "anystore"
    lines = against("durable SET, one client, 1k keys", row + "1k", ours, "redis-always",
                    {"rps": (AT_LEAST, 0.45), "p50_us": None, "p99_us": None})
    lines += against("durable SET, one client, 1M keys", row + "1m", ours, "redis-always",
                     {"rps": (AT_LEAST, 0.45)})
    lines.append(Line("durable SET, one client, 1M vs 1k keys", "p50", (row + "1m", ours, "p50_us"),
                      (row + "1k", ours, "p50_us"), (AT_MOST, 1.3)))
    return lines


def other_lines():
    ours = "anystore"
    return [
        Line("one 100-byte SET at 1M keys, new bases included", "bytes written per commit",
             ("bytes", ours, "all_bytes"), None, (BELOW, 64 * 1024)),
        Line("the same without new bases, vs Redis's log", "bytes written per commit",
             ("bytes", ours, "commit_bytes"), ("bytes", "redis-always", "commit_bytes")),
        Line("second server sees a change, 1M keys", "bytes read", ("catch-up", ours, "read_bytes"),
             None, (BELOW, 4096)),
        Line("second server sees a change, 1M keys", "latency p50", ("catch-up", ours, "p50_us"),
             None, (BELOW, 1000)),
        Line("start with 1M keys, vs Redis's AOF", "time", ("start", ours, "seconds"),
             ("start", "redis-aof", "seconds"), (AT_MOST, 1.0)),
        Line("start with 1M keys, vs Redis's RDB", "time", ("start", ours, "seconds"),
             ("start", "redis-rdb", "seconds"), (AT_MOST, 1.0)),
        Line("memory at 1M keys", "resident", ("memory", ours, "resident_bytes"),
             ("memory", "redis", "resident_bytes"), (AT_MOST, 1.0)),
        Line("longest commit while a new base is written, 1M keys", "longest, vs median",
             ("compaction", ours, "longest_us"), ("compaction", ours, "quiet_p50_us"), (BELOW, 10)),
        Line("longest commit without, 1M keys", "longest, vs median",
             ("compaction", ours, "quiet_longest_us"), ("compaction", ours, "quiet_p50_us")),
        Line("Redis: longest SET while the log is rewritten", "longest, vs median",
             ("compaction", "redis-always", "longest_us"),
             ("compaction", "redis-always", "quiet_p50_us")),
        Line("4 processes on one file, vs one process", "throughput, sum",
             ("processes", "4-processes", "rps"), ("processes", "1-processes", "rps"),
             (AT_LEAST, 0.7)),
        Line("4 processes on one file", "smallest share",
             ("processes", "4-processes", "smallest_share_percent"), None, (AT_LEAST, 15)),
        Line("in process, store and load, 10k keys, vs the Go library", "mean",
             ("in-process/10k", "swap", "both_mean_ns"), None, (AT_MOST, 0.01),
             (71e6, "49 + 22 ms")),
    ]


# The row's point, the words for it, and whether it has a goal.
STALLS = (("quiet", "while nothing else happens", False),
          ("publish", "during PUBLISH to a 1 MB channel, 1,000 patterns", True),
          ("watch", "during WATCH of 1M keys", True),
          ("watch-close", "while the connection that watches ends", True),
          ("subscribe", "during SUBSCRIBE of 500k channels", True),
          ("subscribe-close", "while the connection that subscribes ends", True),
          ("channels", "during PUBSUB CHANNELS of 500k", True),
          ("scan", "during SCAN COUNT 1e9 of 1M keys", True),
          ("keys", "during KEYS of 1M keys", True),
          ("mget", "during MGET of 1M keys", True),
          ("del", "during DEL of 1M keys", True),
          ("mset", "during MSET of 500k keys", False),
          ("flushall", "during FLUSHALL of 500k keys", False))


def stall_lines():
    """One client's GETs while another client's request is answered."""
    lines = []
    for name, during, has_goal in STALLS:
        row, ours, work = "stalls/" + name, "anystore", "GET " + during
        goal = (AT_MOST, 20000) if has_goal else None
        lines.append(Line(work, "longest", (row, ours, "longest_us"), None, goal))
        lines.append(Line(work, "p99", (row, ours, "p99_us")))
        lines.append(Line(work, "(the other request)", (row, ours, "took_us")))
    return lines


# ---- A table ------------------------------------------------------------------------------------


def scaled(value, steps):
    """A value in the largest unit that leaves at least 1, with three digits."""
    unit = steps[0][1]
    for size, name in steps:
        if value >= size:
            value_in_unit, unit = value / size, name
            break
    else:
        size, unit = steps[-1]
        value_in_unit = value / size
    digits = 0 if value_in_unit >= 100 else 1 if value_in_unit >= 10 else 2
    return "%.*f%s" % (digits, value_in_unit, unit)


SECONDS = ((1, " s"), (1e-3, " ms"), (1e-6, " us"), (1e-9, " ns"))
BYTES = ((1 << 30, " GiB"), (1 << 20, " MiB"), (1 << 10, " KiB"), (1, " B"))
COUNTS = ((1e6, "M/s"), (1e3, "k/s"), (1, "/s"))


def show(metric, value):
    if value is None:
        return "-"
    for ending, factor in (("_us", 1e-6), ("_ns", 1e-9), ("seconds", 1)):
        if metric.endswith(ending):
            return scaled(value * factor, SECONDS)
    if metric.endswith("_bytes"):
        return scaled(value, BYTES)
    if metric.endswith("_percent"):
        return "%.0f %%" % value
    return scaled(value, COUNTS)


def show_ratio(ratio):
    if ratio is None:
        return "-"
    return "%.*fx" % (2 if ratio >= 0.1 else 4, ratio)


def reached(goal, value):
    if goal is None or value is None:
        return "-"
    kind, bound = goal
    ok = {AT_LEAST: value >= bound, AT_MOST: value <= bound, BELOW: value < bound}[kind]
    return "yes" if ok else "no"


def show_goal(line):
    if line.goal is None:
        return "-"
    kind, bound = line.goal
    if line.theirs or line.constant:
        return "%s %gx" % (kind, bound)
    return "%s %s" % (kind, show(line.ours[2], bound))


HEADINGS = ("work", "figure", "AnyStore", "compared with", "ratio", "goal", "reached")


def table(figures, with_goal_only=False):
    """Rows of text under HEADINGS, one for each line that was measured."""
    rows = []
    for line in all_lines():
        ours = figures.median(*line.ours)
        if ours is None or (with_goal_only and line.goal is None):
            continue
        ratio, other = None, ""
        if line.constant:
            ratio, other = ours / line.constant[0], line.constant[1]
        elif line.theirs:
            ratio = figures.ratio(line.ours, line.theirs)
            other = show(line.theirs[2], figures.median(*line.theirs))
        judged = ratio if line.theirs or line.constant else ours
        rows.append((line.work, line.figure, show(line.ours[2], ours), other or "-",
                     show_ratio(ratio), show_goal(line), reached(line.goal, judged)))
    return rows


def as_text(rows):
    if not rows:
        return "nothing to tell: the table has no line for these rows\n"
    return as_aligned([HEADINGS] + rows)


def as_aligned(rows):
    """The first row holds the headings.  The first two columns are aligned to the left.  A repeated
    entry of the first column is left out."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines, last = [], None
    for row in rows:
        cells = [(row[0] if row[0] != last else "").ljust(widths[0]), row[1].ljust(widths[1])]
        cells += [row[i].rjust(widths[i]) for i in range(2, len(row))]
        lines.append("  ".join(cells).rstrip())
        last = row[0]
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines) + "\n"


def as_markdown(rows):
    lines = ["| " + " | ".join(HEADINGS) + " |", "| --- | --- | ---: | ---: | ---: | ---: | --- |"]
    last = None
    for row in rows:
        lines.append("| " + " | ".join((row[0] if row[0] != last else "",) + row[1:]) + " |")
        last = row[0]
    return "\n".join(lines) + "\n"
