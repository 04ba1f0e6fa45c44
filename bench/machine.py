# SPDX-License-Identifier: MIT
"""The machine of a run, for readers of its figures."""

import os
import platform


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def is_virtual():
    try:
        with open("/proc/cpuinfo") as file:
            return any(line.startswith("flags") and " hypervisor" in line for line in file)
    except OSError:
        return False


def file_system(path):
    """The type of the file system that a directory is on."""
    path, best = os.path.realpath(path), ("", "unknown")
    with open("/proc/mounts") as file:
        for line in file:
            point, kind = line.split()[1:3]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def describe(directory):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"processor": processor() + (", virtual" if is_virtual() else ""),
            "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / 2 ** 30),
            "kernel": platform.release(), "file_system": file_system(directory),
            "load": round(os.getloadavg()[0], 1)}  # of other programs, before the run


def sentence(machine):
    """With the version of redis-server where the description has one (None: there was none)."""
    redis = ""
    if "redis" in machine:
        redis = "redis-server %s; " % machine["redis"] if machine["redis"] else "no redis-server; "
    return "%s; %d cores, %d GiB; Linux %s; %s; %sload average %.1f before" % (
        machine["processor"], machine["cores"], machine["memory_gib"], machine["kernel"],
        machine["file_system"], redis, machine["load"])
