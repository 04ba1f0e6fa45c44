# SPDX-License-Identifier: MIT
"""Is one build slower than another?  Ratios of paired measurements, their 95 % interval, a verdict.

A ratio is after to before, turned so that more than 1 is better: throughput as it is, times and
processor time upside down.
"""

import math

FLOOR = 0.97  # the gate: an interval wholly below this fails
TRIMMED = 0.1  # the part of the ratios that is left out at either end

HOLDS, UNCLEAR, WORSE = "holds", "unclear", "worse"

# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom.
T_TABLE = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
           2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
           2.052, 2.048, 2.045, 2.042)


def t_quantile(freedom):
    """Beyond the table by the first terms of its expansion around the normal quantile."""
    if freedom <= len(T_TABLE):
        return T_TABLE[freedom - 1]
    return 1.96 + 2.372 / freedom + 2.823 / freedom ** 2


class Interval:
    """The centre of some ratios and the 95 % interval around it."""

    def __init__(self, centre, low, high):
        self.centre = centre
        self.low = low
        self.high = high

    def verdict(self, floor=FLOOR):
        if self.high < floor:
            return WORSE
        return HOLDS if self.low >= floor else UNCLEAR

    def width(self):
        return self.high / self.low


def interval(logs):
    """The interval of the trimmed mean of these logarithms of ratios, as ratios again; None where
    there are fewer than two.

    Tukey and McLaughlin: the variance is that of the values with the trimmed ones moved in to the
    outermost that are left, and the degrees of freedom are those of the values that are left.
    """
    count = len(logs)
    if count < 2:
        return None
    ordered = sorted(logs)
    trimmed = int(TRIMMED * count)
    kept = ordered[trimmed:count - trimmed]
    moved_in = [kept[0]] * trimmed + kept + [kept[-1]] * trimmed
    centre = sum(kept) / len(kept)
    mean = sum(moved_in) / count
    variance = sum((value - mean) ** 2 for value in moved_in) / (count - 1)
    error = math.sqrt(variance / count) / (1 - 2 * trimmed / count)
    half = t_quantile(len(kept) - 1) * error
    return Interval(math.exp(centre), math.exp(centre - half), math.exp(centre + half))


def block_logs(before, after, higher_is_better):
    """The logarithm of the ratio of each block, of figures by number of their pair.

    A block is two pairs (2n and 2n+1) in opposite order on the same two servers: their mean cancels
    a drift.  A block without its second pair does not count.
    """
    logs = {}
    for pair in before:
        if before[pair] > 0 and after.get(pair, 0) > 0:
            log = math.log(after[pair] / before[pair])
            logs[pair] = log if higher_is_better else -log
    return [(logs[pair] + logs[pair + 1]) / 2
            for pair in sorted(logs) if pair % 2 == 0 and pair + 1 in logs]
