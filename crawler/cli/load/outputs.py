"""The files that a load leaves: each whole or absent, and known to be writable beforehand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from crawler.load.result import Result
from crawler.measure.hgrm import hgrm
from crawler.model.errors import EnvironmentFailure
from crawler.model.extras import install
from crawler.store.files import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Names of files for the result as JSON, the report and the percentile text; "" for none."""

    out: str = ""
    report: str = ""
    hgrm: str = ""

    def check(self) -> None:
        """After the load would be a bad time to learn that a file cannot be made.

        Raises `EnvironmentFailure` that names the flag.
        """
        for flag, path in self._named():
            folder = Path(path).parent
            if Path(path).is_dir():
                raise EnvironmentFailure(f"{flag}: {path} is a directory")
            if not os.access(folder, os.W_OK | os.X_OK):
                reason = "is not writable" if folder.is_dir() else "is no directory"
                raise EnvironmentFailure(f"{flag}: {path}: {folder} {reason}")
        if self.report and find_spec("matplotlib") is None:
            raise EnvironmentFailure(f"--report needs matplotlib: {install('report')}")

    def write(self, result: Result) -> None:
        """Write all that are wanted; raises `EnvironmentFailure` for the first that cannot be.

        One that cannot be written is no reason to lose the others.
        """
        failures = []
        for path, text in self._texts(result):
            try:
                write_whole(path, text.encode())
            except EnvironmentFailure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _texts(self, result: Result) -> Iterator[tuple[str, str]]:
        if self.out:
            yield self.out, result.text
        if self.hgrm:
            yield self.hgrm, hgrm(result.measured.response)
        if self.report:
            from crawler.load.report import report  # a second's imports, for some runs only

            yield self.report, report(result)

    def _named(self) -> Iterator[tuple[str, str]]:
        named = {"--out": self.out, "--report": self.report, "--hgrm": self.hgrm}
        yield from ((flag, path) for flag, path in named.items() if path)
