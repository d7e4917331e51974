"""The state of a run with several partitions: what its parent keeps next to theirs.

    OUT.state/lock         locked by the parent
    OUT.state/run.json     format, options, number of partitions, the sites that were dealt out to
                           them, what the outputs held before, which part each is made of
    OUT.state/pN/          the state of partition N
    OUT.state/pages        the quota of `--max-pages`
    OUT.state/rounds/      the rounds of a cluster (`crawler.engine.round_state`)
    OUT.state/ended.json   all have ended: their parts have to be put together, and no more

With `ended.json` nothing is crawled any more. Whoever finds it puts the parts together again,
writes the receipt and removes the state. As no receipt is there when a run begins, one next to a
state says that only the removal is left to do.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import orjson

from crawler.model.errors import EnvironmentFailure
from crawler.store.claim import is_at, lock, locked
from crawler.store.gathering import CommittedPart, explained
from crawler.store.journal import disk
from crawler.store.journal.frame import Marks
from crawler.store.journal.state_folder import FORMAT, LOCK, StateFolder
from crawler.store.object_directory import ObjectDirectory
from crawler.store.receipt_file import indented, others_of

ROUNDS = "rounds"
"""The directory in which rounds on a cluster meet."""
PLACE = Path(ROUNDS, "place")
"""The file with the name of the place in an object store where they meet instead."""
_PATIENCE = 10.0  # seconds for processes that notice at once that their parent has gone
_PAUSE = 0.02


class GatheringPlace(Protocol):
    """An output that parts are put together in; `begun` is what to know to do that again."""

    begun: dict[str, Any]
    label: str

    def check_room(self, parts: Sequence[CommittedPart]) -> None:
        """Raise `EnvironmentFailure` if there is no room to put these parts together."""

    def gather(self, parts: Sequence[CommittedPart]) -> dict[str, Any]:
        """Put the parts together, durably; return what the receipt says of the output."""

    def close(self) -> None:
        """Give the output up."""


class RunFolder:
    """The directory of a run's state, and its receipt. Nothing is made before `begin`."""

    def __init__(
        self, output: str, state: str = "", *, given: Mapping[str, Any] | None = None
    ) -> None:
        self._whole = StateFolder(output, state, given=given)
        self.output = output
        self.path = self._whole.path
        self._lock = -1

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def partitions(self) -> int:
        """Number of partitions of a run that was begun; 0 without one."""
        try:
            run = orjson.loads((self.path / "run.json").read_bytes())
            return int(run.get("partitions", 0))
        except (OSError, ValueError, AttributeError, TypeError):
            return 0  # none, or one that `options` explains

    @property
    def started_alone(self) -> bool:
        """True if a run without partitions has left its state here."""
        return self._whole.begun

    @property
    def ended(self) -> bool:
        """True if all partitions have ended, and `finish` is left to do."""
        return (self.path / "ended.json").exists() or self._whole.receipt.exists()

    def begun(self) -> list[dict[str, Any]]:
        """Return what `begin` was given of the outputs. Raises `ConfigurationError`."""
        run = self._whole.run()
        return [run["begun"], *run.get("others", ())]

    def kept(self, outputs: int) -> list[int]:
        """Return the numbers of the parts that a run's outputs are made of."""
        found: list[int] = self._whole.run().get("kept", list(range(outputs)))
        return found

    @property
    def untouched(self) -> bool:
        """True if no partition has committed anything."""
        return not any(
            any(self.path.glob(each))
            for each in ("p[0-9]*/journal", f"{ROUNDS}/p[0-9]*", str(PLACE))
        )

    def options(self) -> dict[str, Any]:
        """Return the options of the run that began. Raises `ConfigurationError`."""
        return dict(self._whole.run()["options"])

    def lock(self) -> None:
        """Keep other parents away. Raises `EnvironmentFailure` if there is another."""
        self._whole.check()
        try:
            self._lock = locked(self._made_or_there, self.path / LOCK, self.output)
        except OSError as error:
            raise EnvironmentFailure(f"{self.path}: cannot be written: {error.strerror}") from None

    def _made_or_there(self) -> int:
        while True:
            disk.make_folder(self.path)
            with suppress(FileNotFoundError):  # removed by another parent, which ends
                return os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def wait_for_partitions(self) -> None:
        """Wait until the partitions of an earlier parent have ended, which they do with it.

        Raises `EnvironmentFailure` if one does not.
        """
        until = time.monotonic() + _PATIENCE
        for path in self.path.glob(f"p[0-9]*/{LOCK}"):
            number = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                _wait_for(number, str(path), until)
            finally:
                os.close(number)

    def begin(
        self,
        options: Mapping[str, Any],
        partitions: int,
        *targets: GatheringPlace,
        kept: Sequence[int] = (),
    ) -> None:
        """Begin a run of so many partitions into these outputs. Raises `EnvironmentFailure`.

        kept: what `kept` is to return; by default each output has parts of its own.
        """
        first, *others = (each.begun for each in targets)
        run = self._described(options)
        run |= {"partitions": partitions, "begun": first, "others": others}
        run |= {"kept": list(kept)} if kept else {}
        with explained(str(self.path)):
            disk.remove(self._whole.receipt)
            for name in ("journal", "seen", "status.json"):  # of a crawl that is replaced
                disk.remove(self.path / name)
            disk.replace(self.path / "run.json", indented(run))
            disk.settle(self.path)
            disk.settle(self.path.parent)

    def deal(self, sites: Mapping[str, int]) -> None:
        """Fix the partitions of sites, once, before any has begun. Raises `EnvironmentFailure`."""
        run = self._whole.run()
        if "sites" not in run and self.untouched:
            with explained(str(self.path)):
                disk.replace(self.path / "run.json", indented(run | {"sites": dict(sites)}))
                disk.settle(self.path)

    def check_room(self, *targets: GatheringPlace) -> None:
        """Raise `EnvironmentFailure` if there is no room to put together what was written so far.

        That needs as much again: better known before a crawl goes on than at its end.
        """
        kept = self.kept(len(targets)) if self.partitions else ()
        for number, target in zip(kept, targets, strict=False):
            paths = self.path.glob(f"p[0-9]*/{part_name(number)}[.-]*")
            target.check_room([CommittedPart(0, path, path.stat().st_size) for path in paths])

    def accept(self, options: Mapping[str, Any]) -> None:
        """Go on with other options. Raises `EnvironmentFailure`."""
        with explained(str(self.path)):
            disk.replace(
                self.path / "run.json", indented(self._whole.run() | self._described(options))
            )

    def end(self, options: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Write down that every partition has ended, durably. Raises `EnvironmentFailure`.

        counts: sums over the partitions.
        """
        paths = [self.path / f"p{number}" for number in range(self.partitions)]
        folders = [StateFolder(str(path), str(path)) for path in paths]
        marks = list(map(_last_marks, folders))
        outcomes: Counter[str] = Counter()
        for each in marks:
            outcomes.update(each.outcomes)
        ended = {
            "format": FORMAT,
            "options": dict(options),
            "given": dict(self._whole.given),
            "outcomes": dict(outcomes),
            "partitions": len(marks),
            "cursor": marks[0].cursor,
            "entries": marks[0].entries,
            **counts,
            "ended": round(time.time(), 3),
            "lengths": [each.lengths for each in marks],
        }
        with explained(str(self.path)):
            disk.replace(self.path / "ended.json", indented(ended))
            disk.settle(self.path)

    def finish(self, *targets: GatheringPlace) -> dict[str, Any]:
        """Put the parts together, and the receipt in the place of the state; return the receipt.

        Raises `EnvironmentFailure`.
        """
        with explained(str(self.path)):
            if self._whole.receipt.exists():
                receipt = dict(orjson.loads(self._whole.receipt.read_bytes()))
            else:
                receipt = self._read("ended.json")
                lengths = receipt.pop("lengths")
                first, *others = (
                    each.gather(self._parts(number, lengths))
                    for number, each in zip(self.kept(len(targets)), targets, strict=True)
                )
                names = (each.label for each in targets[1:])
                receipt |= first | others_of(dict(zip(names, others, strict=True)))
                for each in targets:
                    if isinstance(each, ObjectDirectory):
                        each.publish(indented(receipt))
                disk.replace(self._whole.receipt, indented(receipt))
                disk.settle(self._whole.receipt.parent)
            self.discard()
        return receipt

    def discard(self) -> None:
        """Remove the state, as far as it is ours; what makes it one comes last, but for the lock.

        Raises `OSError`.
        """
        for path in (*self.path.glob("p[0-9]*"), *self.path.glob(ROUNDS)):
            shutil.rmtree(path)
        for path in (
            *self.path.glob("pages*"),
            *self.path.glob("input*"),
            *self.path.glob("run.json.*"),
        ):
            disk.remove(path)
        for name in ("ended.json", "ended.json.new"):
            disk.remove(self.path / name)
        self._whole.discard()

    def close(self) -> None:
        """Unlock it; a directory in which nothing was begun is removed."""
        if self._lock < 0:
            return
        ours = is_at(self.path / LOCK, self._lock)
        if ours and not (self.path / "run.json").exists():
            disk.remove(self.path / LOCK)
            with suppress(OSError):  # somebody else has put something there, or it is gone
                self.path.rmdir()
        os.close(self._lock)
        self._lock = -1

    def _described(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "output": self._whole.place,
            "options": dict(options),
            "given": dict(self._whole.given),
        }

    def _parts(self, output: int, lengths: Sequence[Sequence[int]]) -> list[CommittedPart]:
        """Return the parts of an output."""
        name = part_name(output)
        found: list[CommittedPart] = []
        for partition, each in enumerate(lengths):
            folder = self.path / f"p{partition}"
            there = sorted(folder.glob(f"{name}.*"))  # none once it has been moved away
            length = each[output] if output < len(each) else 0
            found.append(CommittedPart(partition, there[0] if there else folder / name, length))
        return found

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(orjson.loads((self.path / name).read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise self._whole.damaged(f"{name}: {error}") from None


def part_name(output: int) -> str:
    """Return the name, without its suffix, of what a partition writes for an output."""
    return f"part{output or ''}"


def _last_marks(folder: StateFolder) -> Marks:
    marks = Marks()
    for frame in folder.frames() if folder.begun else ():
        marks = frame.marks
    return marks


def _wait_for(number: int, path: str, until: float) -> None:
    while True:
        try:
            lock(number, path)
        except EnvironmentFailure:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        else:
            return
