"""Where our own process spends its time, for the rows whose target is missed.

py-spy samples the main process of one more run from outside; what C code does is counted to the
Python function that called it. The event loop's own work thus appears as `run`.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench.measure import NotDone, run
from tests.bench.report import Row

_SHOWN = 8


def in_missed(rows: Iterable[Row], python: Path, words: Sequence[str]) -> tuple[Row, ...]:
    """The rows, with a profile of one more run of `words` in each whose target is missed."""
    judged = tuple(rows)
    if not any(row.missed for row in judged):
        return judged
    lines = explain(python, words)
    return tuple(dataclasses.replace(row, profile=lines) if row.missed else row for row in judged)


def explain(python: Path, words: Sequence[str]) -> tuple[str, ...]:
    """The functions with the largest own share of one profiled run, or why there is no profile."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "stacks.txt"
        options = ("record", "--format", "raw", "--rate", "200", "--nonblocking")
        try:
            run([str(python.parent / "py-spy"), *options, "-o", str(output), "--", *words])
            return largest(output.read_text().splitlines())
        except (NotDone, OSError) as error:
            return (f"no profile: {error}",)


def largest(stacks: Iterable[str]) -> tuple[str, ...]:
    """Own shares from folded stacks, `outer;...;inner count` a line, the largest first."""
    own: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        own[frames.rpartition(";")[2] or "(no Python frame)"] += int(count)
    total = max(own.total(), 1)
    return tuple(f"{count / total:5.1%}  {name}" for name, count in own.most_common(_SHOWN))
