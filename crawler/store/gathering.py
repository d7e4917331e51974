"""The output of several partitions, put together once all of them have ended.

Until then the parts lie in the state. One file is built next to the output, content that is added
to first, synced, and renamed into its place; archives follow each other as members. In a directory
each part becomes `part-NNNNN`, by the number of its partition. Either can be repeated after a kill
at any moment, as `begun` says what was there before.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from crawler.model.choices import Existing
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.claim import Claim, lock, unwritable
from crawler.store.compression import packing
from crawler.store.joint import joint
from crawler.store.journal import disk
from crawler.store.output_files import check_room
from crawler.store.receipt_file import digest_of

_TOGETHER = "putting its parts together"
_PART = re.compile(r"part-(\d{5,})\.[a-z]+(?:\.gz|\.zst)?")


class CommittedPart(NamedTuple):
    """The output of one partition: its file, and how many bytes of that count."""

    partition: int
    path: Path
    length: int


class PartPacker(Protocol):
    """Makes files of records."""

    def rows(self, place: Path) -> int:
        """Return the number of rows of a file. Raises `ConfigurationError` if none can be added."""

    def pack(self, place: Path, parts: Sequence[CommittedPart], kept: int) -> None:
        """Write all records of the parts to `place`, after the first `kept` rows of the output."""


class GatheredFile:
    """One file for all parts, claimed at the start.

    head: what the file begins with. begun: the value of `begun` of an earlier run that is
    continued. Raises what `Outlet` raises.
    """

    def __init__(
        self, path: str, existing: Existing, begun: Mapping[str, Any] | None, head: bytes = b""
    ) -> None:
        self._path = self.label = path
        self._head = head
        self._place = Path(os.path.realpath(path))
        self._claim = Claim(path, existing if begun is None else "add")
        try:
            lead = begun is None and self._claim.held and joint(self._claim.fd, path, head)
            self.begun = dict(begun or {"kept": self._claim.held, "lead": bool(lead)})
            if self._claim.held < self.begun["kept"]:
                raise ConfigurationError(
                    f"{path}: has {self._claim.held:,} bytes, and had {self.begun['kept']:,} when "
                    "the crawl began; --overwrite starts over"
                )
        except BaseException:
            self._claim.release()
            raise

    def __repr__(self) -> str:
        return f"GatheredFile({self._path!r})"

    def check_room(self, parts: Sequence[CommittedPart]) -> None:
        """Raise `EnvironmentFailure` if there is no room for a file of these parts."""
        needed = self.begun["kept"] + sum(part.length for part in parts)
        check_room(self._path, self._place.parent, needed, _TOGETHER)

    def gather(self, parts: Sequence[CommittedPart]) -> dict[str, Any]:
        """Put the parts together, durably; return size and hash for the receipt.

        Raises `EnvironmentFailure`; then nothing is left of a file that was begun.
        """
        self.check_room(parts)
        draft = self._place.with_name(f"{self._place.name}.new")
        with (
            explained(self._path),
            disk.drafted(draft, self._place),
            draft.open("w+b", buffering=0) as file,
        ):
            os.fchmod(file.fileno(), os.fstat(self._claim.fd).st_mode & 0o777)
            disk.copy(self._claim.fd, file.fileno(), self.begun["kept"])
            first = self._head if not self.begun["kept"] else b"\n" * self.begun["lead"]
            if first:
                pack = packing(self._path)
                disk.write(file.fileno(), pack.pack(first) + pack.end())
            for part in parts:
                _copy(part, file.fileno())
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        self._claim.started = True  # the file with this name is the new one, and stays
        return {"bytes": size, "sha256": digest}

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
            first = max(there, default=-1) + 1 if existing == "add" else 0
            kept = sorted(there.values()) if existing == "add" else []
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
                    names.append(f"part-{number:05d}{self._suffix}")
                    self._take(part, self._place / names[-1])
            for name in self._parts().values():
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

    def _parts(self) -> dict[int, str]:
        """Return the names of the parts that are there, by their numbers."""
        found = map(_PART.fullmatch, os.listdir(self._place))
        return {int(match[1]): match[0] for match in found if match}

    def _take(self, part: CommittedPart, place: Path) -> None:
        if not part.path.exists():  # moved before a kill
            return
        draft = place.with_name(f".{place.name}.new")
        if self._packer is not None:
            with disk.drafted(draft, place):
                self._packer.pack(draft, [part], 0)
            return
        if os.stat(part.path).st_dev != os.fstat(self._number).st_dev:
            with disk.drafted(draft, place), draft.open("wb", buffering=0) as file:
                _copy(part, file.fileno())
            disk.remove(part.path)
            return
        with part.path.open("r+b", buffering=0) as file:
            disk.truncate(file.fileno(), part.length)
            os.fsync(file.fileno())
        disk.rename(part.path, place)


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
