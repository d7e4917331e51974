"""One partition of a run: a whole crawl with its own state and its own part of the output.

    OUT.state/run.json             the number of partitions, and the options of the run
    OUT.state/pN/journal, seen     the state of partition N (`crawler.store.journal`)
    OUT.state/pN/part.jsonl        its records; .gz or .zst as the output

`crawl_partition` may be called again at any time, from any process, whatever ended it before: it
goes on where its last commit ended. A lock on the part keeps two calls for one partition apart.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from crawler.core.changes import Lasting
from crawler.core.collector import Snapshot
from crawler.core.ownership import Ownership
from crawler.engine.crawl_session import CrawlSession
from crawler.engine.division import divided
from crawler.engine.partition_plan import CrawlPlan, Manifest, PartitionWatch, Wish
from crawler.engine.plugins import Plugins
from crawler.engine.ports import silent
from crawler.model.command_config import CommandConfig
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.archive import SUFFIXES
from crawler.store.chosen import Chosen
from crawler.store.journal.journal import Sync, unsynced
from crawler.store.journal.resumption import Beginning, ContinuedSource, begin, resume
from crawler.store.journal.state_folder import StateFolder
from crawler.store.outlet import Outlet
from crawler.store.record import encode
from crawler.store.shared_source import SharedSource
from crawler.store.sinks import RecordSink
from crawler.store.sources import UrlSource

_LOOK = 0.5  # seconds between two looks of the caller


def partition_folder(plan: CrawlPlan, partition: int) -> Path:
    """Return the directory of a partition's state."""
    return Path(plan.state) / f"p{partition}"


def crawl_partition(
    plan: CrawlPlan,
    partition: int,
    deadline: float | None,
    *,
    watch: PartitionWatch | None = None,
    plugins: Plugins | None = None,
) -> Manifest:
    """Crawl a partition until nothing is left for now, or until `deadline`, a Unix time; blocks.

    After the deadline nothing is started, and the requests in flight end. Arguments and result are
    plain values, unless there are `plugins`. Raises `CrawlerError` if the state, the list or the
    output cannot be used; what was committed lasts.
    """
    with ExitStack() as stack:
        crawl = PartitionCrawl(plan, partition, watch, plugins, stack)
        return crawl.run(deadline)


class PartitionCrawl:
    """One call of `crawl_partition`; what is opened is closed by `stack`."""

    def __init__(
        self,
        plan: CrawlPlan,
        partition: int,
        watch: PartitionWatch | None,
        plugins: Plugins | None,
        stack: ExitStack,
    ) -> None:
        self._partition = partition
        self._watch = watch
        self._folder = folder = partition_folder(plan, partition)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._part = str(folder / f"part.jsonl{_suffix(plan.output)}")
        config = share_of(CommandConfig.of(plan.options), plan, folder)
        ownership = Ownership(plan.partitions, PublicSuffixes())
        given = UrlSource(plan.seeds, plan.inputs, config)
        following = config.following
        widen = following.follow or following.sitemaps
        self._source = SharedSource(given, ownership, partition, widen=widen)
        stack.callback(given.close)
        beginning = self._opened(config)
        self._journal = beginning.kept.journal
        encoded = Chosen(config.fields) if config.fields else encode
        self._sink = RecordSink(self._part, encode=encoded, kept=beginning.kept)
        stack.callback(self._sink.close, whole=False)
        self._session = CrawlSession(
            config,
            ContinuedSource(beginning.left, self._source),
            self._sink,
            announce=watch.announce if watch is not None else silent,
            plugins=plugins,
            lasting=Lasting(beginning.kept.journal, beginning.earlier),
        )

    def __repr__(self) -> str:
        return f"PartitionCrawl({self._partition}, {self._journal!r})"

    def run(self, deadline: float | None) -> Manifest:
        """Crawl, and return what is committed in the end."""
        over = threading.Event()
        watcher = threading.Thread(
            target=self._look_after, args=(deadline, over), name="partition-watch", daemon=True
        )
        watcher.start()
        try:
            self._session.run()
        finally:
            over.set()
            watcher.join()
            self._sink.close(whole=False)
        manifest = self._manifest(ended=True)
        if self._watch is not None:
            session = self._session
            self._watch.look(manifest, session.statistics())
            self._watch.sum_up(session.totals(), session.parsing, session.worker_cpu_seconds)
        return manifest

    def _opened(self, config: CommandConfig) -> Beginning:
        folder = StateFolder(self._part, str(self._folder))
        sync: Sync = os.fdatasync if config.sync == "full" else unsynced
        resumed = folder.begun
        outlet = Outlet(self._part, "replace", apart=True, resumed=resumed)
        try:
            if not resumed:
                inputs = self._source.inputs()
                return begin(folder, config.lasting(), outlet, sync=sync, inputs=inputs)
            return resume(
                folder,
                config.lasting(),
                outlet,
                self._source,
                sync=sync,
                accept_change=config.accept_change,
            )
        except BaseException:
            outlet.close()
            raise

    def _manifest(self, *, ended: bool) -> Manifest:
        marks = self._journal.marks
        exhausted = self._source.exhausted
        return Manifest(
            partition=self._partition,
            ended=ended and exhausted and not marks.left,
            exhausted=exhausted,
            read=marks.read,
            found=marks.found,
            repeats=marks.repeats,
            records=marks.records,
            left=marks.left,
            part=self._part,
            length=marks.output,
        )

    def _look_after(self, deadline: float | None, over: threading.Event) -> None:
        """Stop the crawl at its deadline or at its caller's wish."""
        wish = Wish.GO_ON
        while not over.wait(_LOOK if deadline is None else _until(deadline)):
            if deadline is not None and time.time() >= deadline:
                deadline = None
                self._session.stop()
            wish = self._look(wish)

    def _look(self, before: Wish) -> Wish:
        if self._watch is None:
            return before
        taken = self._session.statistics()
        wish = self._watch.look(self._manifest(ended=_idle(taken)), taken)
        if wish is not before:
            self._carry_out(wish)
        return wish

    def _carry_out(self, wish: Wish) -> None:
        actions: dict[Wish, Callable[[], None]] = {
            Wish.STOP: self._session.stop,
            Wish.STOP_NOW: self._session.stop_now,
        }
        if action := actions.get(wish):
            action()


def share_of(config: CommandConfig, plan: CrawlPlan, folder: Path) -> CommandConfig:
    """Return the options of one partition: its share of the run's limits, and its own files."""
    own = {name: str(folder / f"{name}.jsonl") for name in ("audit", "repeats")}
    return divided(config, plan.running).updated(
        {
            **{name: path for name, path in own.items() if getattr(config, name)},
            "max_time": 0.0,  # the caller's deadline, for all partitions
            "overwrite": False,
            "append": True,
        }
    )


def _suffix(output: str) -> str:
    return next((each for each in SUFFIXES if output.lower().endswith(each)), "")


def _idle(taken: Snapshot) -> bool:
    return not taken.pending and not taken.spilled


def _until(deadline: float) -> float:
    return max(0.0, min(_LOOK, deadline - time.time()))
