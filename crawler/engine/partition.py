"""One partition of a run: a whole crawl with its own state and its own part of the output.

    OUT.state/run.json             the number of partitions, and the options of the run
    OUT.state/pN/journal, seen     the state of partition N (`crawler.store.journal`)
    OUT.state/pN/part.jsonl        its records; .gz or .zst as the output
    OUT.state/pN/handed.P, offer   what it hands over to others (`crawler.store.journal.handover`)
    OUT.state/pages                what each has claimed of `max_pages`

`crawl_partition` may be called again at any time, from any process, whatever ended it before: it
goes on where its last commit ended. A lock keeps two calls for one partition apart. Numbered calls
are rounds, which leave files of their own (`crawler.engine.round_files`).

Found URLs and the targets of redirects go to the partition that owns their host. When links are
followed, that judges them once it has read the list to its end, as every entry may widen the scope;
it also reads the entries of others for that. A page's depth is that of the first link to arrive,
which need not be the shortest way; that is so in one process, too, but more often here, as links of
others arrive with a commit. Besides, two things differ from one process: up to a twentieth of
`max_pages` may be missing, and the record of a redirect to another partition's host that ends there
without a fetch has no times.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import orjson

from crawler.core.changes import Lasting
from crawler.core.ownership import Ownership
from crawler.engine.crawl_session import CrawlSession
from crawler.engine.division import divided
from crawler.engine.partition_plan import CrawlPlan, Manifest, PartitionWatch, Wish
from crawler.engine.plugins import Plugins, keeping
from crawler.engine.ports import silent
from crawler.engine.round_files import RoundFiles, held
from crawler.engine.steps import VisitEnd
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.event import Events
from crawler.model.request import Arrivals, LeftEntries, Position
from crawler.model.url import Seed
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.archive import SUFFIXES
from crawler.store.former_pages import former_pages
from crawler.store.forms import OutputForm, OutputTarget
from crawler.store.journal import disk
from crawler.store.journal.frame import Marks
from crawler.store.journal.handover import Inbox, Outbox
from crawler.store.journal.journal import Sync, positions_of, unsynced
from crawler.store.journal.left_lines import LeftLines
from crawler.store.journal.lines import waiting_of
from crawler.store.journal.page_quota import PageQuota
from crawler.store.journal.resumption import Beginning, begin, resume
from crawler.store.journal.state_folder import FORMAT, SUSPECTS, StateFolder
from crawler.store.rendering import open_outputs
from crawler.store.run_folder import part_name
from crawler.store.saved_bodies import SavedBodies
from crawler.store.shared_source import SharedSource
from crawler.store.sinks import RecordSink
from crawler.store.sources import InputProgress, UrlSource

_LOOK = 0.5  # seconds between two looks of the caller, at the most
_LONGEST_DRAIN = 3_600.0  # seconds
_POLL = 0.05  # seconds between two looks at what others have handed over


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
    plain values, unless there are `plugins`. A round (`CrawlPlan.round`) that has ended before
    returns its manifest once more. Raises `CrawlerError` if the state, the list or the
    output cannot be used; what was committed lasts.
    """
    sites = _begun(plan)
    folder = partition_folder(plan, partition)
    with held(folder), ExitStack() as stack:
        rounds = RoundFiles(folder, plan.round)
        if (ended := rounds.manifest()) is not None:
            return ended
        timed = deadline is not None
        ownership = Ownership(plan.partitions, partition, PublicSuffixes(), sites)
        crawl = PartitionCrawl(plan, ownership, watch, plugins, stack, rounds=rounds, timed=timed)
        return crawl.run(deadline)


