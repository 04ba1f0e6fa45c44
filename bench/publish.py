# SPDX-License-Identifier: MIT
"""Puts the figures of a run into bench/README.md and its plots into docs/plots."""

import os
import shutil

import figures as figures_module
import machine as machine_module

PAGE, PLOTS = os.path.join("bench", "README.md"), os.path.join("docs", "plots")
BEGIN, END = "<!-- script/bench begins -->", "<!-- script/bench ends -->"

TEXT = """{begin}
![Median time of one durable SET against the number of keys](../docs/plots/commit-latency.svg)
![Throughput against the number of clients](../docs/plots/throughput.svg)

{table}
c: clients; P: requests in a pipeline. Values have 100 bytes. Each figure is the median of {rounds} rounds in which the
servers took turns. A ratio is the median of the rounds' ratios, ours to the other's.

Measured on {date} on: {machine}.
A high load average means that other programs used the machine and that the ratios are rough.
{end}
"""


def section(run, rows):
    return TEXT.format(begin=BEGIN, end=END, table=figures_module.as_markdown(rows),
                       rounds=run["rounds"], date=run["date"],
                       machine=machine_module.sentence(run["machine"]))


def replace_section(text, new):
    """The text with the part between the marks replaced, marks included."""
    first, last = text.find(BEGIN), text.find(END)
    if first < 0 or last < first:
        raise ValueError("%s has no %s ... %s" % (PAGE, BEGIN, END))
    return text[:first] + new.rstrip("\n") + text[last + len(END):]


def publish(root, directory, run, rows):
    page = os.path.join(root, PAGE)
    with open(page) as file:
        text = file.read()
    text = replace_section(text, section(run, rows))
    plots = os.path.join(root, PLOTS)
    os.makedirs(plots, exist_ok=True)
    for name in os.listdir(directory):
        if name.endswith(".svg"):
            shutil.copy(os.path.join(directory, name), os.path.join(plots, name))
    with open(page, "w") as file:
        file.write(text)
