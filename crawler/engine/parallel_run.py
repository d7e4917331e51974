"""A run with several workers, from the command line's order: where to, from which state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler.engine.division import divided
from crawler.engine.parallel_crawl import ParallelCrawl
from crawler.engine.parallel_order import ParallelOrder, SampledList, unseen
from crawler.engine.parallel_output import Forwarded, Gathered, PartLogs
from crawler.engine.partition_plan import CrawlPlan
from crawler.model.errors import ConfigurationError, CrawlerError
from crawler.model.value import value
from crawler.runtime import limits
from crawler.runtime.leftovers import temporary_directory
from crawler.store.blocks import Input
from crawler.store.claim import is_file
from crawler.store.compression import packing
from crawler.store.former_pages import former_pages
from crawler.store.forms import logs_of
from crawler.store.input_copy import copied_whole
from crawler.store.journal.resumption import WAY_ON, changed, completed
from crawler.store.journal.state_folder import StateFolder
from crawler.store.placing import placed
from crawler.store.remote_input import copies_of, remove_copies
from crawler.store.rendering import rendering
from crawler.store.run_folder import GatheringPlace, RunFolder

if TYPE_CHECKING:
    from crawler.engine.rounds import RoundsCrawl, Workers

_BLOCK = 1 << 20


@value(frozen=True, slots=True, kw_only=True)
class ParallelRun:
    """A run that is ready: what crawls, what is read and what is written."""

    session: ParallelCrawl | RoundsCrawl
    source: SampledList
    sink: Gathered | Forwarded


def open_parallel(
    order: ParallelOrder,
    partitions: int,
    announce: Callable[[str], None],
    workers: Workers | None = None,
) -> ParallelRun:
    """Begin a run of so many partitions, or go on with one.

    workers: who crawls them, in rounds; without, processes of this one.

    Raises `Complete` if only its parts had to be put together, and what `RunFolder` and
    `placed` raise.
    """
    running = _running(order, partitions) if workers is None else min(partitions, workers.slots)
    divided(order.config, running)  # refuses too little for all of them
    _check(order)
    sampled = SampledList(order)
    held = ExitStack()
    try:
        return _opened(order, partitions, announce, sampled, held, workers=workers)
    except BaseException:
        held.close()
        raise


def _opened(
    order: ParallelOrder,
    partitions: int,
    announce: Callable[[str], None],
    sampled: SampledList,
    held: ExitStack,
    *,
    workers: Workers | None,
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
    if any(map(unseen, order.inputs)):
        with suppress(CrawlerError):  # the partitions tell of it, by its own name
            sampled = SampledList(order, folder.path)
    sites = sampled.sites(partitions)
    kept = folder.kept(len(order.targets)) if folder.partitions else logs_of(order.targets)
    if folder.partitions:
        folder.deal(sites)
    plan = CrawlPlan(
        options=order.config.values() | ({} if order.lasting else {"sync": "none"}),
        seeds=tuple(order.seeds),
        inputs=tuple(order.inputs),
        output=order.output,
        parts=tuple(order.targets[kept.index(log)].part for log in sorted({*kept})),
        state=str(folder.path),
        partitions=partitions,
        running=_running(order, partitions) if workers is None else min(partitions, workers.slots),
        sites=sites,
        lasting=order.lasting,
    )
    crawl: ParallelCrawl | RoundsCrawl
    if workers is not None:
        from crawler.engine.rounds_run import rounds_of

        crawl = rounds_of(plan, order.config, workers, announce, sampled.sizes(sites))
    else:
        crawl = ParallelCrawl(
            plan,
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
    made = list(zip(places, kept, strict=True))
    gathered = Gathered(crawl, made, folder, logs=logs, lasting=lasting, held=held)
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
        folder.begin(order.options, partitions, *places, kept=logs_of(order.targets))
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
    pack = packing(only.form.suffix)  # as partitions do: a member or frame of its own
    head = rendering(only.form, order.config).head("")
    return Forwarded(only.path, held, head and pack.pack(head) + pack.end())


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
