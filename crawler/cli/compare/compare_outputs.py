"""The directory of a report: report.html and results.json, each whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

from crawler.compare.comparison_result import ComparisonResult
from crawler.model.errors import EnvironmentFailure
from crawler.report.html_page import require
from crawler.store.output_files import write_whole

RESULTS = "results.json"
REPORT = "report.html"


def results_of(report: str) -> Path:
    """Return the file of figures that is meant by it, or by the directory that holds it."""
    path = Path(report)
    return path / RESULTS if path.is_dir() else path


class Folder:
    """The folder of the files; "" for none."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Folder({self.path!r})"

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
