"""The least that trafilatura can do: the main text of files, on every core, without a crawl.

    python -m tests.bench.peers.bare_trafilatura LIST STATS

LIST has a path a line, STATS gets pages and seconds. It runs on the same Python as ours.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import trafilatura

_CHUNK = 16  # as many pages as a crawl hands over at once


def extract(path: str) -> int:
    """Extract one file's text and return its length."""
    markup = Path(path).read_text(encoding="utf-8", errors="replace")
    return len(trafilatura.extract(markup, fast=True, include_comments=False) or "")


def main(list_path: str, stats: str) -> None:
    """Extract every file and write pages and seconds, from the first one on."""
    paths = Path(list_path).read_text().split()
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(extract, paths[:cores]))  # until the workers have started
        started = time.perf_counter()
        done = list(pool.map(extract, paths, chunksize=_CHUNK))
        elapsed = time.perf_counter() - started
    Path(stats).write_text(json.dumps({"elapsed": elapsed, "pages": len(done)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
