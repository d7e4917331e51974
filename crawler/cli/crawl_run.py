"""One crawl on the command line: progress, signals, summary, statistics, exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, Protocol

from crawler.cli.asking import reporting
from crawler.cli.bound import bound_by
from crawler.cli.cost import Cost
from crawler.cli.crawl_summary import Report
from crawler.cli.crawl_watch import CrawlWatch, WatchedSession, watched
from crawler.cli.interrupt import Interrupts
from crawler.cli.screen import Screen
from crawler.cli.screen_choice import screen
from crawler.cli.telling import complain, show_traceback
from crawler.cli.terminal import may_be_drawn_on
from crawler.core.audit import Totals
from crawler.core.collector import Snapshot
from crawler.model.choices import Existing
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, CrawlerError, ExitCode
from crawler.model.event import NO_EVENTS, Events, Level
from crawler.model.value import value

if TYPE_CHECKING:
    from crawler.engine.parallel_order import ParallelOrder
    from crawler.engine.parallel_run import ParallelRun
    from crawler.engine.plugins import Plugins
    from crawler.store.forms import OutputTarget


class Session(WatchedSession, Protocol):
    """The crawl; every method but `run` may be called from any thread.

    `overdue` is true if its time was up, or somebody stopped it, before its work was done.
    """

    overdue: bool

    def run(self) -> Snapshot:
        """Crawl to the end; blocks."""

    def stop(self) -> None:
        """Start nothing more, and let the requests in flight end."""

    def stop_now(self) -> None:
        """End the requests in flight, too."""

    def totals(self) -> Totals:
        """Return the totals over all hosts."""

    @property
    def worker_cpu_seconds(self) -> float:
        """CPU time of the parser processes."""

    @property
    def parsing(self) -> str:
        """The executor of the parser, and the reason for it."""


class InputShare(Protocol):
    """The progress of reading the list."""

    @property
    def expected(self) -> int | None:
        """Number of entries, or an estimate; None if unknown."""


class RunInput(Protocol):
    """The list."""

    def progress(self) -> InputShare:
        """Return the progress; from any thread."""

    def close(self) -> None:
        """Close what is open."""


class RunOutput(Protocol):
    """The output."""

    @property
    def written(self) -> int:
        """Number of records written."""

    def close(self, *, whole: bool = True) -> None:
        """Write the queued records; raises CrawlerError if they cannot be kept.

        whole: the crawl came to its end, so that an output without records is right.
        """


@value(frozen=True, slots=True, kw_only=True)
class Parts:
    """A crawl that is ready to run.

    lasting: the same command continues it after it was stopped. ending: seconds that other
    processes may take to end, after the drain timeout. peak_rss: the peak memory of those, in all.
    exhausted: they have read the whole list. held: what else is to be closed at the end.
    """

    session: Session
    source: RunInput
    sink: RunOutput
    lasting: bool = False
    ending: float = 0.0
    peak_rss: Callable[[], int] = int
    exhausted: Callable[[], bool] = bool
    held: ExitStack = field(default_factory=ExitStack)

    def expected(self) -> int | None:
        """Return the expected number of entries."""
        if self.exhausted():
            return self.session.statistics().read
        return self.source.progress().expected


@value(frozen=True, slots=True, kw_only=True)
class Order:
    """The command line's order: the options, the URLs, the lists, the outputs.

    The state is that of the first output. passing: the URLs are those of a server that does not
    outlive the crawl. events: told of what happens.
    """

    config: CommandConfig
    seeds: Sequence[str]
    inputs: Sequence[str]
    output: str
    others: Sequence[str] = ()
    passing: bool = False
    events: Events = NO_EVENTS

    def targets(self) -> list[OutputTarget]:
        """Return the outputs. Raises `ConfigurationError`."""
        from crawler.store.rendering import targets_of

        return targets_of([self.output, *self.others], self.config)


Opener = Callable[[Order, Callable[[str], None]], Parts]


def run(order: Order, open_parts: Opener | None = None) -> int:
    """Crawl, print the summary, and return the exit code.

    Failures are printed first, the output's before all others, then the summary. Nothing is printed
    if the reader of the output went away, as that is how pipes end. Raises CrawlerError if nothing
    was crawled.
    """
    _check_places(order)
    with _indexed_if_complete(order):
        continued = _continued(order)
        _check_indexes(order, continued=continued)
        return _ran(order, open_parts, continued=continued)


def _ran(order: Order, open_parts: Opener | None, *, continued: bool) -> int:
    shown = _screen(order)
    with (
        _statistics(order.config, "replace" if continued else order.config.existing) as publish,
        watched(order.config, f"crawl into {order.output}", shown.say) as watch,
    ):
        order = replace(order, events=watch.events)
        parts = (open_parts or open_crawl)(order, shown.say)
        watch.follow(parts)
        drain = order.config.drain_timeout + parts.ending
        with Interrupts(parts.session, shown.say, drain=drain) as interrupts:
            code = _run(order, parts, shown, publish, interrupts=interrupts, watch=watch)
        watch.ended(parts.session.statistics(), code)
        return code


def _run(
    order: Order,
    parts: Parts,
    shown: Screen,
    publish: Callable[[Report], None],
    *,
    interrupts: Interrupts,
    watch: CrawlWatch,
) -> int:
    failures = _crawl(parts, shown, order.config, interrupts)
    for failure in failures:
        watch.failed(failure)
    interrupts.over = True
    codes = [failure.exit_code for failure in failures]
    if ExitCode.FINISHED in codes:
        return ExitCode.FINISHED
    if ExitCode.USAGE in codes and not parts.sink.written:
        raise failures[codes.index(ExitCode.USAGE)]  # nothing was crawled: no summary
    _told(failures, order.config)
    report = Report(
        config=order.config,
        snapshot=parts.session.statistics(),
        cost=Cost.measure(parts.session.worker_cpu_seconds, parts.peak_rss()),
        totals=parts.session.totals(),
        parsing=parts.session.parsing,
        interrupted=interrupts.interrupted or parts.session.overdue,
        expected=parts.expected(),
        written=parts.sink.written,
        lasting=parts.lasting,
    )
    _say(report)
    late = _attempt(lambda: publish(report))
    if not codes and not report.interrupted:
        late += _attempt(lambda: _write_indexes(order))
    _told(late, order.config)
    return next(iter((*codes, *(each.exit_code for each in late))), _exit_code(report))


def _archives(order: Order) -> list[str]:
    """Return the archives that are to have an index. Raises `ConfigurationError` without any."""
    found = [each.path for each in order.targets() if each.archive and not each.streamed]
    if not found:
        raise ConfigurationError("cdxj: no output is a WARC file; name one, as in -o x.warc.gz")
    return found


def _check_indexes(order: Order, *, continued: bool) -> None:
    """Refuse to replace an index that may be somebody else's."""
    if not order.config.cdxj:
        return
    from crawler.store.warc_index import index_of

    for place in map(index_of, _archives(order)):
        if order.config.existing == "refuse" and not continued and place.exists():
            raise ConfigurationError(f"cdxj: {place} exists already; --overwrite replaces it")


