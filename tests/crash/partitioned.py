"""A crawl in partitions that kills itself at a chosen change to the disk of any of them.

The partitions are called in rounds, by a loop or by threads at the same time, over a web of many
hosts whose links and redirects lead from one partition to another. After each kill every part is at
least as long as its journal says, nobody has received more than was committed for others, and in
the end the parts hold one valid record for each URL.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from crawler.engine.partition import crawl_partition
from crawler.engine.partition_plan import CrawlPlan, Manifest, all_done
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.errors import CrawlerError
from crawler.store.forms import OutputForm, OutputTarget
from crawler.store.journal.frame import Marks
from crawler.store.journal.state_folder import StateFolder
from crawler.store.run_folder import part_name
from tests.crash.crawl import killed_within, urls_in
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

    def plan(self, folder: Path) -> CrawlPlan:
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
            max_pages=10 * PAGES if self.kind == "follow" else 0,
            sync="none",
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
    return killed_within(80 * case.partitions, lambda: _rounds(case, folder), draw)


def _rounds(case: RoundsCase, folder: Path) -> int:
    plan = case.plan(folder)
    partitions = range(plan.partitions)

    def called(partition: int) -> Manifest:
        return crawl_partition(plan, partition, None, plugins=Plugins(fetcher=ManyHosts()))

    before: list[Manifest] = []
    try:
        with ThreadPoolExecutor(plan.partitions) as pool:
            while True:
                now = list((pool.map if case.caller == "threads" else map)(called, partitions))
                if all_done(before, now):
                    return 0
                before = now
    except CrawlerError as error:
        os.write(2, f"{error}\n".encode())
        return error.exit_code


def wrong_rounds(case: RoundsCase, folder: Path, *, complete: bool) -> str:
    """Return what is wrong with what the partitions have left; "" if nothing is."""
    places = [folder / "state" / f"p{number}" for number in range(case.partitions)]
    marks = [_committed(place) for place in places]
    files = [
        [
            (place / f"{part_name(number)}{each.form.suffix}", length)
            for number, (each, length) in enumerate(zip(case.parts(), mark.lengths, strict=False))
        ]
        for place, mark in zip(places, marks, strict=True)
    ]
    for part, length in chain(*files):
        size = part.stat().st_size if part.exists() else 0
        if size < length:
            return f"{part} has {size} bytes, and {length} were committed"
    for receiver, mark in enumerate(marks):
        for sender, block, lines in mark.positions:
            if block > marks[sender].handed or (lines and block == marks[sender].handed):
                return f"{receiver} has received more of {sender} than was committed"
    if not complete:
        return ""
    if case.form.startswith("warc"):
        files = [own[1:] for own in files]
    problems = (_miscounted(case, output) for output in zip(*files, strict=True))
    return next(filter(None, problems), "")


def _miscounted(case: RoundsCase, parts: Sequence[tuple[Path, int]]) -> str:
    found: Counter[str] = Counter()
    for part, length in parts:
        if length:
            found.update(urls_in(part.name, part.read_bytes()[:length]))
    if twice := [url for url, number in found.items() if number > 1]:
        return f"recorded twice: {twice[:3]}"
    lost, added = case.wanted() - found.keys(), found.keys() - case.wanted()
    return f"lost {sorted(lost)[:3]}, added {sorted(added)[:3]}" if lost or added else ""


def _committed(place: Path) -> Marks:
    folder, marks = StateFolder(str(place / "part"), str(place)), Marks()
    for frame in folder.frames() if folder.begun else ():
        marks = frame.marks
    return marks
