# SPDX-License-Identifier: MIT
"""A light client beside a heavy one: it sends a GET every millisecond and reports how long each
took.

    python3 prober.py PORT KEY

Each line on stdin ends an interval.  The answer is a line of JSON with the seconds of each GET in
it.  The prober is a process of its own, so that Python code of the heavy client does not delay it.
"""

import json
import select
import sys
import time

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from servers import Client, encode  # noqa: E402

PERIOD = 0.001  # seconds from one GET to the next
CONNECTIONS = 8  # in turn, so that each worker thread of the server has some


def probe(clients, request):
    """Sends GETs until stdin has a line; the seconds of each, of one GET at least."""
    times = []
    while not times or not select.select([sys.stdin], [], [], 0)[0]:
        client = clients[len(times) % len(clients)]
        started = time.perf_counter()
        client.socket.sendall(request)
        client.read_reply()
        took = time.perf_counter() - started
        times.append(took)
        if took < PERIOD:
            time.sleep(PERIOD - took)
    return times


def main():
    clients = [Client(int(sys.argv[1])) for _ in range(CONNECTIONS)]
    request = encode("GET", sys.argv[2])
    for client in clients:
        client.call("PING")
    print("ready", flush=True)
    while True:
        times = probe(clients, request)
        if not sys.stdin.readline():
            return
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
