"""Cut the power of crawls, and continue them.

A crawl ends itself at a random change to the disk. Then the disk loses what nothing has made it
keep: each file is cut at random, not below the length that it had when it was last synced, and of
the names in a directory (files made, renamed and removed) those that came after the last sync of
the directory are undone, from the last one back, as far as chance has it. The same command then has
to come to its end, with one record for each URL.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from itertools import count, product
from pathlib import Path
from typing import Any

from crawler.store import sinks
from crawler.store.journal import disk, journal
from tests.crash.crawl import FORMS, KILLED, KINDS, Case, crawl, killed_at, wrong

ENGINES = ("async", "threaded")
_MOST = 100  # cuts of one crawl before it has to come to its end


class Trace:
    """Writes down what a process makes the disk keep, and what it could lose, next to the crawl."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir()
        self._number = os.open(place / "trace", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._backups = count()

    def begin(self, folder: Path) -> None:
        """Count what is there as kept, and follow this process from now on."""
        for path in (folder, *folder.rglob("*")):
            self._kept(path)
        os.fsync = os.fdatasync = self._synced  # type: ignore[assignment]
        disk.rename = self._around(disk.rename, 1, "rename")
        disk.remove = self._around(disk.remove, 0, "remove")

    def _tell(self, *values: Any) -> None:
        os.write(self._number, json.dumps(values).encode() + b"\n")

    def _kept(self, path: Path) -> None:
        if path.is_dir():
            self._tell("settle", str(path), sorted(os.listdir(path)))
        elif path.is_file():
            state = path.stat()
            self._tell("sync", state.st_ino, state.st_size)

    def _synced(self, number: int) -> None:
        self._kept(Path(os.readlink(f"/proc/self/fd/{number}")))

    def _around(self, change: Callable[..., None], at: int, word: str) -> Callable[..., None]:
        """Keep a copy of what the change replaces or removes."""

        def changed(*paths: Path) -> None:
            backup = self._place / f"{next(self._backups)}"
            if there := paths[at].exists():
                shutil.copyfile(paths[at], backup)
            self._tell(word, *map(str, paths), str(backup) if there else "")
            change(*paths)

        return changed


class PowerCut:
    """Undoes what a trace does not show to be kept."""

    def __init__(self, place: Path, draw: random.Random) -> None:
        self._draw = draw
        self._lengths: dict[int, int] = {}  # by inode
        self._names: dict[str, set[str]] = {}  # by directory, when it was last settled
        self._open: dict[str, list[list[str]]] = defaultdict(list)  # changes of names since then
        for line in (place / "trace").read_bytes().splitlines():
            self._take(json.loads(line))

    def _take(self, told: list[Any]) -> None:
        word, *values = told
        match word:
            case "sync":
                self._lengths[values[0]] = values[1]
            case "settle":
                self._names[values[0]] = set(values[1])
                self._open.pop(values[0], None)
            case _:
                self._open[os.path.dirname(values[0])].append(told)

    def strike(self, folder: Path) -> None:
        """Change the files as a power cut would."""
        for changes in self._open.values():
            for change in reversed(changes[self._draw.randrange(len(changes) + 1) :]):
                self._undo(*change)
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.name in self._names.get(str(path.parent), ()) or self._renamed(path):
                continue
            if self._draw.random() < 0.5:  # its name never got there
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in folder.rglob("*"):
            if path.is_file():
                size = path.stat().st_size
                least = min(self._lengths.get(path.stat().st_ino, 0), size)
                os.truncate(path, self._draw.randint(least, size))

    def _undo(self, word: str, first: str, *rest: str) -> None:
        *_, backup = rest
        if word == "rename":
            if os.path.exists(rest[0]):
                os.rename(rest[0], first)
            if backup:
                shutil.copyfile(backup, rest[0])
                self._lengths[os.stat(rest[0]).st_ino] = os.stat(rest[0]).st_size
        elif backup and not os.path.exists(first):
            shutil.copyfile(backup, first)
            self._lengths[os.stat(first).st_ino] = os.stat(first).st_size

    def _renamed(self, path: Path) -> bool:
        """Whether a name came by a change that was undone or not: that has been decided."""
        return any(str(path) in change for change in self._open[str(path.parent)])


def cut_power(number: int, draw: random.Random) -> str:
    """Cut the power so many times, and tell of it; return what is wrong, or ""."""
    cases = [Case(*each) for each in product(ENGINES, KINDS, FORMS)]
    draw.shuffle(cases)
    cuts = crawls = 0
    while cuts < number:
        case = cases[crawls % len(cases)]
        with tempfile.TemporaryDirectory() as name:
            found, problem = _crawled(case, Path(name), draw)
        if problem:
            return f"{case}, crawl {crawls}: {problem}"
        cuts += found
        crawls += 1
    print(f"{cuts:,} power cuts in {crawls:,} crawls: nothing lost, nothing repeated", flush=True)
    return ""


def _crawled(case: Case, place: Path, draw: random.Random) -> tuple[int, str]:
    """Crawl to the end; return the number of power cuts, and what is wrong."""
    folder = place / "crawl"
    folder.mkdir()
    for cuts in range(_MOST):
        trace = place / f"trace{cuts}"
        at, how = draw.randrange(2, 40), draw.choice(("before", "middle", "after"))
        child = os.fork()
        if child == 0:
            sinks._COMMIT, sinks._COMMIT_PACE = 2_000, 0.0
            journal._LEAST, journal._GROWTH = 1_000, 1
            Trace(trace).begin(folder)
            killed_at(at, how)
            os._exit(crawl(case, folder, sync="full"))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != KILLED:
            return cuts, wrong(case, folder, complete=True) if code == 0 else f"exit code {code}"
        PowerCut(trace, draw).strike(folder)
        if problem := wrong(case, folder, complete=False):
            return cuts, problem
    return _MOST, "does not come to its end"
