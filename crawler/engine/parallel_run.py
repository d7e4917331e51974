"""A run with several workers, from the command line's order: how many, where to, from which state.

One partition is an ordinary crawl, unless its output is a directory of parts. The number of
partitions is fixed when a run begins; a later one with more or fewer workers goes on with as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from crawler.core.ownership import dealt_out, site_of
from crawler.engine.division import divided
from crawler.engine.parallel_crawl import ParallelCrawl
from crawler.engine.parallel_output import Forwarded, Gathered, PartLogs
from crawler.engine.partition_plan import CrawlPlan
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, CrawlerError
from crawler.model.url import Url
from crawler.model.value import value
from crawler.runtime import limits
from crawler.runtime.leftovers import temporary_directory
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.blocks import Input
from crawler.store.claim import is_file
from crawler.store.former_pages import former_pages
from crawler.store.forms import OutputTarget
from crawler.store.input_copy import copied_whole
from crawler.store.journal.resumption import WAY_ON, changed, completed, lasting_options
from crawler.store.journal.state_folder import StateFolder
from crawler.store.placing import placed
from crawler.store.remote_input import copies_of, is_remote, remove_copies
from crawler.store.rendering import rendering
from crawler.store.run_folder import GatheringPlace, RunFolder
from crawler.store.sources import InputProgress, UrlSource

_SAMPLE = 10_000
"""Entries of a list that are looked at for its hosts."""
_HOSTS = 2
"""Hosts that `auto` wants for each partition: with one, the hash leaves too many without any."""
_URLS = 1_000
"""URLs of a list that `auto` wants for each partition: a process takes as long to start as they do.
"""
_BLOCK = 1 << 20


@value(frozen=True, slots=True, kw_only=True)
class ParallelOrder:
    """The order of a run. lasting: the same command continues it after it was ended."""

    config: CommandConfig
    seeds: Sequence[str]
    inputs: Sequence[str]
    targets: Sequence[OutputTarget]
    lasting: bool

    @property
    def output(self) -> str:
        """The first output, by which people know the run."""
        return self.targets[0].path

    @property
    def options(self) -> dict[str, Any]:
        """The options that a later run has to share."""
        return lasting_options(self.config, [each.name for each in self.targets[1:]])

    @property
    def folder(self) -> RunFolder:
        """The state of a run that lasts."""
        return RunFolder(self.output, self.config.state, given=self.config.given())


class SampledList:
    """The list, as far as the parent looks at it: its length is an estimate.

    hosts: the entries of each host, by its key. copies: the directory with copies of what is not a
    file, which is left out without them.
    """

    def __init__(self, order: ParallelOrder, copies: Path | None = None) -> None:
        unseen = any(map(_unseen, order.inputs))
        names = [name for name in order.inputs if copies or not _unseen(name)]
        if copies:
            names = [str(copies / "input") if name == "-" else name for name in names]
        source = UrlSource(order.seeds, names, order.config)
        if copies:
            source.keep_copies(copies)
        self.hosts: Counter[str] = Counter()
        self.looked_at = 0
        while self.looked_at < _SAMPLE and (seeds := source.read(_SAMPLE - self.looked_at)):
            self.looked_at += len(seeds)
            self.hosts.update(seed.url.host_key for seed in seeds if isinstance(seed.url, Url))
        self._progress = source.progress()
        if unseen and not copies:
            self._progress = replace(self._progress, bytes_total=None)
        source.close()

    def __repr__(self) -> str:
        return f"SampledList({self._progress})"

    def progress(self) -> InputProgress:
        """Return the progress of the look."""
        return self._progress

    def sites(self, partitions: int) -> dict[str, int]:
        """Return the partitions of the sites that were seen, which get about as much each."""
        suffixes = PublicSuffixes()
        sizes: Counter[str] = Counter()
        for key, number in self.hosts.items():
            sizes[site_of(key, suffixes)] += number
        return dealt_out(sizes, partitions)

    def close(self) -> None:
        """Do nothing: it is closed."""


def _unseen(name: str) -> bool:
    """Return whether an input is copied before the crawl, and not looked at before that."""
    return name == "-" or is_remote(name)


def partitions_of(order: ParallelOrder, announce: Callable[[str], None]) -> int:
    """Return the number of partitions of a run; 0 for an ordinary crawl."""
    config, fresh = order.config, order.config.existing == "replace"
    wanted = config.workers.number
    if order.lasting:
        folder = order.folder
        if fresh and folder.partitions:
            with closing(folder):
                folder.lock()
                folder.discard()
        elif begun := folder.partitions:
            return begun
        elif folder.started_alone and not fresh:
            if wanted != 1:
                announce(f"workers: {order.output} was begun with one, and goes on so")
            return 0
    if not wanted:
        wanted = _automatic(order, announce)
    return wanted if wanted > 1 or not all(each.alone for each in order.targets) else 0


def _automatic(order: ParallelOrder, announce: Callable[[str], None]) -> int:
    """Return one partition a core, if the list has hosts enough."""
    cores = limits.cores()
    if any(map(_unseen, order.inputs)):
        announce("workers: auto is 1, as the hosts of a list that is not a file are not known")
        return 1
    found = SampledList(order)
    number = min(cores, len(found.hosts) // _HOSTS)
    if not order.config.following.follow:
        number = min(number, (found.progress().expected or 0) // _URLS)
    hosts = f"{len(found.hosts):,} hosts in the first {found.looked_at:,} URLs"
    announce(f"workers: auto is {max(1, number)}, with {cores} cores and {hosts}")
    return max(1, number)


@value(frozen=True, slots=True, kw_only=True)
class ParallelRun:
    """A run that is ready: what crawls, what is read and what is written."""

    session: ParallelCrawl
    source: SampledList
    sink: Gathered | Forwarded


def open_parallel(
    order: ParallelOrder, partitions: int, announce: Callable[[str], None]
) -> ParallelRun:
    """Begin a run of so many partitions, or go on with one.

    Raises `Complete` if only its parts had to be put together, and what `RunFolder` and
    `placed` raise.
    """
    divided(order.config, _running(order, partitions))  # refuses too little for all of them
    _check(order)
    sampled = SampledList(order)
    held = ExitStack()
    try:
        return _opened(order, partitions, announce, sampled, held)
    except BaseException:
        held.close()
        raise


def _opened(
    order: ParallelOrder,
    partitions: int,
    announce: Callable[[str], None],
    sampled: SampledList,
    held: ExitStack,
) -> ParallelRun:
    """Open the state and the output; `held` releases them."""
    folder = _locked(order, held)
    begun = folder.begun() if folder.partitions else None
    forwarded, places = _forwarded(order, held), []
    if forwarded is None:
        places = _placed(order, begun, held)
        if order.lasting:
            _begin(order, partitions, folder, places, announce)
    if order.config.accept_change:
        remove_copies(folder.path)
    copies_of(order.inputs, order.config.url_column, folder.path)
    resumed = begun is not None and not order.config.accept_change
    with former_pages(order.config.since, folder.path, resumed=resumed):
        pass  # it is there when the partitions look for it
    logs = _logs(order, folder, resumed=begun is not None)
    held.callback(logs.close)
    standard_input = _copied(order, folder.path) if "-" in order.inputs else ""
    if any(map(_unseen, order.inputs)):
        with suppress(CrawlerError):  # the partitions tell of it, by its own name
            sampled = SampledList(order, folder.path)
    sites = sampled.sites(partitions)
    if folder.partitions:
        folder.deal(sites)
    crawl = ParallelCrawl(
        CrawlPlan(
            options=order.config.values() | ({} if order.lasting else {"sync": "none"}),
            seeds=tuple(order.seeds),
            inputs=tuple(order.inputs),
            output=order.output,
            parts=tuple(each.part for each in order.targets),
            state=str(folder.path),
            partitions=partitions,
            running=_running(order, partitions),
            sites=sites,
        ),
        announce=announce,
        forward=forwarded,
        max_time=order.config.max_time,
        standard_input=standard_input,
    )
    held.callback(crawl.dismiss)
    crawl.prepare()
    if forwarded is not None:
        forwarded.logs = logs
        return ParallelRun(session=crawl, source=sampled, sink=forwarded)
    lasting = order.options if order.lasting else None
    gathered = Gathered(crawl, places, folder, logs=logs, lasting=lasting, held=held)
    return ParallelRun(session=crawl, source=sampled, sink=gathered)


def _running(order: ParallelOrder, partitions: int) -> int:
    """Return how many partitions run at once."""
    return min(partitions, order.config.workers.number or limits.cores())


def _check(order: ParallelOrder) -> None:
    """Raise `ConfigurationError` for what several processes cannot read."""
    for name in order.inputs:
        if name != "-" and not is_file(name):
            raise ConfigurationError(
                f"workers: {name} is a pipe, which only one process can read; use -i - or a file"
            )


def _locked(order: ParallelOrder, held: ExitStack) -> RunFolder:
    """Return the state, locked; one that nobody continues is removed in the end."""
    if order.lasting:
        folder = order.folder
    else:
        place = str(held.enter_context(temporary_directory()))
        folder = RunFolder(place, place)
    held.callback(folder.close)
    folder.lock()
    return folder


def _begin(
    order: ParallelOrder,
    partitions: int,
    folder: RunFolder,
    places: Sequence[GatheringPlace],
    announce: Callable[[str], None],
) -> None:
    """Begin, or check what is continued."""
    if not folder.partitions:
        folder.check_room(*places)
        folder.begin(order.options, partitions, *places)
        return
    if folder.ended:
        raise completed(order.output, folder.finish(*places))
    before, now = folder.options(), order.options
    if what := changed(before, now):
        if not order.config.accept_change:
            raise ConfigurationError(f"{order.output}: was begun with {what}; {WAY_ON}")
        folder.accept(now)
    folder.wait_for_partitions()
    folder.check_room(*places)
    announce(f"continuing {order.output}: {partitions} partitions")


def _forwarded(order: ParallelOrder, held: ExitStack) -> Forwarded | None:
    """Return what passes records on to standard output, a pipe or a device, if they go there."""
    if not any(each.streamed for each in order.targets):
        return None
    if len(order.targets) > 1:
        raise ConfigurationError(
            "workers: standard output or a pipe can only be the only output of several processes"
        )
    (only,) = order.targets
    return Forwarded(only.path, held, rendering(only.form, order.config).head)


def _placed(
    order: ParallelOrder, begun: Sequence[Mapping[str, Any]] | None, held: ExitStack
) -> list[GatheringPlace]:
    """Claim all outputs; `held` releases them."""
    if begun is not None and len(begun) != len(order.targets):
        raise ConfigurationError(
            f"{order.output}: was begun with {len(begun)} outputs, and not {len(order.targets)}; "
            "name the same, --overwrite starts over"
        )
    places: list[GatheringPlace] = []
    for each, earlier in zip_longest(order.targets, begun or ()):
        places.append(placed(each, order.config, earlier))
        held.callback(places[-1].close)
    return places


def _logs(order: ParallelOrder, folder: RunFolder, *, resumed: bool) -> PartLogs:
    config = order.config
    paths = {"audit": config.audit, "repeats": config.repeats}
    given = {name: path for name, path in paths.items() if path}
    return PartLogs(given, "add" if resumed else config.existing, folder.path)


def _copied(order: ParallelOrder, folder: Path) -> str:
    """Copy standard input, which only one process can read; return the copy's name."""
    place = folder / "input"
    fresh = Input("-").blocks(lambda _size: None, lambda: False)
    with StateFolder(order.output, str(folder)).explained():
        copied_whole(place, fresh, accept_change=order.config.accept_change)
    return str(place)
