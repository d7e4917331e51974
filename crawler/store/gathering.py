"""The output of several partitions, put together once all of them have ended.

Until then the parts lie in the state. One file is built next to the output, content that is added
to first, synced, and renamed into its place; archives follow each other as members. In a directory
each part becomes `part-NNNNN`, by the number of its partition. Either can be repeated after a kill
at any moment, as `begun` says what was there before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from crawler.model.choices import Existing
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.claim import Claim, lock, unwritable
from crawler.store.compression import packing
from crawler.store.joint import joint
from crawler.store.journal import disk
from crawler.store.outlet import Head, no_head
from crawler.store.output_files import check_room
from crawler.store.receipt_file import digest_of
from crawler.store.volumes import check_volumes, cut_up, named, volume, volumes_of

_TOGETHER = "putting its parts together"
_PART = re.compile(r"part-(\d{5,})(?:-\d{5,})?\.[a-z]+(?:\.gz|\.zst)?")


class CommittedPart(NamedTuple):
    """The output of one partition: its file, and how many bytes of that count."""

    partition: int
    path: Path
    length: int

    @property
    def files(self) -> list[CommittedPart]:
        """The files that it consists of (`crawler.store.volumes`). Raises `OSError`."""
        found = cut_up(str(self.path), self.length) if self.length else ()
        return [CommittedPart(self.partition, Path(path), length) for path, length in found]


class PartPacker(Protocol):
    """Makes files of records."""

    def rows(self, place: Path) -> int:
        """Return the number of rows of a file. Raises `ConfigurationError` if none can be added."""

    def pack(self, place: Path, parts: Sequence[CommittedPart], kept: int) -> None:
        """Write all records of the parts to `place`, after the first `kept` rows of the output."""


class GatheredFile:
    """One file for all parts, claimed at the start; an archive may take several.

    head: what a file begins with. most: bytes that one of an archive has, unless a part of it has
    more; 0 for any number. begun: the value of `begun` of an earlier run that is continued. Raises
    what `Outlet` raises.
    """

    def __init__(
        self,
        path: str,
        existing: Existing,
        begun: Mapping[str, Any] | None,
        head: Head = no_head,
        most: int = 0,
    ) -> None:
        self._path = self.label = path
        self._head = head
        self._most = most
        self._place = os.path.realpath(path)
        self._claim = Claim(path, existing if begun is None else "add")
        try:
            self.begun = dict(begun or self._begun(existing))
            there = os.stat(self._first).st_size if os.path.exists(self._first) else 0
            if there < self.begun["kept"]:
                raise ConfigurationError(
                    f"{path}: has {there:,} bytes, and had {self.begun['kept']:,} when "
                    "the crawl began; --overwrite starts over"
                )
        except BaseException:
            self._claim.release()
            raise

    def __repr__(self) -> str:
        return f"GatheredFile({self._path!r})"

    @property
    def _first(self) -> str:
        """The file that is added to: the last of those that are there."""
        return volume(self._place, self.begun.get("number", 0))

    def _begun(self, existing: Existing) -> dict[str, Any]:
        check_volumes(self._place, existing)
        if existing != "add" or not self._claim.held:
            return {"kept": 0, "lead": False}
        *before, last = volumes_of(self._place)
        with open(last, "rb") as file:
            lead = joint(file.fileno(), self._path, self._head(os.path.basename(last)))
        return {"kept": os.stat(last).st_size, "lead": bool(lead), "number": len(before)}

    def check_room(self, parts: Sequence[CommittedPart]) -> None:
        """Raise `EnvironmentFailure` if there is no room for a file of these parts."""
        needed = self.begun["kept"] + sum(part.length for part in parts)
        check_room(self._path, os.path.dirname(self._place), needed, _TOGETHER)

    def gather(self, parts: Sequence[CommittedPart]) -> dict[str, Any]:
        """Put the parts together, durably; return size and hash for the receipt.

        Raises `EnvironmentFailure`; then nothing is left of a file that was begun.
        """
        self.check_room(parts)
        with explained(self._path):
            first, shares = self.begun.get("number", 0), self._shares(parts)
            for number, files in enumerate(shares, first):
                self._write(Path(volume(self._place, number)), files)
            for other in volumes_of(self._place)[first + len(shares) :]:
                disk.remove(Path(other))  # of an archive that is replaced
            measured = digest_of(map(Path, volumes_of(self._place)))
        self._claim.started = True  # the file with this name is the new one, and stays
        return measured

    def _shares(self, parts: Sequence[CommittedPart]) -> list[list[CommittedPart]]:
        """Return what goes into each file, at least one: as many parts as there is room for."""
        shares: list[list[CommittedPart]] = [[]]
        size = self.begun["kept"]
        for file in (file for part in parts for file in part.files):
            if self._most and size and size + file.length > self._most:
                shares.append([])
                size = 0
            shares[-1].append(file)
            size += file.length
        return shares

    def _write(self, place: Path, files: Sequence[CommittedPart]) -> None:
        kept = self.begun["kept"] if str(place) == self._first else 0
        draft = place.with_name(f"{place.name}.new")
        with disk.drafted(draft, place), draft.open("wb", buffering=0) as file:
            os.fchmod(file.fileno(), os.fstat(self._claim.fd).st_mode & 0o777)
            if kept:
                _copy(CommittedPart(0, place, kept), file.fileno())
            first = b"\n" * self.begun["lead"] if kept else self._head(place.name)
            if first:
                pack = packing(self._path)
                disk.write(file.fileno(), pack.pack(first) + pack.end())
            for part in files:
                _copy(part, file.fileno())

    def close(self) -> None:
        """Give the file up; one that was made and not written is removed."""
        self._claim.release()


class PartDirectory:
    """A directory of parts, made if it is missing and locked as long as it is open.

    suffix: of the parts' names, `.jsonl` and more. packer: makes them of rows, if given. begun: as
    for `GatheredFile`. Raises
    `ConfigurationError` for a directory with parts that may neither be replaced nor added to,
    `EnvironmentFailure` for one that cannot be made or that another process writes.
    """

    def __init__(
        self,
        path: str,
        existing: Existing,
        begun: Mapping[str, Any] | None,
        *,
        suffix: str,
        packer: PartPacker | None = None,
    ) -> None:
        self._path = self.label = path
        self._place = Path(os.path.realpath(path))
        self._suffix = suffix
        self._packer = packer
        self._made = not self._place.exists()
        with explained(path):
            if self._made:
                self._place.mkdir()
            self._number = os.open(self._place, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            lock(self._number, path)
            there = self._parts()
            if there and begun is None and existing == "refuse":
                raise ConfigurationError(
                    f"{path}: holds {len(there):,} parts already; say --append or --overwrite, or "
                    "name another directory"
                )
            if existing == "add" and begun is None:
                self._check_alike(there)
            first = max(there.values(), default=-1) + 1 if existing == "add" else 0
            kept = sorted(there) if existing == "add" else []
            if packer is not None and begun is None:
                for name in kept:
                    packer.rows(self._place / name)
            self.begun = dict(begun or {"first": first, "kept": kept})
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"PartDirectory({self._path!r})"

    def check_room(self, parts: Sequence[CommittedPart]) -> None:
        """Raise `EnvironmentFailure` if there is no room for parts that come from another disk."""
        here = os.fstat(self._number).st_dev
        there = [each for each in parts if each.path.exists() and each.path.stat().st_dev != here]
        check_room(self._path, self._place, sum(part.length for part in there), _TOGETHER)

    def gather(self, parts: Sequence[CommittedPart]) -> dict[str, Any]:
        """Move the parts here, durably; return names, sizes and hash for the receipt.

        Raises `EnvironmentFailure`.
        """
        self.check_room(parts)
        names = list(self.begun["kept"])
        with explained(self._path):
            disk.settle(self._place.parent)  # before anything relies on a directory made here
            for part in parts:
                number = self.begun["first"] + part.partition
                if part.length:
                    names += self._take(part, self._place / f"part-{number:05d}{self._suffix}")
            for name in self._parts():
                if name not in names:  # of an output that is replaced
                    disk.remove(self._place / name)
            disk.settle(self._place)
            measured = digest_of(self._place / name for name in names)
        self._made = False
        return {"parts": names, **measured}

    def close(self) -> None:
        """Give the directory up; one that was made and not written is removed."""
        os.close(self._number)
        if self._made:
            with suppress(OSError):  # somebody else has put something there
                self._place.rmdir()

    def _check_alike(self, names: Iterable[str]) -> None:
        """Raise `ConfigurationError` for parts of another format; they may be packed otherwise."""
        for name in sorted(names):
            if name.split(".")[1] != self._suffix.split(".")[1]:
                raise ConfigurationError(
                    f"{self._path}: holds {name}, and new parts would be {self._suffix[1:]}; name "
                    "another directory, or say --overwrite"
                )

    def _parts(self) -> dict[str, int]:
        """Return the files of the parts that are there, and their numbers."""
        found = map(_PART.fullmatch, os.listdir(self._place))
        return {match[0]: int(match[1]) for match in found if match}

    def _take(self, part: CommittedPart, place: Path) -> list[str]:
        """Move a part here, or pack it; return the names of its files."""
        if self._packer is not None:
            if part.path.exists():
                with disk.drafted(_draft(place), place):
                    self._packer.pack(_draft(place), [part], 0)
            return [place.name]
        names: list[str] = []
        left, name = part.length, part.path.name.partition(".")[0] + self._suffix
        number = 0
        while left:
            source, goal = _named(part.path.with_name(name), number), _named(place, number)
            moved = not source.exists()  # before a kill
            length = min(left, (goal if moved else source).stat().st_size)
            if not moved:
                self._move(CommittedPart(part.partition, source, length), goal)
            names.append(goal.name)
            left -= length
            number += 1
        return names

    def _move(self, part: CommittedPart, place: Path) -> None:
        if os.stat(part.path).st_dev != os.fstat(self._number).st_dev:
            with disk.drafted(_draft(place), place), _draft(place).open("wb", buffering=0) as file:
                _copy(part, file.fileno())
            disk.remove(part.path)
            return
        with part.path.open("r+b", buffering=0) as file:
            disk.truncate(file.fileno(), part.length)
            os.fsync(file.fileno())
        disk.rename(part.path, place)


def _named(place: Path, number: int) -> Path:
    return place.with_name(named(place.name, number))


def _draft(place: Path) -> Path:
    return place.with_name(f".{place.name}.new")


def _copy(part: CommittedPart, target: int) -> None:
    if not part.length:
        return
    with part.path.open("rb", buffering=0) as file:
        disk.copy(file.fileno(), target, part.length)


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Raise `EnvironmentFailure` that names `path` for what the system refuses in the block."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from None
    except EOFError:
        raise EnvironmentFailure(f"{path}: a part is shorter than what was written to it") from None