def _write_indexes(order: Order) -> None:
    """Write the indexes that are missing, or older than their archives."""
    if not order.config.cdxj:
        return
    from crawler.store.warc_index import up_to_date, write_index

    for path in _archives(order):
        if not up_to_date(path):
            write_index(path)


@contextmanager
def _indexed_if_complete(order: Order) -> Iterator[None]:
    """Write what indexes are missing if the block says that the crawl is complete.

    It may have been killed before they were, or have been run without the option.
    """
    try:
        yield
    except CrawlerError as error:
        if order.config.cdxj:
            from crawler.store.journal.resumption import Complete

            if isinstance(error, Complete):
                _write_indexes(order)
        raise


def _continued(order: Order) -> bool:
    """Return whether the crawl goes on with an earlier one. Raises `Complete` if that has ended."""
    from crawler.store.journal.resumption import check_complete, continues
    from crawler.store.run_folder import RunFolder
    from crawler.store.sources import UrlSource

    output = order.targets()[0].path
    if not keeps_state(order):
        return False
    if RunFolder(output, order.config.state).partitions:
        return order.config.existing != "replace"
    with closing(UrlSource(order.seeds, order.inputs, order.config)) as source:
        check_complete(output, order.config, source, order.others)
    return continues(output, order.config)


def _told(failures: Sequence[CrawlerError], config: CommandConfig) -> None:
    for failure in failures:
        if config.debug:
            show_traceback(failure)
        complain(failure)


def _screen(order: Order) -> Screen:
    places = (order.output, *order.others, order.config.audit, order.config.repeats)
    written = [place for place in places if place]
    alone = may_be_drawn_on(written, order.inputs) and order.config.watching.log != "-"
    return screen(order.config.progress, quiet=order.config.quiet, alone=alone)


@contextmanager
def _statistics(config: CommandConfig, existing: Existing) -> Iterator[Callable[[Report], None]]:
    """Yield the function that writes the statistics; reserve their file while the block runs."""
    if not config.stats:
        yield lambda _report: None
        return
    from crawler.store.output_files import OutputDocument

    with closing(OutputDocument(config.stats, existing)) as document:
        yield lambda report: document.write(report.values())


