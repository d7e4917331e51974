"""`crawler load` itself: measure a server, print the result and whether to believe it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import orjson
from cyclopts import Parameter

from crawler.cli import toml
from crawler.cli.crawl_flags import config_file, lists, with_options
from crawler.cli.load import against, limit
from crawler.cli.load.load_outputs import NOTHING_MORE, Wanted
from crawler.cli.load.load_session import LOAD, run, thresholds
from crawler.cli.load.load_summary import text
from crawler.cli.load.targets import targets
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import LoadResult, schema
from crawler.load.planner import Target
from crawler.load.threshold import Threshold
from crawler.model.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from crawler.cli.load.load_board import LoadWatcher

_TITLE = "Every option of a load, with its value."
_OF_A_MOCK = {"duration": 3.0}
"""Options that differ where the mock web is loaded: a first look, which answers within seconds."""

_TARGET, _RESULT = LOAD.group("Target"), LOAD.group("Result")


@with_options(LOAD)
def load(
    *urls: Annotated[str, Parameter(name="URL", help="What to ask for.", group=_TARGET)],
    input: Annotated[tuple[str, ...], lists(_TARGET)] = (),
    config: Annotated[str | None, config_file(LOAD, _TARGET)] = None,
    wanted: Annotated[Wanted, Parameter(name="*")] = NOTHING_MORE,
    **options: object,
) -> int:
    """Load, and return the exit code; the app's help describes it."""
    if wanted.schema:
        print(orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode())
        return ExitCode.FINISHED
    settled = toml.settle(LOAD, config, options, _OF_A_MOCK if wanted.mock else {})
    if wanted.print_config:
        print(toml.write(LOAD, settled, _TITLE), end="")
        return ExitCode.FINISHED
    kept = thresholds(wanted.threshold)
    wanted.files.check()
    _refuse_mixtures(wanted)
    if wanted.mock and (urls or input):
        raise ConfigurationError("--mock brings its own page; leave out the URL, or --mock")
    with ExitStack() as stack:
        watchers = _watched(settled, wanted, stack)
        aims: Sequence[Target]
        if wanted.mock:
            from crawler.compare.web import served

            aims = [f"{stack.enter_context(served())}/page/1"]
        else:
            aims = targets(urls, input)
        return _loaded(settled, aims, kept, wanted, watchers)


def _watched(settled: LoadConfig, wanted: Wanted, stack: ExitStack) -> LoadWatcher | None:
    """Serve what is to be served until `stack` ends; return who is told, if anybody."""
    watchers: list[LoadWatcher] = []
    if wanted.metrics is None and wanted.live is None:
        return None
    from crawler.cli.load.load_board import LoadBoard, LoadWatchers

    if wanted.metrics is not None:
        from crawler.load.metrics import Exposition
        from crawler.measure.exposition_server import serving_metrics

        watchers.append(metrics := Exposition())
        address = stack.enter_context(serving_metrics(wanted.metrics, metrics))
        _say(f"metrics: {address}", quiet=wanted.quiet)
    if wanted.live is not None:
        from crawler.watch.live_server import serving_live

        watchers.append(page := LoadBoard("load", settled.duration))
        address = stack.enter_context(serving_live(page.board, port=wanted.live))
        _say(f"live: {address}", quiet=wanted.quiet)
    return LoadWatchers(watchers)


def _say(line: str, *, quiet: bool) -> None:
    if not quiet:
        print(line, file=sys.stderr)


def _loaded(
    settled: LoadConfig,
    aims: Sequence[Target],
    kept: Sequence[Threshold],
    wanted: Wanted,
    watchers: LoadWatcher | None,
) -> int:
    load = partial(run, quiet=wanted.quiet or wanted.json, watchers=watchers)
    if wanted.find_limit:
        return limit.find(load, settled, aims, wanted)
    if wanted.against:
        others = targets([wanted.against], ())
        return against.compare_with(load, settled, aims, others, json=wanted.json)
    result = run(settled, aims, kept, quiet=wanted.quiet, watchers=watchers)
    try:
        wanted.files.write(result)
    finally:  # a full disk costs the file, and not the figures, too
        if wanted.json:
            print(result.text, end="")
        elif not wanted.quiet:
            print(text(result), end="")
    return exit_code(result)


def exit_code(result: LoadResult) -> ExitCode:
    """Return 130 if interrupted, 4 for too many errors, 5 if not believed, 4 for other misses."""
    if result.partial:
        return ExitCode.INTERRUPTED
    if result.failed:
        return ExitCode.THRESHOLD
    if not result.verdict.valid:
        return ExitCode.INVALID
    return ExitCode.FINISHED if result.met else ExitCode.THRESHOLD


def _refuse_mixtures(wanted: Wanted) -> None:
    if wanted.find_limit and (wanted.against or wanted.threshold):
        other = "--against" if wanted.against else "--threshold"
        raise ConfigurationError(f"--find-limit: leave out {other}")
    unused = [*(["--threshold"] if wanted.threshold else []), *wanted.files.flags]
    if wanted.against and unused:
        raise ConfigurationError(f"--against gives a comparison; leave out {', '.join(unused)}")