class PartitionCrawl:
    """One call of `crawl_partition`; what is opened is closed by `stack`."""

    def __init__(
        self,
        plan: CrawlPlan,
        ownership: Ownership,
        watch: PartitionWatch | None,
        plugins: Plugins | None,
        stack: ExitStack,
        *,
        rounds: RoundFiles,
        timed: bool,
    ) -> None:
        self._partition = partition = ownership.own
        self._partitions = plan.partitions
        self._elsewhere = plan.elsewhere
        self._watch = watch
        self._rounds = rounds
        self._folder = folder = partition_folder(plan, partition)
        self._label = plan.output
        self._targets = [
            replace(each, path=str(folder / f"{part_name(number)}{each.form.suffix}"))
            for number, each in enumerate(plan.parts or _parts(plan.output))
        ]
        rounds.take_back([Path(each.path).name for each in self._targets])
        config = share_of(CommandConfig.of(plan.options), plan, folder)
        if timed:  # a deadline stops what starts, not what is in flight
            patience = max(config.drain_timeout, min(config.network.timeout, _LONGEST_DRAIN))
            config = config.updated({"drain_timeout": patience})
        shared = plan.partitions > 1
        given = UrlSource(plan.seeds, plan.inputs, config)
        given.keep_copies(Path(plan.state))
        stack.callback(given.close)
        following = config.following
        widens = following.follow or following.sitemaps
        self._source = SharedSource(given, ownership, widens=widens)
        folders = {n: partition_folder(plan, n) for n in ownership.others}
        beginning = self._opened(config, list(folders.values()))
        self._journal = journal = beginning.kept.journal
        self._inbox = Inbox(partition, folders, positions_of(journal.marks))
        stack.callback(self._inbox.close)
        self._attention = threading.Event()  # for a look at once
        self._over = False
        lingers = self._attention.set if shared and watch is not None else None
        self._given = PartitionSource(beginning.left, self._source, self._inbox, lingers)
        stack.callback(self._given.close)
        self._sink = RecordSink.lasting(beginning)
        stack.callback(self._sink.close, whole=False)
        self._quota = None
        if shared and following.max_pages:
            quota = Path(plan.state) / "pages"
            self._quota = PageQuota(quota, partition, plan.partitions, following.max_pages)
        lasting = Lasting(
            journal,
            beginning.earlier,
            self._expected,
            ownership if shared else None,
            self._quota.allow if self._quota is not None else None,
            plan.lasting,
        )
        former = stack.enter_context(former_pages(config.since, Path(plan.state), resumed=True))
        if config.save:
            self._sink.bodies = SavedBodies(config.save)
        plugins = keeping(plugins, self._targets, config, self._sink.led_on)
        self._session = CrawlSession(
            config,
            self._given,
            self._sink,
            announce=watch.announce if watch is not None else silent,
            plugins=plugins,
            lasting=lasting,
            former=former.get if former is not None else None,
            suspects=folder / SUSPECTS,
        )
        if watch is not None:
            self._attend(watch, config)
        if config.watching.otlp.href:
            self._session.trace(lambda: stack.enter_context(self._traces(plan, config)))
        journal.on_rest = self._sink.hasten
        self._sink.on_room = self._committed

    def __repr__(self) -> str:
        return f"PartitionCrawl({self._partition}, {self._journal!r})"

    def _attend(self, watch: PartitionWatch, config: CommandConfig) -> None:
        """Tell the caller what happens, and do what it asks."""
        watch.attend(self._attention.set)
        level, common = config.watching.level, {"partition": self._partition}
        events = Events(level=level, receive=watch.tell, clock=time.time, common=common)
        self._session.tell_events(events)
        if config.watching.live.number is not None:
            self._session.show_hosts()
        watch.obey(self._session.control)

    def _traces(
        self, plan: CrawlPlan, config: CommandConfig
    ) -> AbstractContextManager[Callable[[VisitEnd], None]]:
        from crawler.engine.span_export import exporting_visits

        say = self._watch.announce if self._watch is not None else silent
        return exporting_visits(config.watching, plan.run, say, partition=self._partition)

    def run(self, deadline: float | None) -> Manifest:
        """Crawl, and return what is committed in the end."""
        watcher = threading.Thread(
            target=self._look_after, args=(deadline,), name="partition-watch", daemon=True
        )
        watcher.start()
        try:
            self._session.run()
        finally:
            self._over = True
            self._attention.set()
            watcher.join()
            self._sink.close(whole=False)
        manifest = self._rounds.keep(self._manifest(ended=True))
        if self._quota is not None:
            self._quota.give_back(self._journal.marks.taken)
        if self._watch is not None:
            session = self._session
            self._watch.look(manifest, session.statistics(), time.monotonic())
            self._watch.sum_up(session.totals(), session.parsing, session.worker_cpu_seconds)
        return manifest

    def _opened(self, config: CommandConfig, others: Sequence[Path]) -> Beginning:
        def outbox(marks: Marks) -> Outbox | None:
            positions = positions_of(marks)
            return (
                Outbox(
                    self._folder,
                    marks.handed,
                    positions,
                    own=self._partition,
                    receivers=others,
                    elsewhere=self._elsewhere,
                )
                if others
                else None
            )

        folder = StateFolder(self._targets[0].path, str(self._folder))
        folder.label, folder.rounds = self._label, self._rounds.kept
        sync: Sync = os.fdatasync if config.sync == "full" else unsynced
        resumed = folder.begun
        opened = open_outputs(self._targets, config, "replace", apart=True, resumed=resumed)
        try:
            if not resumed:
                inputs = self._source.inputs()
                return begin(
                    folder,
                    config.lasting(),
                    opened,
                    sync=sync,
                    inputs=inputs,
                    outbox=outbox,
                )
            return resume(
                folder,
                config.lasting(),
                opened,
                self._source,
                sync=sync,
                accept_change=config.accept_change,
                outbox=outbox,
            )
        except BaseException:
            opened.close()
            raise

    def _expected(self) -> int | None:
        """Return the expected number of entries that are this partition's, by those so far."""
        whole, own = self._source.progress(), self._journal.marks.read
        if whole.expected is None:
            return None
        if not whole.handed:
            return whole.expected // self._partitions
        return round(own * whole.expected / whole.handed)

    def _unread(self, marks: Marks) -> int | None:
        expected = self._expected()
        return None if expected is None else max(expected - marks.read, 0)

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
            sent=marks.sent,
            consumed=marks.received,
            left=marks.left,
            unread=0 if exhausted else self._unread(marks),
            outcomes=dict(marks.outcomes),
            parts=tuple(
                (each.path, length)
                for each, length in zip(self._targets, marks.lengths, strict=True)
            ),
        )

    def _committed(self) -> None:
        """Go on with the crawl, and let the caller look if that may have been the last commit."""
        self._session.wake()
        if self._given.lingering:
            self._attention.set()

    def _look_after(self, deadline: float | None) -> None:
        """Stop the crawl at its deadline or at its caller's wish."""
        wish = Wish.GO_ON
        while True:
            self._attention.wait(_LOOK if deadline is None else _until(deadline))
            self._attention.clear()
            if self._over:
                return
            if deadline is not None and time.time() >= deadline:
                deadline = None
                self._session.stop()
            wish = self._look(wish)

    def _look(self, before: Wish) -> Wish:
        if self._watch is None:
            return before
        since, taken = time.monotonic(), self._session.statistics()
        wish = self._watch.look(self._manifest(ended=self._settled), taken, since)
        if wish is not before:
            self._carry_out(wish)
        return wish

    @property
    def _settled(self) -> bool:
        """True if all that was read and received is committed: what waits counts as left then."""
        marks = self._journal.marks
        committed = positions_of(marks)
        taken = self._inbox.positions
        return marks.cursor == self._source.cursor and all(
            committed.get(sender, Position()) == position for sender, position in taken.items()
        )

    def _carry_out(self, wish: Wish) -> None:
        self._sink.hold(wish is Wish.HOLD)
        actions: dict[Wish, Callable[[], None]] = {
            Wish.FINISH: self._given.finish,
            Wish.STOP: self._session.stop,
            Wish.STOP_NOW: self._session.stop_now,
        }
        if action := actions.get(wish):
            action()


