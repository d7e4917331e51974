"""Cut the power of crawls, and continue them.

A crawl ends itself at a random change to the disk. Then the disk loses what nothing has made it
keep: each file is cut at random, not below the length that it had when it was last synced, and of
the names in a directory (files made, renamed and removed) those that came after the last sync of
the directory are undone, from the last one back, as far as chance has it. The same command then has
to come to its end, with one record for each URL. So it is with partitions, which lose their power
at once.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.crawl import (
    FORMS,
    KILLED,
    KINDS,
    LEAST,
    Case,
    crawl,
    in_child,
    killed_at,
    often,
    state_place,
    wrong,
)
from tests.crash.workers import (
    OUTPUTS,
    WorkersCase,
    crawl_workers,
    prepare,
    wrong_workers,
)

ENGINES = ("async", "threaded")
_MOST = 100  # cuts of one crawl before it has to come to its end


class Trace:
    """Writes down what a process makes the disk keep, and what it could lose, next to the crawl."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir()
        self._number = os.open(place / "trace", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._backups = count()
        self._lock = threading.Lock()  # a change and its line are one, whoever else changes things

    def begin(self, folder: Path) -> None:
        """Count what is there as kept, and follow this process from now on."""
        for path in (folder, *folder.rglob("*")):
            self._kept(path)
        os.fsync = os.fdatasync = self._synced  # type: ignore[assignment]
        os.rename = self._around(os.rename, 1, "rename")
        os.unlink = self._around(os.unlink, 0, "remove")

    def _tell(self, *values: Any) -> None:
        os.write(self._number, json.dumps(values).encode() + b"\n")

    def _kept(self, path: Path) -> None:
        if path.is_dir():
            self._tell("settle", str(path), sorted(os.listdir(path)))
        elif path.is_file():
            state = path.stat()
            self._tell("sync", state.st_ino, state.st_size)

    def _synced(self, number: int) -> None:
        with self._lock:
            self._kept(Path(os.readlink(f"/proc/self/fd/{number}")))

    def _around(self, change: Callable[..., None], at: int, word: str) -> Callable[..., None]:
        """Keep a copy of what the change replaces or removes; what a tree has does not come back.

        It lies in a directory that goes with it.
        """

        def changed(*paths: str | Path, **within: Any) -> None:
            with self._lock:
                backup = self._place / f"{next(self._backups)}"
                if there := not within and os.path.exists(paths[at]):
                    shutil.copyfile(paths[at], backup)
                self._tell(word, *map(str, paths), str(backup) if there else "")
                change(*paths, **within)

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
            case "rename":
                self._open[os.path.dirname(values[1])].append(told)
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
        if not os.path.isdir(os.path.dirname(first)):  # it was removed with what was in it
            return
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


class Cut(NamedTuple):
    """A crawl whose power is cut: how it begins and runs, what it leaves wrong, its changes."""

    name: str
    prepare: Callable[[Path], object]
    run: Callable[[Path], int]
    wrong: Callable[..., str]
    changes: int


def cut_power(number: int, draw: random.Random) -> str:
    """Cut the power so many times, and tell of it; return what is wrong, or ""."""
    cases = [_alone(Case(*each)) for each in product(ENGINES, KINDS, FORMS)]
    cases += [_several(WorkersCase(*each)) for each in product(ENGINES, KINDS, OUTPUTS, (2, 3))]
    draw.shuffle(cases)
    cuts = crawls = 0
    while cuts < number:
        case = cases[crawls % len(cases)]
        with tempfile.TemporaryDirectory() as name:
            found, problem = _crawled(case, Path(name), draw)
        if problem:
            return f"{case.name}, crawl {crawls}: {problem}"
        cuts += found
        crawls += 1
    print(f"{cuts:,} power cuts in {crawls:,} crawls: nothing lost, nothing repeated", flush=True)
    return ""


def _alone(case: Case) -> Cut:
    run, found = partial(crawl, case, sync="full"), partial(wrong, case)
    return Cut(repr(case), partial(state_place, case.kind), run, found, 40)


def _several(case: WorkersCase) -> Cut:
    run, found = partial(crawl_workers, case, sync="full"), partial(wrong_workers, case)
    return Cut(repr(case), partial(prepare, case), run, found, 80 * case.workers)


def _crawled(case: Cut, place: Path, draw: random.Random) -> tuple[int, str]:
    """Crawl to the end; return the number of power cuts, and what is wrong."""
    folder = place / "crawl"
    folder.mkdir()
    case.prepare(folder)
    for cuts in range(_MOST):
        trace = place / f"trace{cuts}"
        at, how = draw.randrange(2, case.changes), draw.choice(("before", "middle", "after"))
        least = draw.choice(LEAST)

        def run(trace: Path = trace, at: int = at, how: str = how, least: int = least) -> int:
            often(least)
            Trace(trace).begin(folder)
            killed_at(at, how)
            return case.run(folder)

        code = in_child(run)
        if code != KILLED:
            problem = case.wrong(folder, complete=True) if code == 0 else f"exit code {code}"
            return cuts, problem
        PowerCut(trace, draw).strike(folder)
        if problem := case.wrong(folder, complete=False):
            return cuts, problem
    return _MOST, "does not come to its end"
