"""A crawl in partitions that kills itself at a chosen change to the disk of any of them.

The partitions are called in rounds, by a loop or by threads at the same time, over a web of many
hosts whose links and redirects lead from one partition to another. A run that was killed begins
with the first round again. After each kill every part is at least as long as its journal says, the
files of a round as long as its manifest says, nobody has received more than was committed for
others, and in the end the files of the rounds hold one valid record for each URL.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, count, islice, repeat
from pathlib import Path
from typing import NamedTuple

from crawler.engine.partition import crawl_partition
from crawler.engine.partition_plan import CrawlPlan, Manifest, all_done
from crawler.engine.plugins import Plugins
from crawler.engine.round_files import manifests
from crawler.model.command_config import CommandConfig
from crawler.model.errors import CrawlerError
from crawler.store.forms import OutputForm, OutputTarget
from crawler.store.journal.frame import Marks
from crawler.store.journal.state_folder import StateFolder
from crawler.store.run_folder import part_name
from crawler.store.volumes import size_of_all, volumes_of
from tests.crash.crawl import WARC_SIZE, killed_within, urls_in
from tests.engine.partition_web import HOSTS, PAGES, ManyHosts, page, place
from tests.unmannered import MANNERS_OFF

CALLERS = ("loop", "threads")


class RoundsCase(NamedTuple):
    """An engine, what is crawled, the output's form, how many partitions, and who calls them."""

    engine: str
    kind: str
    form: str
    partitions: int
    caller: str

    def plan(self, folder: Path, sync: str) -> CrawlPlan:
        """Return the plan of the crawl into a folder."""
        lines = [page(n) for n in range(HOSTS)] if self.kind == "follow" else _entries()
        (folder / "list.txt").write_text("\n".join(lines))
        config = CommandConfig(
            **MANNERS_OFF,
            engine=self.engine,
            loop="asyncio",
            parse="inline",
            retries=1,
            backoff=0,
            window=40,
            concurrency=4,
            per_host=4,
            follow=self.kind == "follow",
            depth=0,
            warc_size=WARC_SIZE,
            max_pages=10 * PAGES if self.kind == "follow" else 0,
            sync=sync,
        )
        return CrawlPlan(
            options=config.values(),
            inputs=(str(folder / "list.txt"),),
            output=str(folder / f"out.{self.form}"),
            parts=self.parts(),
            state=str(folder / "state"),
            partitions=self.partitions,
        )

    def parts(self) -> tuple[OutputTarget, ...]:
        """Return what each partition writes."""
        name, _, packing = self.form.partition(".")
        lines = OutputTarget("", "", OutputForm("jsonl"), headed=False)
        given = OutputTarget(
            "", "", OutputForm(name, f".{packing}" if packing else ""), headed=True
        )
        return (given, lines) if name in ("csv", "warc") else (given,)

    def wanted(self) -> set[str]:
        """Return the URLs that get a record."""
        if self.kind == "list":
            return set(_entries())
        return {place(n) for n in range(PAGES)} | {page(n) for n in range(HOSTS)}


def _entries() -> list[str]:
    urls = [place(n) for n in range(PAGES)]
    return [*urls, *urls[::9], *(f"http://no url {n}/" for n in range(5))]


def continued_rounds(case: RoundsCase, folder: Path, draw: random.Random) -> str | None:
    """Run rounds until all is done, killed at a random change; where, or None at the end."""
    # To go on with a partition takes 20 changes or so, which has to leave room for progress.
    return killed_within(80 * case.partitions, lambda: crawl_rounds(case, folder), draw)


def crawl_rounds(case: RoundsCase, folder: Path, *, sync: str = "none") -> int:
    """Begin or continue the rounds; the exit code."""
    plan = case.plan(folder, sync)
    partitions = range(plan.partitions)

    def called(partition: int, number: int) -> Manifest:
        numbered = replace(plan, round=number)
        return crawl_partition(numbered, partition, None, plugins=Plugins(fetcher=ManyHosts()))

    before: list[Manifest] = []
    try:
        with ThreadPoolExecutor(plan.partitions) as pool:
            mapped = pool.map if case.caller == "threads" else map
            for number in count(1):
                now = list(mapped(called, partitions, repeat(number)))
                if all_done(before, now):
                    break
                before = now
        return 0
    except CrawlerError as error:
        os.write(2, f"{error}\n".encode())
        return error.exit_code


def wrong_rounds(case: RoundsCase, folder: Path, *, complete: bool) -> str:
    """Return what is wrong with what the partitions have left; "" if nothing is."""
    places = [folder / "state" / f"p{number}" for number in range(case.partitions)]
    marks = [_committed(place) for place in places]
    for own, mark in zip(places, marks, strict=True):
        if problem := _shortened(case, own, mark):
            return problem
    for receiver, mark in enumerate(marks):
        for sender, block, lines in mark.positions:
            if block > marks[sender].handed or (lines and block == marks[sender].handed):
                return f"{receiver} has received more of {sender} than was committed"
    if not complete:
        return ""
    outputs = zip(*(each.parts for own in places for each in manifests(own)), strict=True)
    problems = (_miscounted(case, each) for each in islice(outputs, case.form == "warc.gz", None))
    return next(filter(None, problems), "")


def _shortened(case: RoundsCase, own: Path, marks: Marks) -> str:
    """Return which file of a partition has less than was committed."""
    rounds = manifests(own)
    for path, length in chain(*(each.parts for each in rounds)):
        if length and size_of_all(path) != length:
            return f"{path} has not the {length} bytes that its manifest names"
    if rounds and rounds[-1].round > marks.rounds:
        return ""  # the journal still speaks of the files of the last round
    moved = f"r{rounds[-1].round + 1 if rounds else 1}"  # by a round that has no manifest yet
    for number, (each, length) in enumerate(zip(case.parts(), marks.lengths, strict=False)):
        name = f"{part_name(number)}{each.form.suffix}"
        # A file of an archive may have been moved, and the next one not yet.
        parts = {*volumes_of(str(own / name)), *volumes_of(str(own / moved / name))}
        later = own.glob(name.replace(".", "-*.", 1)) if each.archive else ()
        there = [part for part in {*map(Path, parts), *later} if part.exists()]
        if sum(part.stat().st_size for part in there) < length:
            return f"{own / name} lacks some of the {length} bytes that were committed"
    return ""


def _miscounted(case: RoundsCase, parts: Iterable[tuple[str, int]]) -> str:
    found: Counter[str] = Counter()
    for part, length in parts:
        if length:
            found.update(urls_in(Path(part).name, Path(part).read_bytes()))
    if twice := [url for url, number in found.items() if number > 1]:
        return f"recorded twice: {twice[:3]}"
    lost, added = case.wanted() - found.keys(), found.keys() - case.wanted()
    return f"lost {sorted(lost)[:3]}, added {sorted(added)[:3]}" if lost or added else ""


def _committed(place: Path) -> Marks:
    folder, marks = StateFolder(str(place / "part"), str(place)), Marks()
    for frame in folder.frames() if folder.begun else ():
        marks = frame.marks
    return marks
