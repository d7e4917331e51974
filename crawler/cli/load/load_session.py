"""One run: its options, what shows it meanwhile, its verdict and its result."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crawler.cli.load.picture import watching
from crawler.cli.spelling import Spelling
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import Generator, Judged, LoadResult
from crawler.load.measured import Measured
from crawler.load.planner import Target
from crawler.load.run import run_load
from crawler.load.threshold import Threshold
from crawler.load.validity import Probes, judge
from crawler.model.errors import ConfigurationError
from crawler.model.option import OptionError
from crawler.runtime.collecting import collect_rarely
from crawler.runtime.event_loop import new_event_loop

if TYPE_CHECKING:
    from crawler.cli.load.load_board import LoadWatcher

LOAD = Spelling(
    config=LoadConfig,
    table="load",
    prefix="CRAWLER_LOAD_",
    use="crawler load --config FILE",
    example="rate",
    lead=("Target", "Result"),
    unset={
        "rate": "0 sends nothing; leave it out for a closed loop",
        "stages": "expected a schedule; leave it out for a closed loop",
    },
)

Load = Callable[..., LoadResult]
"""`run`, with what it shows meanwhile settled."""


def run(
    config: LoadConfig,
    targets: Sequence[Target],
    thresholds: Sequence[Threshold],
    *,
    quiet: bool,
    watchers: LoadWatcher | None = None,
    begun: int = 0,
) -> LoadResult:
    """Load the URLs and judge the run; `partial` if a signal ended it.

    Raises `EnvironmentFailure` for a server that cannot be reached at all, `ConfigurationError`
    for options that the targets forbid.
    """
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    measured, probes, partial = measure(
        config, targets, thresholds, quiet=quiet, watchers=watchers, begun=begun
    )
    return LoadResult(
        target=first if isinstance(first := targets[0], str) else first.url,
        urls=len(targets),
        started=started,
        config=config,
        machine=Generator.here(),
        measured=measured,
        probes=probes,
        verdict=judge(measured, probes, config, claims=thresholds),
        thresholds=tuple(Judged.of(each, measured, config.max_errors) for each in thresholds),
        partial=partial,
    )


def measure(
    config: LoadConfig,
    targets: Sequence[Target],
    claims: Sequence[Threshold] = (),
    *,
    quiet: bool,
    watchers: LoadWatcher | None = None,
    begun: int = 0,
) -> tuple[Measured, Probes, bool]:
    """Load the URLs, with a live picture on a terminal unless `quiet`.

    Returns what was measured, what was read off the generator, and whether a signal ended it.
    """
    halt = asyncio.Event()
    with watching(config, quiet=quiet) as watch, _collecting_rarely(), flagged():
        told = watch if watchers is None else watchers.before(watch)
        work = run_load(config, targets, begun=begun, claims=claims, on_second=told, halt=halt)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            measured, probes = runner.run(work)
    if watchers is not None:
        watchers.end(measured)
    return measured, probes, halt.is_set()


@contextmanager
def flagged() -> Iterator[None]:
    """Name the flag of an option that cannot be, as targets need it."""
    try:
        yield
    except OptionError as error:
        flag = LOAD.options[error.option].flag
        raise ConfigurationError(f"{flag}: {error.problem}") from error


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Put garbage collection off: in mid-run the server would be blamed for it."""
    former = gc.get_threshold()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*former)
        gc.unfreeze()


def thresholds(texts: Sequence[str], flag: str = "--threshold") -> list[Threshold]:
    """Read each text as a threshold; raise ConfigurationError for the first invalid one."""
    try:
        return [Threshold.read(text) for text in texts]
    except ValueError as error:
        raise ConfigurationError(f"{flag}: {error}") from error
