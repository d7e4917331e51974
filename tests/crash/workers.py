"""The command with `--workers` in one process: its partitions are threads, which die with it.

Everything else is real: the parent, the lines between it and its partitions, the state of the run,
the parts that are put together at the end. So one kill at a chosen change to the disk ends the
parent and all partitions, wherever each of them is; and so it does with a power cut.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from socket import socketpair
from typing import Any, NamedTuple, Self

import duckdb
from pyarrow import parquet

from crawler.cli.crawl_run import Order, run
from crawler.engine import partition_handle, partition_process
from crawler.engine.partition import crawl_partition
from crawler.engine.partition_messages import PartitionCall
from crawler.engine.partition_plan import Wish
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.errors import CrawlerError
from crawler.runtime.companion import Companion, ProcessLine
from crawler.store.journal.state_folder import StateFolder
from tests.crash.crawl import killed_within, records_in, state_place, urls_in
from tests.crash.ledger import Ledger, targets
from tests.engine.partition_web import HOSTS, PAGES, ManyHosts, page, place
from tests.unmannered import MANNERS_OFF

OUTPUTS = (
    *("jsonl", "jsonl.gz", "jsonl.zst", "directory", "added to"),
    *("csv.zst", "parquet", "sqlite", "duckdb"),
)
_EARLIER = '{"url":"http://earlier.test/"}\n'
"""A record of another crawl, of an output that is added to."""


class WorkersCase(NamedTuple):
    """An engine, what is crawled, what becomes of the parts, and how many workers there are."""

    engine: str
    kind: str
    form: str
    workers: int

    def output(self, folder: Path) -> Path:
        """Return the output in a folder."""
        names = {"directory": "parts", "added to": "added.jsonl"}
        return folder / names.get(self.form, f"out.{self.form}")

    def wanted(self) -> set[str]:
        """Return the URLs that get a record."""
        earlier = {"http://earlier.test/"} if self.form == "added to" else set()
        if self.kind == "follow":
            return earlier | {place(n) for n in range(PAGES)} | {page(n) for n in range(HOSTS)}
        if self.kind == "targets":
            return earlier | {place(n) for n in range(PAGES)}
        return earlier | set(entries())


class ThreadCompanion(Companion):
    """A partition in a thread of this process."""

    def __init__(self, descriptor: int, thread: threading.Thread) -> None:
        ProcessLine.__init__(self, descriptor)
        self._thread = thread

    @classmethod
    def start(cls, module: str, what: str, *, blocked: Any = ()) -> Self:
        """Start it."""
        ours, theirs = socketpair()
        arguments = (theirs.detach(),)
        thread = threading.Thread(target=_partition, args=arguments, name=what, daemon=True)
        thread.start()
        return cls(ours.detach(), thread)

    def kill(self) -> None:
        """End it, as soon as it looks: only the process can be killed."""
        self.hang_up()

    def bury(self, seconds: float = 0.0) -> int:
        """Wait for its end."""
        self.hang_up()
        self._thread.join()
        return 0


class ThreadWatch(partition_process.ParentWatch):
    """The parent of a partition that ends itself with the line, and not this process."""

    def _listen(self) -> None:
        self._follow()
        self._wish = Wish.STOP_NOW
        if self._attend is not None:
            self._attend()


def _partition(descriptor: int) -> None:
    parent = ThreadWatch(ProcessLine(descriptor))
    call: PartitionCall | None = parent.call()
    if call is None:
        return
    inputs = tuple(call.standard_input if name == "-" else name for name in call.plan.inputs)
    plan = replace(call.plan, inputs=inputs)
    try:
        folder = Path(call.plan.inputs[0]).parent
        on_sent = Ledger(folder).note if call.plan.inputs[0].endswith(".jsonl") else _unheard
        plugins = Plugins(fetcher=ManyHosts(on_sent))
        manifest = crawl_partition(plan, call.partition, None, watch=parent, plugins=plugins)
        parent.leave(manifest)
    except Exception as error:
        parent.leave(None, error)


def _unheard(_request: object) -> None:
    """Note nothing."""


def entries() -> list[str]:
    urls = [place(n) for n in range(PAGES)]
    return [*urls, *urls[::9], *(f"http://no url {n}/" for n in range(5))]


def continued_workers(case: WorkersCase, folder: Path, draw: random.Random) -> str | None:
    """Run the command, killed at a random change; where, or None if it came to its end."""
    # To begin or go on takes 20 changes or so for each partition.
    prepare(case, folder)
    return killed_within(80 * case.workers, lambda: crawl_workers(case, folder), draw)


def prepare(case: WorkersCase, folder: Path) -> None:
    """Write what the output holds before the crawl, and make the directory of the state."""
    state_place(case.kind, folder)
    if case.form == "added to" and not case.output(folder).exists():
        case.output(folder).write_text(_EARLIER)


def threads_for_processes() -> None:
    """Have partitions run in threads of this process from now on."""
    partition_handle.Companion = ThreadCompanion  # type: ignore[misc]


def crawl_workers(case: WorkersCase, folder: Path, *, sync: str = "none") -> int:
    """Begin or continue the crawl, with threads for processes; its exit code."""
    threads_for_processes()
    lines = [page(n) for n in range(HOSTS)] if case.kind == "follow" else entries()
    (folder / "list.txt").write_text("\n".join(lines))
    output = case.output(folder)
    inputs = [str(folder / "list.txt")]
    if case.kind == "targets":
        inputs = [str(folder / "list.jsonl")]
        Path(inputs[0]).write_text(targets(place(n) for n in range(PAGES)))
    if case.kind == "stdin":
        os.dup2(os.open(folder / "list.txt", os.O_RDONLY), 0)
        inputs = ["-"]
    config = CommandConfig(
        **MANNERS_OFF,
        engine=case.engine,
        loop="asyncio",
        parse="inline",
        retries=1,
        backoff=0,
        window=40,
        concurrency=4 * case.workers,
        per_host=4,
        follow=case.kind == "follow",
        depth=0,
        max_pages=10 * PAGES if case.kind == "follow" else 0,
        workers=str(case.workers),
        state=state_place(case.kind, folder),
        append=case.form == "added to" and not StateFolder(str(output)).receipt.exists(),
        sync=sync,
        quiet=True,
    )
    name = f"{output}/" if case.form == "directory" else str(output)
    name = f"{case.form}:{name}" if case.form in ("sqlite", "duckdb") else name
    try:
        return run(Order(config=config, seeds=[], inputs=inputs, output=name))
    except CrawlerError as error:
        if error.exit_code:
            os.write(2, f"{error}\n".encode())
        return error.exit_code


def wrong_workers(case: WorkersCase, folder: Path, *, complete: bool) -> str:
    """Return what is wrong with what a run has left; "" if nothing is."""
    output = case.output(folder)
    state = StateFolder(str(output), state_place(case.kind, folder))
    if not complete:
        return _shortened(case, output, state)
    if state.path.exists() or not state.receipt.exists():
        return "no receipt, or a state next to it"
    if left := [path.name for path in folder.rglob("*.new")]:
        return f"left behind: {left}"
    parts = sorted(output.iterdir()) if case.form == "directory" else [output]
    receipt = json.loads(state.receipt.read_bytes())
    data = [part.read_bytes() for part in parts]
    if sum(map(len, data)) != receipt["bytes"]:
        return "the receipt is that of another output"
    found = Counter(url for part in parts for url in _urls(part))
    if twice := [url for url, number in found.items() if number > 1]:
        return f"recorded twice: {twice[:3]}"
    lost, added = case.wanted() - found.keys(), found.keys() - case.wanted()
    if lost or added:
        return f"lost {sorted(lost)[:3]}, added {sorted(added)[:3]}"
    lines = case.kind == "targets" and output.name.startswith("out.jsonl")
    return Ledger(folder).wrong(records_in(output)) if lines else ""


def _urls(part: Path) -> list[str]:
    """Return the URLs of the records in a file."""
    match part.suffix:
        case ".parquet":
            return parquet.read_table(part, columns=["url"])["url"].to_pylist()
        case ".sqlite":
            with closing(sqlite3.connect(part)) as base:
                return [row[0] for row in base.execute("SELECT url FROM pages")]
        case ".duckdb":
            with duckdb.connect(str(part), read_only=True) as base:
                return [row[0] for row in base.execute("SELECT url FROM pages").fetchall()]
        case _:
            return urls_in(part.name, part.read_bytes())


def _shortened(case: WorkersCase, output: Path, state: StateFolder) -> str:
    """Return which part has become shorter than was committed, until they are put together."""
    if case.form == "added to" and not output.read_text().startswith(_EARLIER):
        return "what was there has gone"
    if (state.path / "ended.json").exists() or state.receipt.exists():
        return ""
    for own in state.path.glob("p[0-9]*"):
        folder, committed = StateFolder(str(own / "part"), str(own)), 0
        for frame in folder.frames() if folder.begun else ():
            committed = frame.marks.output
        part = next(own.glob("part.*"), None)
        if committed and (part is None or part.stat().st_size < committed):
            return f"{own} lacks some of the {committed} bytes that were committed"
    return ""
