# SPDX-License-Identifier: MIT
"""The gate: another build and this one as competitors, in blocks of paired measurements."""

import csv
import os
import sys
import time

import interval
from contests import CONTESTS, Side
from figures import Figures, as_aligned, show
from servers import Fleet

BEFORE, AFTER = "before", "after"
PAIRS_OF_A_BLOCK = 2

# The metrics that judge contests: the name in the table, and whether more is better.
JUDGED = {"rps": ("throughput", True), "cpu_us": ("CPU per request", False),
          "p50_us": ("latency p50", False), "seconds": ("time", False),
          "cpu_seconds": ("CPU", False)}
UNITS = {"rps": "1/s", "seconds": "s", "cpu_seconds": "s", "smallest_share_percent": "%"}


def unit_of(metric):
    return UNITS.get(metric) or ("us" if metric.endswith("_us") else metric.rsplit("_", 1)[-1])


class Plan:
    """The extent of a run: at least `pairs` of each contest, up to `most_pairs` of one that is not
    clear, all within `minutes`."""

    def __init__(self, pairs, most_pairs, minutes):
        self.blocks = -(-pairs // PAIRS_OF_A_BLOCK)
        self.most_blocks = max(self.blocks, most_pairs // PAIRS_OF_A_BLOCK)
        self.seconds = minutes * 60


# ---- Verdicts -----------------------------------------------------------------------------------


class Result:
    """The figures of a contest by one metric.  `interval` is None before the second block."""

    def __init__(self, figures, row, metric):
        self.row = row
        self.metric = metric
        self.before = figures.median(row, BEFORE, metric)
        self.after = figures.median(row, AFTER, metric)
        logs = interval.block_logs(figures.rounds(row, BEFORE, metric),
                                   figures.rounds(row, AFTER, metric), JUDGED[metric][1])
        self.blocks = len(logs)
        self.interval = interval.interval(logs)

    def verdict(self):
        return self.interval.verdict() if self.interval else interval.UNCLEAR


def results_of(figures, name):
    return [Result(figures, name, metric) for metric in CONTESTS[name].judged]


def results(figures, names):
    return [result for name in names for result in results_of(figures, name)]


def is_done(figures, name, plan):
    """Only a good outcome ends a contest early.  A bad one must last until the end: were it to end
    the contest, repeated looks would sooner or later find an alarm in noise."""
    outcome = results_of(figures, name)
    blocks = min(result.blocks for result in outcome)
    if blocks >= plan.most_blocks:
        return True
    return blocks >= plan.blocks and all(r.verdict() == interval.HOLDS for r in outcome)


# ---- Measuring ----------------------------------------------------------------------------------


def block(contest, sides, number, shared):
    """Two pairs in opposite order on fresh servers: [(side's name, pair, figures)]."""
    order = sides if number % 2 == 0 else sides[::-1]
    measured = []
    works = {}
    try:
        for side in order:
            works[side.name] = contest.prepare(side, shared)
        for pair, turn in enumerate((order, order[::-1])):
            for side in turn:
                measured.append((side.name, number * PAIRS_OF_A_BLOCK + pair,
                                 works[side.name].measure()))
    finally:
        for work in works.values():
            if hasattr(work, "close"):
                work.close()
        for side in sides:
            side.fleet.stop_all()
    return measured


class Tournament:
    """The contests take turns block by block: a bad minute of the machine hits one block of
    each."""

    def __init__(self, sides, names, plan, on_figure):
        self.sides = sides
        self.plan = plan
        self.figures = Figures()
        self.on_figure = on_figure
        self.blocks = {name: 0 for name in names}
        self.shared = {name: {} for name in names}
        self.took = {name: 0 for name in names}  # seconds of the last block
        self.started = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.started

    def run(self):
        while True:
            turn = self.undecided()
            if not turn:
                return
            for name in turn:
                if self.seconds() + self.took[name] > self.plan.seconds:
                    print("the time is over", file=sys.stderr)
                    return
                self.run_block(name)
            print("%.0f s, %d pairs; to go on: %s" %
                  (self.seconds(), max(self.blocks.values()) * PAIRS_OF_A_BLOCK,
                   " ".join(self.undecided()) or "none"), file=sys.stderr, flush=True)

    def undecided(self):
        return [name for name in self.blocks if not is_done(self.figures, name, self.plan)]

    def run_block(self, name):
        started = time.monotonic()
        for side, pair, measured in block(CONTESTS[name], self.sides, self.blocks[name],
                                          self.shared[name]):
            for metric, value in measured.items():
                self.figures.add(name, side, pair, metric, value)
                self.on_figure((name, side, pair, metric, value, unit_of(metric)))
        self.blocks[name] += 1
        self.took[name] = time.monotonic() - started


def make_sides(programs, directory, seconds, most_keys):
    """programs: before's and after's."""
    sides = []
    for name, own in zip((BEFORE, AFTER), programs):
        fleets = [Fleet(own, os.path.join(directory, name, kind)) for kind in ("block", "lasting")]
        sides.append(Side(name, own, *fleets, seconds, most_keys))
    return sides


def stop_sides(sides):
    for side in sides:
        side.fleet.stop_all()
        side.lasting.stop_all()


# ---- Telling ------------------------------------------------------------------------------------

HEADINGS = ("work", "figure", "before", "after", "ratio", "95 % interval", "pairs", "verdict")


def table(outcome):
    rows = []
    for result in outcome:
        known = result.interval
        rows.append((CONTESTS[result.row].work, JUDGED[result.metric][0],
                     show(result.metric, result.before), show(result.metric, result.after),
                     "%.3f" % known.centre if known else "-",
                     "%.3f ... %.3f" % (known.low, known.high) if known else "-",
                     str(result.blocks * PAIRS_OF_A_BLOCK), result.verdict()))
    return rows


def as_text(outcome):
    return as_aligned([HEADINGS] + table(outcome))


GATE_COLUMNS = ("row", "metric", "before", "after", "ratio", "low", "high", "pairs", "verdict")


def write_csv(path, outcome):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(GATE_COLUMNS)
        for result in outcome:
            known = result.interval
            ratios = (known.centre, known.low, known.high) if known else ("", "", "")
            writer.writerow((result.row, result.metric, result.before, result.after, *ratios,
                             result.blocks * PAIRS_OF_A_BLOCK, result.verdict()))


def sentence(outcome, blocks):
    """The verdict of the whole, and whether the gate holds.  A contest without its least number of
    blocks counts as not measured, and does not pass."""
    worse = sorted({result.row for result in outcome if result.verdict() == interval.WORSE})
    short = sorted({result.row for result in outcome if result.blocks < blocks})
    unclear = sorted({r.row for r in outcome if r.verdict() == interval.UNCLEAR} - set(short))
    parts = []
    if worse:
        parts.append("slower than before: %s" % ", ".join(worse))
    if short:
        parts.append("too few pairs in the time: %s" % ", ".join(short))
    if unclear:
        parts.append("unclear, which passes: %s" % ", ".join(unclear))
    holds = not worse and not short
    return "%s%s" % ("the gate holds" if holds else "the gate FAILS",
                     "".join("; " + part for part in parts)), holds
