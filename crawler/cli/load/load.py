"""`crawler load` itself: measure a server, print the result and whether to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import orjson
from cyclopts import Group, Parameter

from crawler.cli import toml
from crawler.cli.crawl_flags import config_file, lists, switch, with_options
from crawler.cli.load import against, limit
from crawler.cli.load.load_outputs import Outputs
from crawler.cli.load.load_session import LOAD, exposing, run, thresholds
from crawler.cli.load.load_summary import text
from crawler.cli.load.targets import targets
from crawler.compare.web import served
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import LoadResult, schema
from crawler.load.planner import Target
from crawler.load.threshold import Threshold
from crawler.model.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from crawler.load.metrics import Exposition

_TITLE = "Every option of a load, with its value."
_OF_A_MOCK = {"duration": 3.0}
"""Options that differ where the mock web is loaded: a first look, which answers within seconds."""

_NONE = Outputs()
_TARGET, _RESULT = LOAD.group("Target"), LOAD.group("Result")


def _bounds(group: Group, help: str) -> Parameter:
    return Parameter(
        help=help,
        group=group,
        metavar="TEXT",
        negative="",
        consume_multiple=False,
        show_default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The outputs and modes of a load, next to its options."""

    threshold: Annotated[
        tuple[str, ...],
        _bounds(_RESULT, "Exit code 4 if missed: 'p99<50ms', 'errors<0.1%'; repeatable."),
    ] = ()
    find_limit: Annotated[
        tuple[str, ...],
        _bounds(_TARGET, "Search for the highest rate that keeps a threshold; repeatable."),
    ] = ()
    against: Annotated[
        str,
        Parameter(
            help="Load this URL by turns with the other, and compare.",
            group=_TARGET,
            metavar="URL",
            show_default=False,
        ),
    ] = ""
    mock: Annotated[bool, switch("Load a mock web that runs as long as this load.", _RESULT)] = (
        False
    )
    files: Annotated[Outputs, Parameter(name="*")] = _NONE
    metrics: Annotated[
        int | None,
        Parameter(
            help="Serve Prometheus metrics on this port of 127.0.0.1; 0 takes a free one.",
            group=_RESULT,
            metavar="PORT",
            show_default=False,
        ),
    ] = None
    json: Annotated[bool, switch("Print the result as JSON.", _RESULT)] = False
    quiet: Annotated[bool, switch("Show no progress and no summary.", _RESULT, "--quiet", "-q")] = (
        False
    )
    schema: Annotated[bool, switch("Print the JSON Schema of results and exit.", _RESULT)] = False
    print_config: Annotated[bool, switch("Print the configuration as TOML and exit.", _RESULT)] = (
        False
    )


@with_options(LOAD)
def load(
    *urls: Annotated[str, Parameter(name="URL", help="What to ask for.", group=_TARGET)],
    input: Annotated[tuple[str, ...], lists(_TARGET)] = (),
    config: Annotated[str | None, config_file(LOAD, _TARGET)] = None,
    wanted: Annotated[Wanted, Parameter(name="*")] = Wanted(),
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
        metrics = stack.enter_context(exposing(wanted.metrics, quiet=wanted.quiet))
        aims: Sequence[Target]
        if wanted.mock:
            aims = [f"{stack.enter_context(served())}/page/1"]
        else:
            aims = targets(urls, input)
        return _loaded(settled, aims, kept, wanted, metrics)


def _loaded(
    settled: LoadConfig,
    aims: Sequence[Target],
    kept: Sequence[Threshold],
    wanted: Wanted,
    metrics: Exposition | None,
) -> int:
    json, quiet = wanted.json, wanted.quiet
    load = partial(run, quiet=quiet or json, metrics=metrics)
    if wanted.find_limit:
        bounds = thresholds(wanted.find_limit, "--find-limit")
        return limit.find(load, settled, aims, bounds, wanted.files, json=json, quiet=quiet)
    if wanted.against:
        return against.compare_with(load, settled, aims, targets([wanted.against], ()), json=json)
    result = run(settled, aims, kept, quiet=quiet, metrics=metrics)
    try:
        wanted.files.write(result)
    finally:  # a full disk costs the file, and not the figures, too
        _show(result, json=json, quiet=quiet)
    return exit_code(result)


def _show(result: LoadResult, *, json: bool, quiet: bool) -> None:
    if json:
        print(result.text, end="")
    elif not quiet:
        print(text(result), end="")


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
