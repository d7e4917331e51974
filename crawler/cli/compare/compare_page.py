"""`crawler compare report`: the page of a results.json, also of one that a kill has left."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from crawler.cli.compare.compare_outputs import Folder, results_of
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.compare.comparison_result import ComparisonResult
from crawler.model.errors import ExitCode

USAGE = "Usage: crawler compare report REPORT"
HELP = (
    "Write report.html from a results.json (or the directory that holds it), next to it. A "
    "comparison that was killed leaves what its finished experiments found."
)


def report(
    report: Annotated[
        str,
        Parameter(name="REPORT", help="A directory of --report.", group=COMPARE.group("Result")),
    ],
    /,
) -> int:
    """Write the page; `HELP` describes it."""
    path = results_of(report)
    result = ComparisonResult.read(path)
    folder = Folder(str(path.parent))
    folder.check()
    folder.draw(result)
    print(f"report: {folder.report}")
    return ExitCode.FINISHED
