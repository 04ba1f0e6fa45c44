# SPDX-License-Identifier: MIT
"""The figures of a run as a section of the README, with its plots under docs/plots."""

import os
import shutil

import figures as figures_module
import machine as machine_module

BEGIN, END = "<!-- script/bench begins -->", "<!-- script/bench ends -->"

TEXT = """{begin}
![Median time of one durable SET against the number of keys](docs/plots/commit-latency.svg)
![Throughput against the number of clients](docs/plots/throughput.svg)

{table}
c: clients, P: requests in a pipeline; values of 100 bytes. Medians of {rounds} rounds in which the servers
took turns; a ratio is the median of the rounds' ratios, ours to the other's. Measured on {date} with
`script/bench`, on: {machine}; a high load average means that others used
the machine, and that the ratios are rough. How each is measured:
[bench/](bench/DESIGN.md). To repeat it on your machine: `script/bench`, some minutes; it also prints what
has no goal. `script/bench --publish` then puts its table and plots here.
{end}
"""


def section(run, rows):
    return TEXT.format(begin=BEGIN, end=END, table=figures_module.as_markdown(rows),
                       rounds=run["rounds"], date=run["date"],
                       machine=machine_module.sentence(run["machine"]))


def replace_section(text, new):
    """The text with what is between the marks, and these, replaced."""
    first, last = text.find(BEGIN), text.find(END)
    if first < 0 or last < first:
        raise ValueError("the README has no %s ... %s" % (BEGIN, END))
    return text[:first] + new.rstrip("\n") + text[last + len(END):]


def publish(root, directory, run, rows):
    readme = os.path.join(root, "README.md")
    with open(readme) as file:
        text = file.read()
    text = replace_section(text, section(run, rows))
    plots = os.path.join(root, "docs", "plots")
    os.makedirs(plots, exist_ok=True)
    for name in os.listdir(directory):
        if name.endswith(".svg"):
            shutil.copy(os.path.join(directory, name), os.path.join(plots, name))
    with open(readme, "w") as file:
        file.write(text)
