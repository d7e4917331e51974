"""An output that is made as a whole once a crawl has ended: a Parquet file, a database.

Until then its records lie in the state, as the parts of partitions. The file is built next to the
output, synced, and renamed into its place. Either can be repeated after a kill at any moment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from crawler.model.choices import Existing
from crawler.model.errors import EnvironmentFailure
from crawler.store.archive import unpacked
from crawler.store.blocks import BLOCK
from crawler.store.claim import Claim
from crawler.store.gathering import CommittedPart, PartPacker, explained
from crawler.store.journal import disk
from crawler.store.receipt_file import digest_of

_GROUP = 32 * 2**20
"""Bytes of JSON lines that are packed at once: a row group of a few MB."""


class Packer(PartPacker, Protocol):
    """Makes a file from the records of parts.

    in_place: it adds to a file where that is, in one transaction.
    """

    in_place: bool


class PackedFile:
    """One file that is made by `packer` at the end, claimed at the start.

    begun: the value of `begun` of an earlier run that is continued. Raises what `Claim` and
    `Packer.rows` raise.
    """

    def __init__(
        self, path: str, existing: Existing, begun: Mapping[str, Any] | None, packer: Packer
    ) -> None:
        self.label = path
        self._packer = packer
        self._place = Path(os.path.realpath(path))
        self._claim = Claim(path, existing if begun is None else "add")
        try:
            adds = bool(self._claim.held) if begun is None else begun["adds"]
            rows = packer.rows(self._place) if adds and begun is None else 0
            self.begun = dict(begun or {"adds": adds, "rows": rows})
        except BaseException:
            self._claim.release()
            raise

    def __repr__(self) -> str:
        return f"PackedFile({self.label!r})"

    def check_room(self, parts: Sequence[CommittedPart]) -> None:
        """Do nothing: what the records take is known once they are packed."""

    def gather(self, parts: Sequence[CommittedPart]) -> dict[str, Any]:
        """Make the file, durably; return size and hash for the receipt.

        Raises `EnvironmentFailure`.
        """
        with explained(self.label):
            if self.begun["adds"] and self._packer.in_place:
                self._packer.pack(self._place, parts, self.begun["rows"])
            else:
                self._replace(parts)
            measured = digest_of([self._place])
        self._claim.started = True  # the file with this name is the new one, and stays
        return measured

    def close(self) -> None:
        """Give the file up; one that was made and not written is removed."""
        self._claim.release()

    def _replace(self, parts: Sequence[CommittedPart]) -> None:
        draft = self._place.with_name(f"{self._place.name}.new")
        with disk.drafted(draft, self._place):
            self._packer.pack(draft, parts, self.begun["rows"])
            draft.chmod(os.fstat(self._claim.fd).st_mode & 0o777)


def groups_of(parts: Sequence[CommittedPart]) -> Iterator[bytes]:
    """Yield the lines of parts with their ends, about `_GROUP` bytes of them at a time."""
    for part in filter(lambda each: each.length, parts):
        blocks: list[bytes] = []
        size = 0
        for block in unpacked(_committed(part), str(part.path)):
            blocks.append(block)
            size += len(block)
            if size >= _GROUP and (end := block.rfind(b"\n") + 1):
                yield b"".join((*blocks[:-1], block[:end]))
                blocks = [block[end:]]
                size = len(blocks[0])
        whole = b"".join(blocks)
        if whole and not whole.endswith(b"\n"):
            raise EnvironmentFailure(f"{part.path}: ends in the middle of a record")
        if whole:
            yield whole


def _committed(part: CommittedPart) -> Iterator[bytes]:
    """Yield what was committed of a part."""
    left = part.length
    with part.path.open("rb") as file:
        while left:
            block = file.read(min(left, BLOCK))
            if not block:
                raise EOFError
            left -= len(block)
            yield block
