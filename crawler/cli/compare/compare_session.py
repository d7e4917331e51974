"""One comparison as a person sees it: a live line, what each experiment found, the advice.

What it leaves is a directory with report.html and results.json, each whole or absent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from crawler.cli.compare import compare_summary
from crawler.cli.compare.compare_board import CompareBoard
from crawler.cli.compare.compare_live import Live
from crawler.compare import interpreters
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.experiment import Experiment
from crawler.compare.runner import Turn
from crawler.compare.session import Listener, compare
from crawler.measure.machine import Machine
from crawler.model.errors import EnvironmentFailure, ExitCode
from crawler.report.html_page import require
from crawler.store.output_files import write_whole

RESULTS = "results.json"
REPORT = "report.html"


def results_of(report: str) -> Path:
    """Return the file of figures that is meant by it, or by the directory that holds it."""
    path = Path(report)
    return path / RESULTS if path.is_dir() else path


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of the files; "" for none."""

    path: str

    @property
    def report(self) -> Path:
        """The page."""
        return Path(self.path) / REPORT

    def check(self) -> None:
        """Check that files can be written, before the comparison rather than after it.

        Makes the directory. Raises `EnvironmentFailure` that says what is wrong with it.
        """
        if not self.path:
            return
        require()
        try:
            Path(self.path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror
            raise EnvironmentFailure(f"--report: {self.path}: {reason}") from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise EnvironmentFailure(f"--report: {self.path} is not writable")

    def keep(self, result: ComparisonResult) -> None:
        """Write the figures alone, which takes no time."""
        if self.path:
            write_whole(str(Path(self.path) / RESULTS), result.text.encode())

    def write(self, result: ComparisonResult) -> None:
        """Write both; the figures first and at once, lest a second Ctrl-C cost them, too."""
        self.keep(result)
        self.draw(result)

    def draw(self, result: ComparisonResult) -> None:
        """Write the page alone."""
        if self.path:
            from crawler.compare.comparison_report import (
                report,  # a second's imports, for some runs only
            )

            write_whole(str(self.report), report(result).encode())


def perform(
    config: CompareConfig,
    names: Sequence[str],
    folder: Folder,
    *,
    json: bool,
    quiet: bool,
    live: int | None = None,
) -> ComparisonResult:
    """Compare, leave the report, say the last words; a signal while nothing is measured ends it.

    Ctrl-C leaves what there is until then. Each experiment's results are in the folder as soon as
    they are there: an hour's comparison may be killed in its last minute. Raises
    `ConfigurationError` and `EnvironmentFailure`; before anything was run, if that can be. live:
    the port of a page that shows it, None for none.
    """
    folder.check()
    silent = quiet or json
    pythons = [interpreters.here(), *interpreters.others(config.python)]

    def tell(text: str) -> None:
        if not silent:
            print(text, end="", flush=True)

    def begins(machine: Machine, experiments: Sequence[Experiment]) -> None:
        board.begins([each.name for each in experiments])
        tell(compare_summary.head(machine, pythons, config, experiments))

    def ends(result: ComparisonResult) -> None:
        line.clear()
        board.ends(result)
        tell(compare_summary.examined(result.examined[-1]))
        with suppress(EnvironmentFailure):  # it is told of at the end, when all is tried again
            folder.keep(result)

    def turns(turn: Turn) -> None:
        board.turn(turn)
        line.turn(turn)

    board = CompareBoard(names)
    with ExitStack() as stack, Live(sys.stderr, quiet=silent) as line:
        if live is not None:
            from crawler.watch.live_server import serving_live

            address = stack.enter_context(serving_live(board.board, port=live))
            if not quiet:
                print(f"live: {address}", file=sys.stderr, flush=True)
        listener = Listener(begins=begins, turn=turns, ends=ends)
        result = compare(config, names, pythons, listener)
    written = ""
    try:
        folder.write(result)
        written = str(folder.report) if folder.path else ""
    finally:  # a full disk costs the files, and not what was found, too
        if json:
            print(result.text, end="")
        tell(compare_summary.tail(result, written))
    return result


def exit_code(result: ComparisonResult) -> ExitCode:
    """Return the code; an interruption comes before a result that cannot be believed."""
    if result.partial:
        return ExitCode.INTERRUPTED
    return ExitCode.INVALID if result.invalid else ExitCode.FINISHED
