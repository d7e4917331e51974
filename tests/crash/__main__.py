"""`python -m tests.crash`: kill crawls anywhere in their writes and continue them, many times over.

Each crawl runs in a process of its own, which ends itself (`_exit`, as by SIGKILL) before, in the
middle of, or after one of its changes to the disk: writes of records, of fingerprints and of
frames, renames, truncations and removals. Then the same command runs again, until it is complete.
Every other crawl runs in partitions, one or three, called by a loop or at the same time.
All along, the output never is shorter than the journal says; in the end there is one valid record
for each URL, no more. Then `crawler retry` is killed in the same way (`tests.crash.retried`), and
the power is cut (`tests.crash.power`), processes are killed (`tests.crash.processes`) or stopped
for a while, networks go away (`tests.crash.stopped`), crawls get signals (`tests.crash.signalled`),
and clusters lose their processes (`tests.crash.cluster`).
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from itertools import cycle, islice, product
from pathlib import Path

from tests.crash.cluster import kill_clusters
from tests.crash.crawl import FORMS, KINDS, SAVED, Case, continued, wrong
from tests.crash.partitioned import CALLERS, RoundsCase, continued_rounds, wrong_rounds
from tests.crash.power import cut_power
from tests.crash.processes import kill_processes
from tests.crash.retried import kill_retries
from tests.crash.signalled import signal_crawls
from tests.crash.stopped import lose_networks, stop_processes
from tests.crash.workers import OUTPUTS, WorkersCase, continued_workers, wrong_workers

_PARTS = ("kills", "retries", "cuts", "processes", "stops", "networks", "signals", "clusters")
ENGINES = ("async", "threaded")
AnyCase = Case | RoundsCase | WorkersCase


def main() -> int:
    """Kill so many crawls; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--retries", type=int, default=200, help="kills of crawler retry")
    parser.add_argument("--cuts", type=int, default=500, help="power cuts")
    parser.add_argument("--processes", type=int, default=100, help="processes killed at any time")
    parser.add_argument("--stops", type=int, default=100, help="processes stopped for a while")
    parser.add_argument("--networks", type=int, default=20, help="crawls without a network")
    parser.add_argument("--signals", type=int, default=100, help="crawls that get a signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clusters", type=int, default=50, help="processes of clusters killed")
    parser.add_argument("--only", choices=_PARTS, help="nothing but this")
    given = parser.parse_args()
    for name in _PARTS:
        if given.only and name != given.only:
            setattr(given, name, 0)
    draw = random.Random(given.seed)
    problem = (given.kills and _killed(given.kills, draw)) or ""
    problem = problem or (given.retries and kill_retries(given.retries, draw)) or ""
    problem = problem or (given.cuts and cut_power(given.cuts, draw)) or ""
    problem = problem or (given.processes and kill_processes(given.processes, draw)) or ""
    problem = problem or (given.stops and stop_processes(given.stops, draw)) or ""
    problem = problem or (given.networks and lose_networks(given.networks, draw)) or ""
    problem = problem or (given.signals and signal_crawls(given.signals, draw)) or ""
    problem = problem or (given.clusters and kill_clusters(given.clusters, draw)) or ""
    if problem:
        print(f"seed {given.seed}: {problem}", file=sys.stderr)
    return 1 if problem else 0


def _killed(number: int, draw: random.Random) -> str:
    """Kill so many crawls, and tell of it; return what is wrong, or ""."""
    alone = [Case(*each) for each in product(ENGINES, KINDS, (*FORMS, SAVED))]
    files = ("list", "follow")
    rounds = [RoundsCase(*each) for each in product(ENGINES, files, FORMS, (1, 3), CALLERS)]
    workers = [WorkersCase(*each) for each in product(ENGINES, KINDS, OUTPUTS, (2, 3))]
    for each in (alone, rounds, workers):
        draw.shuffle(each)
    longest = max(len(alone), len(rounds), len(workers))
    kinds = zip(cycle(alone), cycle(rounds), cycle(workers), strict=False)
    cases: list[AnyCase] = [case for three in islice(kinds, longest) for case in three]
    kills: Counter[str] = Counter()
    crawls = 0
    while kills.total() < number:
        case = cases[crawls % len(cases)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "crawl"
            folder.mkdir()
            try:
                while (where := _continued(case, folder, draw)) is not None:
                    kills[where] += 1
                    if problem := _wrong(case, folder, complete=False):
                        return f"{case}: {problem}"
            except AssertionError as error:
                return f"{case}: {error}"
            if problem := _wrong(case, folder, complete=True):
                return f"{case}: {problem}"
        crawls += 1
    where = ", ".join(f"{name} {number}" for name, number in sorted(kills.items()))
    text = f"{kills.total():,} kills in {crawls:,} crawls: nothing lost, nothing repeated ({where})"
    print(text, flush=True)
    return ""


def _continued(case: AnyCase, folder: Path, draw: random.Random) -> str | None:
    match case:
        case Case():
            return continued(case, folder, draw)
        case RoundsCase():
            return continued_rounds(case, folder, draw)
        case WorkersCase():
            return continued_workers(case, folder, draw)


def _wrong(case: AnyCase, folder: Path, *, complete: bool) -> str:
    match case:
        case Case():
            return wrong(case, folder, complete=complete)
        case RoundsCase():
            return wrong_rounds(case, folder, complete=complete)
        case WorkersCase():
            return wrong_workers(case, folder, complete=complete)


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
