"""One comparison as a person sees it: a live line, what each experiment found, the advice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from crawler.cli.compare import compare_summary
from crawler.cli.compare.compare_live import Live
from crawler.cli.compare.compare_outputs import Folder
from crawler.compare import interpreters
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.experiment import Experiment
from crawler.compare.session import Listener, compare
from crawler.measure.machine import Machine
from crawler.model.errors import EnvironmentFailure, ExitCode


def perform(
    config: CompareConfig, names: Sequence[str], folder: Folder, *, json: bool, quiet: bool
) -> ComparisonResult:
    """Compare, leave the report, say the last words; a signal while nothing is measured ends it.

    Raises `ConfigurationError` and `EnvironmentFailure`; before anything was run, if that can be.
    """
    folder.check()
    result = run(config, names, folder, quiet=quiet or json)
    written = Folder("")
    try:
        folder.write(result)
        written = folder
    finally:  # a full disk costs the files, and not what was found, too
        close(result, written, json=json, quiet=quiet)
    return result


def run(
    config: CompareConfig, names: Sequence[str], folder: Folder, *, quiet: bool
) -> ComparisonResult:
    """Compare, and tell as it goes unless `quiet`; Ctrl-C leaves what there is until then.

    Each experiment's results are in the folder as soon as they are there: an hour's comparison may
    be killed in its last minute.
    """
    pythons = [interpreters.here(), *interpreters.others(config.python)]

    def begins(machine: Machine, experiments: Sequence[Experiment]) -> None:
        _tell(compare_summary.head(machine, pythons, config, experiments), quiet=quiet)

    def ends(result: ComparisonResult) -> None:
        live.clear()
        _tell(compare_summary.examined(result.examined[-1]), quiet=quiet)
        with suppress(EnvironmentFailure):  # it is told of at the end, when all is tried again
            folder.keep(result)

    with Live(sys.stderr, quiet=quiet) as live:
        return compare(config, names, pythons, Listener(begins=begins, turn=live.turn, ends=ends))


def close(result: ComparisonResult, folder: Folder, *, json: bool, quiet: bool) -> None:
    """Print the result as JSON, or advice and where the report is."""
    if json:
        print(result.text, end="")
    elif not quiet:
        _tell(compare_summary.tail(result, folder), quiet=False)


def exit_code(result: ComparisonResult) -> ExitCode:
    """Return the code; an interruption comes before a result that cannot be believed."""
    if result.partial:
        return ExitCode.INTERRUPTED
    return ExitCode.INVALID if result.invalid else ExitCode.FINISHED


def _tell(text: str, *, quiet: bool) -> None:
    if not quiet:
        print(text, end="", flush=True)
