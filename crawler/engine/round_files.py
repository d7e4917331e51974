"""The files of rounds: calls of `crawl_partition` that are numbered by `CrawlPlan.round`.

    OUT.state/pN/lock              locked by the call that runs
    OUT.state/pN/part.jsonl        the records of the call that runs
    OUT.state/pN/rM/part.jsonl     those of round M, renamed there as it ended
    OUT.state/pN/rM/MANIFEST.json  created once, after that: only with it do they exist

A round that has a manifest returns it, and changes nothing. The files of one that was killed before
it had one are taken back, and the next call goes on where its last commit ended. The journal names
the last round whose records are not in `part.jsonl` any more (`Marks.rounds`); where it does not
name the last manifest yet, it was killed in between, and its next base does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from crawler.engine.partition_plan import Manifest
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.claim import locked
from crawler.store.gathering import explained
from crawler.store.journal import disk
from crawler.store.journal.state_folder import LOCK
from crawler.store.volumes import cut_up, volumes_of

MANIFEST = "MANIFEST.json"
_ROUND = re.compile(r"r(\d+)")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a partition's directory, and keep other calls out of it.

    Raises `EnvironmentFailure` if another one runs.
    """
    with explained(str(folder)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place, flags = folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        number = locked(lambda: os.open(place, flags, 0o600), place, str(folder))
    try:
        yield
    finally:
        os.close(number)


class RoundFiles:
    """The files of one round in a partition's directory, which is `held`; number: 0 for none.

    `kept` is the last round that has a manifest, or 0.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._place = folder / f"r{number}"
        self._there = _rounds(folder)
        ended = [each for each in self._there if _manifest(folder, each).exists()]
        self.kept = max(ended, default=0)

    def __repr__(self) -> str:
        return f"RoundFiles({str(self._folder)!r}, {self._number})"

    def manifest(self) -> Manifest | None:
        """Return that of a round that has ended before; None if it has not.

        Raises `ConfigurationError` for a number that cannot follow what has ended.
        """
        if self._number > self.kept:
            return None
        if self._number and _manifest(self._folder, self._number).exists():
            return read_manifest(self._folder, self._number)
        if not self.kept:
            return None
        given = f"round {self._number}" if self._number else "a call without a round"
        raise ConfigurationError(f"{self._folder}: {given} cannot follow round {self.kept}")

    def take_back(self, names: Sequence[str]) -> None:
        """Take back what was moved by a round that has no manifest. Raises `OSError`."""
        for number in self._there:
            if number > self.kept:
                for place in (self._folder / f"r{number}" / name for name in names):
                    for file in map(Path, reversed(volumes_of(str(place)))):
                        if file.exists():
                            disk.rename(file, self._folder / file.name)

    def keep(self, manifest: Manifest) -> Manifest:
        """End the round with the parts of `manifest`, durably; return what is written of it.

        Raises `EnvironmentFailure`.
        """
        if not self._number:
            return manifest
        with explained(str(self._folder)):
            disk.make_folder(self._place)
            parts = tuple(self._moved(Path(path), length) for path, length in manifest.parts)
            for changed in (self._place, self._folder):
                disk.settle(changed)
            values = asdict(replace(manifest, round=self._number, parts=parts))
            made = disk.create(self._place / MANIFEST, orjson.dumps(values))
        if not made:  # on a file system without locks
            raise EnvironmentFailure(f"{self._place}: another process has run the same round")
        return read_manifest(self._folder, self._number)

    def _moved(self, part: Path, length: int) -> tuple[str, int]:
        for name, share in cut_up(str(part), length) if length else ():
            disk.truncate(path := Path(name), share)
            with path.open("rb") as file:
                os.fsync(file.fileno())
            disk.rename(path, self._place / path.name)
        return part.name, length


def read_manifest(folder: Path, number: int) -> Manifest:
    """Return what a round in a partition's directory has left. Raises `ConfigurationError`."""
    place = _manifest(folder, number)
    try:
        values: dict[str, Any] = orjson.loads(place.read_bytes())
        parts = tuple((str(place.parent / name), length) for name, length in values["parts"])
        return Manifest(**{**values, "parts": parts})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{place}: is damaged: {error}") from None


def manifests(folder: Path) -> list[Manifest]:
    """Return those of all rounds that have ended in a partition's directory, in order.

    Their `parts` are all the records that exist. Raises `ConfigurationError`.
    """
    ended = (each for each in _rounds(folder) if _manifest(folder, each).exists())
    return [read_manifest(folder, each) for each in ended]


def _rounds(folder: Path) -> list[int]:
    found = map(_ROUND.fullmatch, os.listdir(folder) if folder.exists() else ())
    return sorted(int(match[1]) for match in found if match)


def _manifest(folder: Path, number: int) -> Path:
    return folder / f"r{number}" / MANIFEST
