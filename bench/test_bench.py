# SPDX-License-Identifier: MIT
"""Tests of script/bench: a short real run has all its figures, and the table is made of them as it
should be.  No figure is judged.

    python3 test_bench.py ANYSTORE_SERVER ANYSTORE_BENCH
"""

import csv
import os
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
import figures as figures_module  # noqa: E402
import machine  # noqa: E402
import plots  # noqa: E402
import publish  # noqa: E402
from figures import AT_LEAST, AT_MOST, BELOW, Figures  # noqa: E402
from rows import ROWS  # noqa: E402

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
    """Pids of the processes that run below a directory or name it in their command line; a
    redis-server writes over the latter."""
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

    def test_table_again_from_figures(self):
        done, _ = self.measure("catch-up")
        again = run_bench("--from", self.out)
        self.assertEqual(again.stdout, done.stdout)

    def test_without_redis_server(self):
        done, figures = self.measure("set-durable-pipeline", "--redis", "none")
        self.assertIn("no redis-server", done.stderr)
        self.assertEqual({line["variant"] for line in figures}, {"anystore"})
        self.assertRegex(done.stdout, r"throughput +\S+ +- +- +>= 1x +-\n")

    def test_interrupted_it_leaves_nothing(self):
        bench = subprocess.Popen([sys.executable, SCRIPT, "--quick", "--seconds", "60", "--out",
                                  self.out, *PROGRAMS, "set-durable-200"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.terminate)
        until = time.monotonic() + PATIENCE
        servers = 2 if shutil.which("redis-server") else 1
        while len(processes_about(self.out)) < 1 + servers:
            self.assertIsNone(bench.poll())
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)
        bench.send_signal(signal.SIGINT)
        self.assertEqual(bench.wait(PATIENCE), 130)
        self.assertEqual(processes_about(self.out), [])
        self.assertEqual([n for n in os.listdir(self.out) if n.startswith("data")], [])

    def test_bad_arguments(self):
        for arguments in (["no-such-row"], ["--rounds", "0"], ["--seconds", "0"],
                          ["--server", "alone"]):
            self.assertEqual(run_bench(*arguments).returncode, 2, arguments)

    def test_list(self):
        listed = [line.split()[0] for line in run_bench("--list").stdout.splitlines()]
        self.assertEqual(listed, list(ROWS))


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
        here = machine.describe("/", "7.0")
        self.assertGreaterEqual(here["cores"], 1)
        self.assertIn("redis-server 7.0", machine.sentence(here))

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