class PartitionSource:
    """What earlier calls left, then what others hand over and the entries of the list.

    on_linger: called at the end of the list, which then waits for more from other partitions until
    `finish`; None to end there. `lingering` is true from then on.
    """

    def __init__(
        self,
        left: LeftLines,
        source: SharedSource,
        inbox: Inbox,
        on_linger: Callable[[], None] | None,
    ) -> None:
        self._left = left
        self._source = source
        self._inbox = inbox
        self._over = threading.Event()
        self._on_linger = on_linger
        self.lingering = False
        if on_linger is None:
            self._over.set()

    def __repr__(self) -> str:
        return f"PartitionSource({self._source!r}, {self._inbox!r})"

    def read(self, most: int) -> list[Seed] | LeftEntries | Arrivals:
        """Return about `most` of what is next; block for the first, return [] at the end."""
        if left := LeftEntries(map(waiting_of, self._left.take(most))):
            return left
        while True:
            over = self._over.is_set()
            # Found URLs are judged by the scope, which the whole list makes.
            judging = self._source.exhausted or not self._source.widens
            if judging and (arrivals := self._inbox.take(most)) is not None:
                return arrivals
            if not self._source.exhausted:
                share = self._source.read(most)
                if not self._source.exhausted:
                    return share  # maybe without an entry, but further on in the list
            if over and judging:
                return []
            if judging:
                self._linger()

    def _linger(self) -> None:
        if not self.lingering and self._on_linger is not None:
            self.lingering = True
            self._on_linger()
        self._over.wait(_POLL)

    def finish(self) -> None:
        """Wait for nothing more from others."""
        self._over.set()

    def progress(self) -> InputProgress:
        """Return the progress of reading the list."""
        return self._source.progress()

    def close(self) -> None:
        """Close the list."""
        self.finish()
        self._left.close()
        self._source.close()


def _begun(plan: CrawlPlan) -> Mapping[str, int]:
    """Return the partitions of sites, as the run was begun; whoever comes first writes them down.

    Raises `ConfigurationError` for another number of partitions than the run was begun with.
    """
    if not 0 < plan.running <= plan.partitions:
        raise ConfigurationError(f"partitions: {plan.running} of {plan.partitions} cannot run")
    state = Path(plan.state)
    place = state / "run.json"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not place.exists():
        options = CommandConfig.of(plan.options).lasting()
        run = {"format": FORMAT, "partitions": plan.partitions, "options": options, "begun": {}}
        disk.create(place, orjson.dumps(run | {"sites": dict(plan.sites)}))
        disk.settle(state.parent)
    run = orjson.loads(place.read_bytes())
    if run["partitions"] != plan.partitions:
        raise ConfigurationError(
            f"{state}: was begun with {run['partitions']} partitions, and goes on with as many; "
            f"{plan.partitions} were asked for"
        )
    sites: Mapping[str, int] = run.get("sites", {})
    return sites


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


def _parts(output: str) -> tuple[OutputTarget, ...]:
    packing = next((each for each in SUFFIXES if output.lower().endswith(each)), "")
    return (OutputTarget(output, "", OutputForm("jsonl", packing)),)


def _until(deadline: float) -> float:
    return max(0.0, min(_LOOK, deadline - time.time()))