def _check_places(order: Order) -> None:
    """Refuse unusable output files before the crawl rather than hours later."""
    from crawler.store.output_files import check_folder
    from crawler.store.sources import refuse_overwrite

    taken: dict[object, str] = {}
    config = order.config
    if config.network.cookies or config.network.credentials:
        from crawler.fetch.credentials import Credentials

        Credentials(config)  # raises what each fetcher would
    if config.network.cache:
        from crawler.fetch.response_cache import ResponseCache

        ResponseCache(config.network.cache)
    if config.save:
        made = os.path.exists(config.save)
        check_folder("save", os.path.join(config.save, "") if made else config.save.rstrip("/"))
    outputs = [("output", each.path) for each in order.targets()]
    named = [(name, getattr(config, name)) for name in ("stats", "audit", "repeats")]
    for name, path in (*outputs, *named, ("log", config.watching.log)):
        if path in ("", "-"):
            continue
        if name != "output":
            check_folder(name, path)
        place = _place(path)
        if config.since and place == _place(config.since):
            raise ConfigurationError(f"since: {path} is also written; name another output")
        if place in taken and (os.path.isfile(path) or not os.path.exists(path)):
            reason = f"{path} is the file of --{taken[place]}, too; name another"
            raise ConfigurationError(f"{name}: {reason}")
        refuse_overwrite(order.inputs, path, name)
        taken[place] = name


def _place(path: str) -> object:
    """Return the identity of a file, whatever links lead to it."""
    if not os.path.exists(path):
        return os.path.realpath(path)
    state = os.stat(path)
    return (state.st_dev, state.st_ino)


def open_crawl(
    order: Order, announce: Callable[[str], None], plugins: Plugins | None = None
) -> Parts:
    """Log in, where asked to, and create the real session, its source and its sink."""
    order, held = _logged_in(order)
    try:
        several = _in_parallel(order, announce, held) if plugins is None else None
        return several or _opened(order, announce, plugins, held)
    except BaseException:
        held.close()
        raise


def _opened(
    order: Order, announce: Callable[[str], None], plugins: Plugins | None, held: ExitStack
) -> Parts:
    from crawler.core.changes import Lasting
    from crawler.engine.crawl_session import CrawlSession
    from crawler.engine.plugins import keeping
    from crawler.store.former_pages import former_pages
    from crawler.store.journal.left_lines import ContinuedSource
    from crawler.store.journal.resumption import open_state
    from crawler.store.journal.state_folder import SUSPECTS, StateFolder
    from crawler.store.rendering import open_outputs
    from crawler.store.saved_bodies import SavedBodies
    from crawler.store.sinks import RecordSink
    from crawler.store.sources import UrlSource

    config = order.config
    given = UrlSource(order.seeds, order.inputs, config)
    source: UrlSource | ContinuedSource = given
    folder, old = None, False
    with ExitStack() as stack:
        stack.callback(source.close)
        lasting = None
        if keeps_state(order):
            opened = open_state(order.output, config, given, order.others)
            folder = StateFolder(order.output, config.state).path
            old = opened.resumed and not config.accept_change
            if opened.resumed:
                announce(f"continuing {order.output}: {opened.news}")
                order.events.tell(Level.INFO, "continued", text=opened.news)
                config = config.updated({"append": True})  # so are what it writes next to it
            journal, earlier = opened.kept.journal, opened.earlier
            lasting = Lasting(journal, earlier, lambda: given.progress().expected)
            source = ContinuedSource(opened.left, given)
            sink = RecordSink.lasting(opened)
        else:
            outputs = open_outputs(order.targets(), config, config.existing)
            first, *others = outputs.encoders
            sink = RecordSink(outputs.outlets, encode=first, others=others)
        stack.callback(sink.close, whole=False)
        former = held.enter_context(former_pages(config.since, folder, resumed=old))
        if config.save:
            sink.bodies = SavedBodies(config.save)
        plugins = keeping(plugins, order.targets(), config, sink.led_on)
        session = CrawlSession(
            config,
            source,
            sink,
            announce=announce,
            plugins=plugins,
            lasting=lasting,
            former=former.get if former is not None else None,
            suspects=folder / SUSPECTS if folder is not None else None,
        )
        session.tell_events(order.events)
        stack.pop_all()
    return Parts(session=session, source=source, sink=sink, lasting=lasting is not None, held=held)


def _logged_in(order: Order) -> tuple[Order, ExitStack]:
    """Log in, where asked to; return the order with the cookies, and what removes their file."""
    held, config = ExitStack(), order.config
    if config.login:
        from crawler.fetch.login import logged_in
        from crawler.fetch.secret_files import cookie_file
        from crawler.runtime.leftovers import temporary_directory

        jar = logged_in(config.login, config)
        path = held.enter_context(temporary_directory()) / "cookies"  # nobody else may enter it
        path.write_bytes(cookie_file(jar))
        config = config.updated({"cookies": str(path), "session": True, "login": ""})
    return replace(order, config=config), held


