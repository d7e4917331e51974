"""`python -m tests.crash`: kill crawls anywhere in their writes and continue them, many times over.

Each crawl runs in a process of its own, which ends itself (`_exit`, as by SIGKILL) before, in the
middle of, or after one of its changes to the disk: writes of records, of fingerprints and of
frames, renames, truncations and removals. Then the same command runs again, until it is complete.
All along, the output never is shorter than the journal says; in the end there is one valid record
for each URL, no more.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path

from tests.crash.crawl import FORMS, KINDS, Case, continued, wrong

ENGINES = ("async", "threaded")


def main() -> int:
    """Kill so many crawls; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    cases = [Case(*each) for each in product(ENGINES, KINDS, FORMS)]
    kills: Counter[str] = Counter()
    crawls = 0
    while kills.total() < given.kills:
        case = cases[crawls % len(cases)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            while (where := continued(case, folder, draw)) is not None:
                kills[where] += 1
                if problem := wrong(case, folder, complete=False):
                    return _refuted(case, problem)
            if problem := wrong(case, folder, complete=True):
                return _refuted(case, problem)
        crawls += 1
    where = ", ".join(f"{name} {number}" for name, number in sorted(kills.items()))
    print(f"{kills.total():,} kills in {crawls:,} crawls: nothing lost, nothing repeated ({where})")
    return 0


def _refuted(case: Case, problem: str) -> int:
    print(f"{case}: {problem}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
