"""What becomes of the parts that several partitions have written.

`Gathered` puts them together at the end, in files or directories. `Forwarded` passes the records
on as they are committed, to standard output, a pipe or a device. `PartLogs` collects what the
partitions have written next to their records (`--audit`, `--repeats`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, cast

from crawler.engine.parallel_crawl import ParallelCrawl
from crawler.engine.partition_plan import Manifest
from crawler.model.choices import Existing
from crawler.model.errors import EnvironmentFailure
from crawler.model.outcome import Final
from crawler.store.gathering import CommittedPart
from crawler.store.log import LineLog
from crawler.store.run_folder import GatheringPlace, RunFolder
from crawler.store.sinks import RecordSink

if TYPE_CHECKING:
    from crawler.engine.rounds import RoundsCrawl

_BLOCK = 1 << 20  # bytes that are passed on at once
_PAUSE = 0.02  # seconds between two looks at a reader that has no room
_COUNTED = ("read", "found", "records", "repeats")


class Gathered:
    """The output of a run, put together at its end: places, each with the number of a part.

    lasting: the options that a later run has to share, for a run that leaves its state if it does
    not come to its end; without them it leaves the records that there are. held: released last.
    """

    def __init__(
        self,
        crawl: ParallelCrawl | RoundsCrawl,
        places: Sequence[tuple[GatheringPlace, int]],
        folder: RunFolder,
        *,
        logs: PartLogs,
        lasting: Mapping[str, Any] | None,
        held: ExitStack,
    ) -> None:
        self._logs = logs
        self._crawl = crawl
        self._places = places
        self._folder = folder
        self._lasting = lasting
        self._held = held
        self._closed = False

    def __repr__(self) -> str:
        return f"Gathered({self._places!r})"

    @property
    def written(self) -> int:
        """Number of records that this run has written."""
        return self._crawl.written

    def close(self, *, whole: bool = True) -> None:
        """Put the parts together if the crawl is `whole`; may be called again.

        Raises `CrawlerError`.
        """
        if self._closed:
            return
        self._closed = True
        with self._held:
            self._logs.collect()
            if self._lasting is None:
                self._keep_what_there_is(whole=whole)
            elif whole:
                self._finish(self._lasting)
            elif self._folder.untouched:
                self._folder.discard()

    def _keep_what_there_is(self, *, whole: bool) -> None:
        begun = [each for each in self._crawl.manifests if each.parts]
        for place, number in self._places:
            parts = [
                CommittedPart(each.partition, Path(path), length)
                for each in begun
                for path, length in each.parts[number : number + 1]
            ]
            if whole or any(part.length for part in parts):
                place.gather(parts)

    def _finish(self, options: Mapping[str, Any]) -> None:
        manifests = self._crawl.manifests
        if not self._crawl.done:
            left = sum(each.left for each in manifests)
            raise EnvironmentFailure(f"{left:,} URLs have no record; the same command goes on")
        sums = {name: sum(getattr(each, name) for each in manifests) for name in _COUNTED}
        self._folder.end(options, sums)
        self._folder.finish(*(place for place, _ in self._places))


class Forwarded:
    """Passes on what partitions commit, each commit as a whole, to `path`.

    head: what comes first. held: released last, by `close`.
    """

    def __init__(self, path: str, held: ExitStack, head: bytes = b"") -> None:
        self.logs: PartLogs | None = None
        encode = cast("Callable[[Final], bytes]", bytes)  # what is put is encoded already
        self._sink = RecordSink(path, encode=encode)
        self._commits: deque[tuple[str, int, int]] = deque()  # parts, from where to where
        self._taken: dict[int, int] = {}  # bytes of each partition
        self._deadline = inf
        self._held = held
        if head:
            self._sink.put(cast("Final", head))

    def __repr__(self) -> str:
        return f"Forwarded({self._sink!r})"

    @property
    def written(self) -> int:
        """Number of records written."""
        return self._sink.written

    def take(self, manifest: Manifest) -> None:
        """Pass on more, as far as there is room.

        One commit follows the other, so that no record comes in the middle of another.
        """
        for part, length in manifest.parts:
            taken = self._taken.get(manifest.partition, 0)
            if length > taken:
                self._commits.append((part, taken, length))
                self._taken[manifest.partition] = length
        self.pass_on()

    def end_within(self, seconds: float) -> None:
        """Wait at most so long, from now, for whoever reads it."""
        self._deadline = min(self._deadline, monotonic() + seconds)
        self._sink.end_within(seconds)

    def close(self, *, whole: bool = True) -> None:
        """Pass on the rest; may be called again. Raises what `RecordSink` raises."""
        with self._held:
            try:
                while self.pass_on():
                    if monotonic() > self._deadline:
                        break
                    sleep(_PAUSE)
            finally:
                if self.logs is not None:
                    self.logs.collect()
                self._sink.close(whole=whole)

    def pass_on(self) -> int:
        """Pass on what there is room for; return the bytes that there is none for."""
        while self._commits and self._sink.has_room:
            part, at, end = self._commits.popleft()
            with open(part, "rb") as file:
                lines = os.pread(file.fileno(), min(_BLOCK, end - at), at)
            self._sink.put(cast("Final", lines))
            if (at := at + len(lines)) < end:
                self._commits.appendleft((part, at, end))
        return sum(end - at for _, at, end in self._commits)


class PartLogs:
    """Files that each partition writes by itself, and which are one at the end.

    existing: how files are treated that hold something. Raises what `Outlet` raises.
    """

    def __init__(self, paths: Mapping[str, str], existing: Existing, folder: Path) -> None:
        self._folder = folder
        self._logs: dict[str, LineLog] = {}
        with ExitStack() as stack:
            for name, path in paths.items():
                self._logs[name] = stack.enter_context(LineLog(path, existing))
            self._stack = stack.pop_all()

    def __repr__(self) -> str:
        return f"PartLogs({sorted(self._logs)})"

    def collect(self) -> None:
        """Add what the partitions have written, and remove it there."""
        for name, log in self._logs.items():
            for part in sorted(self._folder.glob(f"p[0-9]*/{name}.jsonl")):
                with part.open("rb") as file:
                    while lines := file.readlines(_BLOCK):
                        log.add(b"".join(lines))
                part.unlink()

    def close(self) -> None:
        """Close them. Raises `CrawlerError`."""
        self._stack.close()