def _in_parallel(order: Order, announce: Callable[[str], None], held: ExitStack) -> Parts | None:
    """Create a session of several partitions, if there are to be any."""
    from crawler.engine.parallel_order import ParallelOrder, partitions_of

    lasting = keeps_state(order)
    given = ParallelOrder(
        config=order.config,
        seeds=order.seeds,
        inputs=order.inputs,
        targets=order.targets(),
        lasting=lasting,
    )
    cluster = bool(order.config.cluster)
    partitions = 0 if cluster else partitions_of(given, announce)
    if not partitions and not cluster:
        return None
    from crawler.engine.parallel_crawl import ENDING
    from crawler.engine.parallel_run import open_parallel

    if cluster:
        opened = _on_cluster(given, announce)
    else:
        opened = open_parallel(given, partitions, announce)
    opened.session.tell_events(order.events)
    return Parts(
        session=opened.session,
        source=opened.source,
        sink=opened.sink,
        lasting=lasting,
        ending=ENDING,
        peak_rss=opened.session.peak_rss,
        exhausted=lambda: all(each.exhausted for each in opened.session.manifests),
        held=held,
    )


def _on_cluster(given: ParallelOrder, announce: Callable[[str], None]) -> ParallelRun:
    """Open a run whose partitions a cluster crawls, in rounds."""
    from crawler.engine.cluster import DaskWorkers, check_address
    from crawler.engine.parallel_order import replaced
    from crawler.engine.parallel_run import open_parallel
    from crawler.engine.rounds_in_store import check_store, recalled
    from crawler.engine.rounds_run import check_rounds, partitions_wanted

    config = given.config
    check_rounds(config, given.targets, lasting=given.lasting)
    check_address(config.cluster)
    if given.targets[0].remote:
        check_store(config, given.inputs)
        recalled(given.output, given.folder.path, replace=config.existing == "replace")
    replaced(given)
    workers = DaskWorkers(given.config.cluster, announce)
    try:
        partitions = partitions_wanted(given.folder, given.config, workers)
        return open_parallel(given, partitions, announce, workers)
    except BaseException:
        workers.close()
        raise


def keeps_state(order: Order) -> bool:
    """Return whether a crawl can be continued.

    Its list is in files or on standard input, which is copied, and its outputs are files.
    """
    from crawler.store.claim import is_file

    state = order.config.state
    if state == "none":
        return False
    lists = not order.passing and all(name == "-" or is_file(name) for name in order.inputs)
    if lists and not any(each.streamed for each in order.targets()):
        return True
    if state:
        what = "the output" if lists else "the list"
        raise ConfigurationError(f"state: only what is in files can be continued; {what} is not")
    return False


def _crawl(
    parts: Parts, shown: Screen, config: CommandConfig, interrupts: Interrupts
) -> list[CrawlerError]:
    """Run to the end and return the failures, the output's before all others."""
    session = parts.session
    with (
        shown.watching(session.statistics, parts.expected, lambda b: bound_by(b, config)),
        reporting(shown.report),
    ):
        failures: list[CrawlerError] = []
        ended = False
        try:
            failures = _attempt(session.run)
            ended = not failures and not interrupts.interrupted
            ended = ended and not (parts.lasting and session.overdue)
        finally:  # whatever else was raised, what came is written
            parts.source.close()
            unwritten = _attempt(lambda: parts.sink.close(whole=ended))
            parts.held.close()
    return [*unwritten, *(each for each in failures if each not in unwritten)]


def _attempt(action: Callable[[], object]) -> list[CrawlerError]:
    """Call `action` and return its failure, if any."""
    try:
        action()
    except CrawlerError as error:
        return [error]
    return []


def _say(report: Report) -> None:
    if not report.config.quiet:
        sys.stderr.write(report.text())
        sys.stderr.flush()


def _exit_code(report: Report) -> ExitCode:
    if report.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILURES if _fell_short(report.config, report.snapshot) else ExitCode.FINISHED


def _fell_short(config: CommandConfig, taken: Snapshot) -> bool:
    """Return whether nothing was fetched, or more failed than the options allow.

    A crawl that goes on is judged as a whole, as it would have been without the interruption.
    """
    records = taken.records + taken.earlier
    if records and taken.succeeded + taken.earlier == taken.earlier_unfetched:
        return True
    allowed = 0.0 if config.fail_on_error else config.fail_above
    return taken.failed + taken.earlier_failed > allowed * records
