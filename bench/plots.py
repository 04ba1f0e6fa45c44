# SPDX-License-Identifier: MIT
"""The plots, drawn by gnuplot as SVG."""

import os
import shutil
import subprocess

from rows import CLIENT_COUNTS, SIZES

SETTINGS = """set terminal svg size 720,440 font 'sans-serif,13' background '#ffffff'
set datafile separator ','
set key {key}
set grid ytics lt 1 lc rgb '#dddddd'
set border 3
set tics nomirror
set title '{title}'
set xlabel '{x}'
set ylabel '{y}'
set logscale xy
set format y '{format}'
set xrange [{low}:{high}]
set xtics ({tics})
"""
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")


def curve(figures, points, variant, metric, factor):
    """[(x, value)] of the points that were measured."""
    values = [(x, figures.median(row, variant, metric)) for x, row in points]
    return [(x, value * factor) for x, value in values if value is not None]


def commit_latency(figures):
    one = [(keys, "set-durable-one/" + size) for size, keys in SIZES.items()]
    inside = [(keys, "in-process/" + size) for size, keys in SIZES.items()]
    return {
        "settings": {"title": "One durable SET after the other: median time",
                     "x": "keys of 100 bytes", "y": "milliseconds", "format": "%g",
                     "low": 700, "high": 1500000, "key": "top left",
                     "tics": ", ".join("'%s' %d" % (name.replace("m", "M"), keys)
                                      for name, keys in SIZES.items())},
        "curves": [
            ("fresh copy per commit, in process",
             curve(figures, inside, "fresh-copy", "store_median_ns", 1e-6)),
            ("swap, in process", curve(figures, inside, "swap", "store_median_ns", 1e-6)),
            ("AnyStore (swap), one client", curve(figures, one, "anystore", "p50_us", 1e-3)),
            ("Redis, appendfsync always, one client",
             curve(figures, one, "redis-always", "p50_us", 1e-3)),
        ]}


def throughput(figures):
    gets = [(count, "clients/get-%d" % count) for count in CLIENT_COUNTS]
    sets = [(count, "clients/set-%d" % count) for count in CLIENT_COUNTS]
    return {
        "settings": {"title": "Throughput against number of clients", "x": "clients",
                     "y": "requests per second", "format": "%.0s%c", "low": 0.9, "high": 230,
                     "key": "bottom right", "tics": ", ".join(str(n) for n in CLIENT_COUNTS)},
        "curves": [
            ("AnyStore, GET", curve(figures, gets, "anystore", "rps", 1)),
            ("Redis, GET", curve(figures, gets, "redis", "rps", 1)),
            ("AnyStore, durable SET", curve(figures, sets, "anystore", "rps", 1)),
            ("Redis, SET, appendfsync always", curve(figures, sets, "redis-always", "rps", 1)),
        ]}


PLOTS = {"commit-latency.svg": commit_latency, "throughput.svg": throughput}


def script(settings, curves):
    """The input for gnuplot, data included."""
    text = [SETTINGS.format(**settings)]
    for i, (_, points) in enumerate(curves):
        text.append("$data%d << EOD" % i)
        text += ["%g,%g" % point for point in points]
        text.append("EOD")
    text.append("plot " + ", ".join(
        "$data%d using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb '%s' title '%s'" %
        (i, COLOURS[i], title) for i, (title, _) in enumerate(curves)))
    return "\n".join(text) + "\n"


def draw(figures, directory):
    """Draws the plots that have figures; returns the names of the files."""
    drawn = []
    for name, plot in PLOTS.items():
        parts = plot(figures)
        curves = [each for each in parts["curves"] if each[1]]
        if not curves or not shutil.which("gnuplot"):
            continue
        svg = subprocess.run(["gnuplot"], input=script(parts["settings"], curves), text=True,
                             capture_output=True, check=True).stdout
        with open(os.path.join(directory, name), "w") as file:
            file.write(svg)
        drawn.append(name)
    return drawn
