# SPDX-License-Identifier: MIT
"""Tests of script/bench: a short real run has all its figures, the tables follow from the figures,
and the gate judges known figures rightly.  No measured figure is judged.

    python3 test_bench.py ANYSTORE_SERVER ANYSTORE_BENCH
"""

import csv
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import against  # noqa: E402
import builds  # noqa: E402
import figures as figures_module  # noqa: E402
import interval  # noqa: E402
import machine  # noqa: E402
import plots  # noqa: E402
import publish  # noqa: E402
import stalls  # noqa: E402
from contests import CONTESTS  # noqa: E402
from figures import AT_LEAST, AT_MOST, BELOW, Figures  # noqa: E402
from interval import HOLDS, UNCLEAR, WORSE  # noqa: E402
from rows import ROWS  # noqa: E402
from servers import Failure  # noqa: E402

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "script", "bench")
PROGRAMS = []  # --server FILE --library FILE
PATIENCE = 500  # seconds; a safety net


def run_bench(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True,
                          timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False)


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def processes_about(path):
    """Pids of the processes that run below a directory or name it in their command line, which a
    redis-server overwrites."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                if path.encode() in file.read() or os.readlink("/proc/%s/cwd" % pid).startswith(path):
                    found.append(int(pid))
        except OSError:
            pass
    return found


class RunTest(unittest.TestCase):
    def setUp(self):
        self.out = tempfile.mkdtemp(prefix="anystore-bench-test-")
        self.addCleanup(shutil.rmtree, self.out, True)

    def measure(self, *arguments):
        done = run_bench("--quick", "--rounds", "2", "--seconds", "0.02", "--out", self.out,
                         *PROGRAMS, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done, read_csv(os.path.join(self.out, "figures.csv"))

    def test_figures_of_every_round_and_variant(self):
        done, figures = self.measure("set-durable-pipeline", "catch-up")
        for variant in ("anystore", "redis-always"):
            for metric in ("rps", "p50_us", "p99_us", "cpu_us"):
                rounds = [line["round"] for line in figures if line["variant"] == variant and
                          line["metric"] == metric and line["row"] == "set-durable-pipeline"]
                self.assertEqual(sorted(rounds), ["0", "1"], (variant, metric))
        for line in figures:
            self.assertEqual(list(line), list(figures_module.COLUMNS))
            self.assertGreaterEqual(float(line["value"]), 0)
            self.assertTrue(line["unit"])
        self.assertRegex(done.stdout, r"durable SET, c=50, P=16 +throughput .*(yes|no)\n")
        self.assertRegex(done.stdout, r"second server sees a change, 1M keys +bytes read .*(yes|no)\n")
        self.assertEqual(sorted(os.listdir(self.out)), ["figures.csv", "run.json", "table.txt"])

    def test_in_process_and_its_plot(self):
        _, figures = self.measure("in-process")
        self.assertEqual({line["variant"] for line in figures}, {"memory", "swap", "fresh-copy"})
        self.assertIn("in-process/10k", {line["row"] for line in figures})
        self.assertEqual(os.path.isfile(os.path.join(self.out, "commit-latency.svg")),
                         shutil.which("gnuplot") is not None)

    def test_stalls(self):
        _, figures = self.measure("stalls", "--redis", "none")
        measured = {line["row"].split("/")[1] for line in figures if line["metric"] == "longest_us"}
        self.assertEqual(measured, {name for name, _, _ in figures_module.STALLS})
        self.assertEqual({line["row"].split("/")[1] for line in figures if line["metric"] == "took_us"},
                         set(stalls.HEAVY))

    def test_table_again_from_figures(self):
        done, _ = self.measure("catch-up")
        again = run_bench("--from", self.out)
        self.assertEqual(again.stdout, done.stdout)

    def test_without_redis_server(self):
        done, figures = self.measure("set-durable-pipeline", "--redis", "none")
        self.assertIn("no redis-server", done.stderr)
        self.assertEqual({line["variant"] for line in figures}, {"anystore"})
        self.assertRegex(done.stdout, r"throughput +\S+ +- +- +>= 1x +-\n")

    def interrupt(self, servers, *arguments):
        bench = subprocess.Popen([sys.executable, SCRIPT, "--quick", "--seconds", "60", "--out",
                                  self.out, *arguments],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.terminate)
        until = time.monotonic() + PATIENCE
        while len(processes_about(self.out)) < 1 + servers:
            self.assertIsNone(bench.poll())
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)
        bench.send_signal(signal.SIGINT)
        self.assertEqual(bench.wait(PATIENCE), 130)
        self.assertEqual(processes_about(self.out), [])
        self.assertEqual([n for n in os.listdir(self.out) if n.startswith("data")], [])

    def test_interrupted_it_leaves_nothing(self):
        self.interrupt(2 if shutil.which("redis-server") else 1, *PROGRAMS, "set-durable-200")

    def test_interrupted_against_another_build_it_leaves_nothing(self):
        self.interrupt(4, *PROGRAMS[:2], "--against", PROGRAMS[1], "publish-across")

    def test_against_another_build(self):
        """So few pairs may say anything: the verdict is only compared with the exit status."""
        rows = ["mget", "transaction", "publish-across", "catch-up", "start"]
        done = run_bench("--quick", "--seconds", "0.02", "--out", self.out, *PROGRAMS[:2],
                         "--against", PROGRAMS[1], *rows)
        with open(os.path.join(self.out, "run.json")) as file:
            self.assertEqual(json.load(file)["rows"], [n for n in CONTESTS if n in rows], done.stderr)
        figures = read_csv(os.path.join(self.out, "figures.csv"))
        for name in rows:
            for metric in CONTESTS[name].judged:
                pairs = [(line["variant"], line["round"]) for line in figures
                         if line["row"] == name and line["metric"] == metric]
                self.assertEqual(sorted(pairs), [(side, str(pair)) for side in ("after", "before")
                                                 for pair in range(4)], (name, metric))
        judged = read_csv(os.path.join(self.out, "gate.csv"))
        self.assertEqual(len(judged), sum(len(CONTESTS[name].judged) for name in rows))
        worse = any(line["verdict"] == WORSE for line in judged)
        self.assertEqual(done.returncode, 1 if worse else 0, done.stderr)
        again = run_bench("--from", self.out)
        self.assertEqual((again.stdout, again.returncode), (done.stdout, done.returncode))

    def test_the_first_of_a_pair_alternates(self):
        run_bench("--quick", "--seconds", "0.01", "--out", self.out, *PROGRAMS[:2], "--against",
                  PROGRAMS[1], "incr")
        order = [line["variant"] for line in read_csv(os.path.join(self.out, "figures.csv"))
                 if line["metric"] == "rps"]
        self.assertEqual(order, ["before", "after", "after", "before",
                                 "after", "before", "before", "after"])

    def test_bad_arguments(self):
        for arguments in (["no-such-row"], ["--rounds", "0"], ["--seconds", "0"],
                          ["--server", "alone"], ["--pairs", "8"],
                          ["--against", "x", "--pairs", "2"], ["--against", "x", "--rounds", "2"],
                          ["--against", "x", "--minutes", "0"], ["--against", "x", "bytes"]):
            self.assertEqual(run_bench(*arguments).returncode, 2, arguments)

    def test_neither_a_build_nor_a_revision(self):
        with self.assertRaises(Failure):
            builds.find("no-such-build")
        with self.assertRaises(Failure):
            builds.find(os.path.abspath(__file__).replace("test_bench.py", "rows.py"))

    def test_list(self):
        for arguments, rows in (((), ROWS), (("--against", "x"), CONTESTS)):
            listed = run_bench("--list", *arguments).stdout.splitlines()
            self.assertEqual([line.split()[0] for line in listed], list(rows))


class FiguresTest(unittest.TestCase):
    def test_ratio_is_the_median_of_the_rounds(self):
        figures = Figures()
        for number, (a, b) in enumerate([(10, 5), (9, 3), (100, 100), (7, None)]):
            figures.add("r", "a", number, "rps", a)
            if b is not None:
                figures.add("r", "b", number, "rps", b)
        self.assertEqual(figures.ratio(("r", "a", "rps"), ("r", "b", "rps")), 2)
        self.assertEqual(figures.median("r", "a", "rps"), 9.5)
        self.assertIsNone(figures.median("r", "c", "rps"))
        self.assertIsNone(figures.ratio(("r", "a", "rps"), ("r", "c", "rps")))

    def test_a_stall_counts_for_as_long_as_it_lasts(self):
        quick = [0.0001] * 100
        self.assertEqual(stalls.percentile_over_time(quick, 0.99), 0.0001)
        self.assertAlmostEqual(stalls.percentile_over_time(quick + [0.1], 0.5), 0.001, 3)
        self.assertAlmostEqual(stalls.percentile_over_time(quick + [0.1], 0.75), 0.05, 2)

    def test_goals(self):
        for goal, value, expected in (((AT_LEAST, 1), 1, "yes"), ((AT_LEAST, 1), 0.99, "no"),
                                      ((AT_MOST, 1), 1, "yes"), ((AT_MOST, 1), 1.01, "no"),
                                      ((BELOW, 10), 9.9, "yes"), ((BELOW, 10), 10, "no"),
                                      (None, 1, "-"), ((AT_MOST, 1), None, "-")):
            self.assertEqual(figures_module.reached(goal, value), expected, (goal, value))

    def test_units(self):
        for metric, value, text in (("rps", 74200, "74.2k/s"), ("rps", 120, "120/s"),
                                    ("cpu_us", 0.5, "500 ns"), ("p99_us", 1800, "1.80 ms"),
                                    ("both_mean_ns", 350000, "350 us"), ("seconds", 1.5, "1.50 s"),
                                    ("read_bytes", 65536, "64.0 KiB"), ("p50_us", None, "-"),
                                    ("smallest_share_percent", 17.2, "17 %")):
            self.assertEqual(figures_module.show(metric, value), text)

    def test_each_line_belongs_to_a_row(self):
        for line in figures_module.all_lines():
            self.assertIn(line.key(), ROWS)

    def test_lines_are_aligned(self):
        figures = Figures()
        for variant, value in (("anystore", 3), ("redis", 2)):
            for metric in ("rps", "p99_us"):
                figures.add("get", variant, 0, metric, value)
        lines = figures_module.as_text(figures_module.table(figures)).splitlines()
        self.assertEqual(len(lines), 4)
        ends = {re.search(r"\S+x ", line).end() for line in lines[2:]}
        self.assertEqual(len(ends), 1)
        self.assertTrue(lines[2].endswith("1.50x  >= 1x      yes"), lines[2])


def paired_figures(row, metric, ratios, before=1000):
    """Figures of pairs with these ratios, after to before."""
    figures = Figures()
    for pair, ratio in enumerate(ratios):
        figures.add(row, "before", pair, metric, before)
        figures.add(row, "after", pair, metric, before * ratio)
    return figures


class IntervalTest(unittest.TestCase):
    def test_by_hand(self):
        """Five values: mean 0.02, deviation 0.0158, error 0.00707; t of 4 degrees is 2.776."""
        known = interval.interval([0.00, 0.01, 0.02, 0.03, 0.04])
        self.assertAlmostEqual(math.log(known.centre), 0.02)
        self.assertAlmostEqual(math.log(known.high), 0.02 + 2.776 * 0.0070711, 5)
        self.assertAlmostEqual(math.log(known.low), 0.02 - 2.776 * 0.0070711, 5)

    def test_trimmed_by_hand(self):
        """Of ten values the outermost two are left out; for the variance they count as their
        neighbours."""
        known = interval.interval([-99, 1, 2, 3, 4, 5, 6, 7, 8, 99])
        moved_in = [1, 1, 2, 3, 4, 5, 6, 7, 8, 8]
        variance = sum((value - 4.5) ** 2 for value in moved_in) / 9
        half = 2.365 * math.sqrt(variance / 10) / 0.8
        self.assertAlmostEqual(math.log(known.centre), 4.5)
        self.assertAlmostEqual(math.log(known.high), 4.5 + half)

    def test_too_few(self):
        self.assertIsNone(interval.interval([]))
        self.assertIsNone(interval.interval([0.1]))

    def test_quantiles_go_on_beyond_their_table(self):
        quantiles = [interval.t_quantile(freedom) for freedom in range(1, 2000)]
        self.assertEqual(quantiles, sorted(quantiles, reverse=True))
        self.assertAlmostEqual(interval.t_quantile(60), 2.000, 3)
        self.assertAlmostEqual(interval.t_quantile(1999), 1.961, 3)

    def test_it_covers_the_truth(self):
        """About 95 of 100 times, also where one value in ten is far off."""
        seed = 20261122
        numbers = random.Random(seed)
        for far_off in (0, 0.1):
            covered = 0
            for _ in range(2000):
                known = interval.interval([numbers.gauss(0, 0.2 if numbers.random() < far_off else 0.03)
                                           for _ in range(12)])
                covered += known.low <= 1 <= known.high
            self.assertGreater(covered, 1860, "seed %d" % seed)

    def test_blocks_of_two_pairs(self):
        before = {0: 100, 1: 100, 2: 100, 3: 100, 4: 100}
        after = {0: 110, 1: 121, 2: 100, 4: 100}
        logs = interval.block_logs(before, after, True)
        self.assertEqual(len(logs), 1)  # pairs 3 and 5 are missing
        self.assertAlmostEqual(logs[0], 1.5 * math.log(1.1))
        self.assertAlmostEqual(interval.block_logs(before, after, False)[0], -1.5 * math.log(1.1))


class GateTest(unittest.TestCase):
    PLAN = against.Plan(12, 60, 15)

    @staticmethod
    def noise(count, spread, seed):
        numbers = random.Random(seed)
        return [math.exp(numbers.gauss(0, spread)) for _ in range(count)]

    def verdict(self, metric, ratios, row="get"):
        return against.Result(paired_figures(row, metric, ratios), row, metric).verdict()

    def test_equal_ones_pass_and_a_clearly_worse_one_fails(self):
        for seed in range(20):
            noise = self.noise(24, 0.02, seed)
            self.assertEqual(self.verdict("rps", noise), HOLDS, seed)
            self.assertEqual(self.verdict("rps", [0.9 * x for x in noise]), WORSE, seed)
            self.assertEqual(self.verdict("rps", [1.2 * x for x in noise]), HOLDS, seed)

    def test_more_time_is_worse(self):
        noise = self.noise(24, 0.02, 1)
        for metric, row in (("cpu_us", "get"), ("seconds", "start"), ("cpu_seconds", "start"),
                            ("p50_us", "catch-up")):
            self.assertEqual(self.verdict(metric, [1.1 * x for x in noise], row), WORSE)
            self.assertEqual(self.verdict(metric, [0.9 * x for x in noise], row), HOLDS)

    def test_noise_is_no_failure(self):
        self.assertEqual(self.verdict("rps", [0.5, 0.6, 1.5, 1.3, 0.9, 0.9, 1.4, 0.8]), UNCLEAR)
        self.assertEqual(self.verdict("rps", [0.9]), UNCLEAR)

    def test_a_drift_within_a_block_cancels(self):
        """Everything gets slower by 10 % from one measurement to the next."""
        figures, speed = Figures(), 1000.0
        for pair in range(12):
            first = "before" if (pair // 2 + pair) % 2 == 0 else "after"
            for side in (first, "after" if first == "before" else "before"):
                figures.add("get", side, pair, "rps", speed)
                speed *= 0.9
        known = against.Result(figures, "get", "rps").interval
        self.assertAlmostEqual(known.low, 1)
        self.assertAlmostEqual(known.high, 1)

    def done(self, ratios):
        figures = paired_figures("get", "rps", ratios)
        for pair, ratio in enumerate(ratios):
            figures.add("get", "before", pair, "cpu_us", 10)
            figures.add("get", "after", pair, "cpu_us", 10 / ratio)
        return against.is_done(figures, "get", self.PLAN)

    def test_a_contest_goes_on_until_it_is_clear(self):
        self.assertFalse(self.done(self.noise(10, 0.001, 1)))  # too few
        self.assertTrue(self.done(self.noise(12, 0.001, 1)))
        self.assertFalse(self.done(self.noise(58, 0.5, 1)))  # unclear
        self.assertFalse(self.done([0.5] * 58))  # worse: not before the end
        self.assertTrue(self.done([0.5] * 60))

    def test_every_contest_has_a_metric_that_can_be_judged(self):
        for name, contest in CONTESTS.items():
            self.assertTrue(contest.judged, name)
            self.assertLessEqual(set(contest.judged), set(against.JUDGED))

    def exit_status(self, ratios, blocks=6):
        with tempfile.TemporaryDirectory() as directory:
            run = {"date": "1 May 2026", "quick": False, "machine": machine.describe("/"),
                   "against": "v1", "programs": ["a", "b"], "blocks": blocks, "seconds": 1,
                   "rows": ["get-beside-set"]}
            with open(os.path.join(directory, "run.json"), "w") as file:
                json.dump(run, file)
            with open(os.path.join(directory, "figures.csv"), "w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(figures_module.COLUMNS)
                for pair, ratio in enumerate(ratios):
                    writer.writerow(("get-beside-set", "before", pair, "rps", 1000, "1/s"))
                    writer.writerow(("get-beside-set", "after", pair, "rps", 1000 * ratio, "1/s"))
            done = run_bench("--from", directory)
            return done.returncode, done.stdout.splitlines()[-1]

    def test_exit_status(self):
        noise = self.noise(12, 0.01, 1)
        self.assertEqual(self.exit_status(noise), (0, "the gate holds"))
        self.assertEqual(self.exit_status([0.9 * x for x in noise]),
                         (1, "the gate FAILS; slower than before: get-beside-set"))
        self.assertEqual(self.exit_status([0.97 * x for x in noise]),
                         (0, "the gate holds; unclear, which passes: get-beside-set"))
        self.assertEqual(self.exit_status(noise, blocks=7),
                         (1, "the gate FAILS; too few pairs in the time: get-beside-set"))


class PublishTest(unittest.TestCase):
    RUN = {"rounds": 3, "date": "1 May 2026",
           "machine": {"processor": "abacus", "cores": 2, "memory_gib": 1, "kernel": "1",
                       "file_system": "ext4", "load": 0.5, "redis": None}}

    def test_only_the_section_changes(self):
        with tempfile.TemporaryDirectory() as root:
            page = os.path.join(root, publish.PAGE)
            os.makedirs(os.path.dirname(page))
            with open(page, "w") as file:
                file.write("before\n%s\nold\n%s\nafter\n" % (publish.BEGIN, publish.END))
            with open(os.path.join(root, "commit-latency.svg"), "w") as file:
                file.write("<svg/>")
            row = ("GET", "throughput", "2k/s", "1k/s", "2.00x", ">= 1x", "yes")
            for _ in range(2):  # the second time changes nothing more
                publish.publish(root, root, self.RUN, [row])
                with open(page) as file:
                    text = file.read()
                self.assertTrue(text.startswith("before\n" + publish.BEGIN))
                self.assertTrue(text.endswith(publish.END + "\nafter\n"))
                self.assertEqual(text.count("| GET | throughput |"), 1)
                self.assertIn("abacus", text)
                self.assertNotIn("old", text)
            self.assertTrue(os.path.isfile(os.path.join(root, "docs/plots/commit-latency.svg")))

    def test_a_page_without_the_marks(self):
        with self.assertRaises(ValueError):
            publish.replace_section("no marks", "new")

    def test_the_page_of_this_tree_has_the_marks(self):
        root = os.path.dirname(os.path.dirname(SCRIPT))
        with open(os.path.join(root, publish.PAGE)) as file:
            self.assertIn("new", publish.replace_section(file.read(), "new"))

    def test_machine(self):
        here = machine.describe("/")
        self.assertGreaterEqual(here["cores"], 1)
        self.assertNotIn("redis-server", machine.sentence(here))
        self.assertIn("; no redis-server;", machine.sentence({**here, "redis": None}))
        self.assertIn("; redis-server 7.0;", machine.sentence({**here, "redis": "7.0"}))

    def test_plots_of_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(plots.draw(Figures(), directory), [])


def main():
    server, library = sys.argv[1:3]
    PROGRAMS.extend(["--server", server, "--library", library])
    result = unittest.TextTestRunner(verbosity=2).run(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print("%d passed, %d failed%s" % (result.testsRun - failed - skipped, failed,
                                      ", %d skipped" % skipped if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
