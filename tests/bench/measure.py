"""How `make bench` measures.

Contestants do the same work by turns, round after round, and every other round backwards, so that
a machine that slows down or warms up favours nobody. Each turn is a process of its own and yields
one `Sample`; figures are medians over the rounds. A contestant that did not do the whole work
raises `NotDone`: a rate is never worked out from less.

`elapsed` is what the contestant itself took from its first to its last page, `wall` the whole
command with the start of Python and its imports. Rates use `elapsed`; both are kept.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench import processes

_TICK = 0.25  # seconds between two looks at a running process


class NotDone(Exception):
    """A contestant failed or left work undone; the message says which and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One turn: pages done, seconds (own and whole command), CPU seconds, and further figures."""

    pages: int
    elapsed: float
    wall: float
    cpu: float
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Pages a second of the contestant's own time."""
        return self.pages / self.elapsed

    def raw(self) -> dict[str, Any]:
        """The sample as JSON has it."""
        return {
            "pages": self.pages,
            "elapsed": self.elapsed,
            "wall": self.wall,
            "cpu": self.cpu,
            "rate": self.rate,
            **self.figures,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A name and what takes one turn."""

    name: str
    turn: Callable[[], Sample]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A process that ended well: its seconds from start to end and its tree's CPU seconds.

    The tree includes what ended after it, such as a fork server and its workers.
    """

    wall: float
    cpu: float


def turns(contestants: Sequence[Contestant], rounds: int) -> Iterator[Contestant]:
    """The order of play: forwards in even rounds, backwards in odd ones."""
    for number in range(rounds):
        yield from contestants if number % 2 == 0 else reversed(contestants)


def play(
    contestants: Sequence[Contestant], rounds: int, say: Callable[[str], None]
) -> dict[str, list[Sample]]:
    """Let all take their turns; the samples by contestant's name."""
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for contestant in turns(contestants, rounds):
        sample = contestant.turn()
        samples[contestant.name].append(sample)
        say(f"{contestant.name}: {sample.rate:,.0f} pages/s in {sample.elapsed:.2f} s")
    return samples


def median_rate(samples: Sequence[Sample]) -> float:
    """The median of the samples' rates, in pages a second."""
    return statistics.median(sample.rate for sample in samples)


def rate_ratio(ours: Sequence[Sample], peer: Sequence[Sample]) -> float:
    """The median over the rounds of our rate over the peer's in the same round.

    A machine that is shared has fast and slow minutes: what was measured in one of them is compared
    with what was measured in the same.
    """
    return statistics.median(a.rate / b.rate for a, b in zip(ours, peer, strict=True))


def run(words: Sequence[str], watch: Callable[[int], None] | None = None) -> Ended:
    """Run a command to its end; `watch(pid)` looks at it four times a second.

    Raises `NotDone` with the command's last line when its exit code is not 0.
    """
    processes.adopt_orphans()
    before, children = resource.getrusage(resource.RUSAGE_CHILDREN), processes.children()
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            _wait(process, watch)
        finally:
            process.kill()  # nothing happens to a process that has ended
            process.wait()
        wall = time.perf_counter() - started
        errors.seek(0)
        if process.returncode != 0:
            raise NotDone(_last_words(words, process.returncode, errors.read()))
    processes.bury(processes.children() - children)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ended(wall=wall, cpu=_cpu(after) - _cpu(before))


def _wait(process: subprocess.Popen[bytes], watch: Callable[[int], None] | None) -> None:
    if watch is None:
        process.wait()
        return
    while process.poll() is None:
        watch(process.pid)
        try:
            process.wait(timeout=_TICK)
        except subprocess.TimeoutExpired:
            continue


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _last_words(words: Sequence[str], code: int, errors: bytes) -> str:
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    return f"`{' '.join(words[:6])} ...` ended with {code}: {''.join(last) or 'no message'}"
