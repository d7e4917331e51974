"""`--max-pages` for a run with several partitions: one file of claims, which all of them add to.

A partition claims a portion before it takes up pages, durably, so the claims together never exceed
the limit, whatever is killed: a run takes up at most `max_pages`. A claim that was not used is
there for the next call of its partition, and is given back at the end of a call. What the others
hold unused when the last portion is claimed is missing: at most a twentieth of `max_pages`, or a
page for each other partition.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from crawler.model.errors import EnvironmentFailure
from crawler.store.journal import disk

_CLAIM = struct.Struct("<qq")  # partition, number of pages; less than 0 to give back
_SHARE = 20


class PageQuota:
    """The claims of `partition`, one of so many, on `most` pages in all."""

    def __init__(self, path: Path, partition: int, partitions: int, most: int) -> None:
        self._path = path
        self._partition = partition
        self._most = most
        self._portion = max(1, most // (_SHARE * partitions))
        self._exhausted = False
        self._own = 0

    def __repr__(self) -> str:
        return f"PageQuota({self._partition}, own={self._own} of {self._most})"

    def allow(self, taken_up: int) -> int:
        """Return how many pages the partition may take up in all, after so many.

        Raises `EnvironmentFailure`.
        """
        if not self._exhausted:
            self._settle(taken_up, claims=True)
        return self._own

    def give_back(self, taken_up: int) -> None:
        """Give back what was claimed beyond the pages taken up. Raises `EnvironmentFailure`."""
        if self._path.exists():
            self._settle(taken_up, claims=False)

    def _settle(self, taken_up: int, *, claims: bool) -> None:
        try:
            new = not self._path.exists()
            number = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(number, fcntl.LOCK_EX)
                self._claim(number, taken_up, claims=claims)
            finally:
                os.close(number)
            if new:
                disk.settle(self._path.parent)
        except OSError as error:
            raise EnvironmentFailure(
                f"{self._path}: cannot be written: {error.strerror}; make room, and run the same "
                "command again"
            ) from None

    def _claim(self, number: int, taken_up: int, *, claims: bool) -> None:
        data = os.pread(number, os.fstat(number).st_size, 0)
        if torn := len(data) % _CLAIM.size:  # by a kill: never counted
            data = data[:-torn]
            disk.truncate(number, len(data))
        made = list(_CLAIM.iter_unpack(data))
        self._own = sum(pages for partition, pages in made if partition == self._partition)
        unused = self._own - taken_up
        change = -unused
        if claims:
            left = self._most - sum(pages for _, pages in made)
            change = 0 if unused > 0 else min(left, self._portion)
            self._exhausted = unused <= 0 and change <= 0
        if change > 0 if claims else change < 0:
            disk.write(number, _CLAIM.pack(self._partition, change))
            os.fsync(number)
            self._own += change
