"""Two million URLs on a closed loopback port, no retries: memory, and the pace from start to end.

The port is bound and never listens, so every connection is refused and nobody else can take it.

Memory is that of the whole process tree: the sum of each living process's largest resident size,
looked at four times a second. That never says too little (short of a process that lives less than
a quarter of a second), and counts what processes share more than once.

The pace is read from outside, from the growth of the output: all its records are equally long but
for a digit here and there. Its first quarter is compared with its last; 5 % are left to noise.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.bench import processes
from tests.bench.contestants import UrlList, clear, our_command, read_stats
from tests.bench.measure import NotDone, Sample, run
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting
from tests.real.command import CrawlCommand

_MEMORY = Target(bound=250, unit=" MB", at_least=False)
_PACE = Target(bound=0.95, unit="x")
_OPTIONS = ("--retries", "0")
_CHUNK = 1 << 20


class Look(NamedTuple):
    """What is seen of a run from outside at one moment: seconds, bytes of output, bytes of memory.

    `memory` is the sum of the largest resident sizes of all living processes.
    """

    at: float
    size: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks at a run that writes `output`, and keeps what it sees."""

    output: Path
    looks: list[Look] = field(default_factory=list)

    def __call__(self, pid: int) -> None:
        """Look once at the process and its descendants."""
        size = self.output.stat().st_size if self.output.exists() else 0
        memory = sum(processes.peak_bytes(each) for each in processes.tree(pid))
        self.looks.append(Look(at=time.perf_counter(), size=size, memory=memory))


def measure(setting: Setting) -> Result:
    """One run: it is long, and a run of two million is its own repetition."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{closed.getsockname()[1]}"
        urls = _write(setting.directory / "closed.txt", origin, setting.closed_port_urls)
        sample, looks = _watched(urls, our_command(urls, options=_OPTIONS))
    setting.say(f"ours: {sample.rate:,.0f} URLs/s in {sample.elapsed:.0f} s")
    rows = (_memory_row(sample, looks), _pace_row(sample, looks))
    return Result(key="closed", how=__doc__, rows=rows, samples={"ours": [sample]})


def _watched(urls: UrlList, command: CrawlCommand) -> tuple[Sample, list[Look]]:
    """One run of ours, and what was seen of it."""
    clear(command)
    watch = Watch(output=command.output)
    ended = run(command.words(), watch)
    done = _lines(command.output)
    if done != urls.count:
        raise NotDone(f"{done} records for {urls.count} URLs on a closed port")
    stats = read_stats(command)
    figures = {"looks": watch.looks, "outcomes": stats.get("outcomes")}
    sample = Sample(
        pages=done, elapsed=stats["elapsed"], wall=ended.wall, cpu=ended.cpu, figures=figures
    )
    clear(command)  # two million records are close to a gigabyte
    return sample, watch.looks


def quarter_rates(looks: Sequence[Look]) -> tuple[float, float]:
    """Growth a second in the first and in the last quarter of all that was written.

    The size rises from its first non-zero size to its last; times within a step are
    interpolated.
    Raises `NotDone` when there were too few looks to tell quarters apart.
    """
    grown = [look for look in looks if look.size > 0]
    if len({look.size for look in grown}) < 8:
        raise NotDone("the run was too short to compare its first quarter with its last")
    first, last = grown[0].size, grown[-1].size
    marks = [first + (last - first) * part / 4 for part in (0, 1, 3, 4)]
    start, quarter, three, end = (_reached(grown, mark) for mark in marks)
    share = (last - first) / 4
    return share / (quarter - start), share / (end - three)


def _reached(grown: Sequence[Look], mark: float) -> float:
    """When the size first was `mark`."""
    before = grown[0]
    for look in grown:
        if look.size >= mark:
            rise = look.size - before.size
            part = (mark - before.size) / rise if rise else 0.0
            return before.at + (look.at - before.at) * part
        before = look
    return grown[-1].at


def _write(path: Path, origin: str, count: int) -> UrlList:
    """A list of `count` URLs, all equally long."""
    with path.open("w") as file:
        file.writelines(f"{origin}/{number:08d}\n" for number in range(count))
    return UrlList(path=path, count=count)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))


def _memory_row(sample: Sample, looks: Sequence[Look]) -> Row:
    megabytes = max(look.memory for look in looks) / 1e6
    work = f"{sample.pages:,} URLs on a closed port, memory"
    ours = f"{megabytes:.0f} MB"
    return Row(work=work, ours=ours, peer="", value=megabytes, target=_MEMORY)


def _pace_row(sample: Sample, looks: Sequence[Look]) -> Row:
    first, last = quarter_rates(looks)
    each = sample.pages / looks[-1].size  # URLs a byte of output
    return Row(
        work="the same, last quarter against first",
        ours=f"{last * each:,.0f} URLs/s",
        peer=f"{first * each:,.0f} URLs/s",
        value=last / first,
        target=_PACE,
    )
