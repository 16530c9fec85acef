# What a parallel region of PyMP costs, and an iteration of its shared loop: pymp_costs.py WORKERS RUNS
import sys
from time import perf_counter

import pymp

workers, runs = int(sys.argv[1]), int(sys.argv[2])
ITERATIONS = 500


def measure(name, count, body):
    times = []
    for _ in range(runs + 1):
        began = perf_counter()
        body()
        times.append((perf_counter() - began) / count)
    # The first one is not counted.
    print(name, *times[1:], flush=True)


def region():
    with pymp.Parallel(workers):
        pass


def loop():
    with pymp.Parallel(workers) as team:
        for _ in team.xrange(ITERATIONS):
            pass


measure("a-parallel-region", 1, region)
measure("an-iteration-of-xrange", ITERATIONS, loop)
