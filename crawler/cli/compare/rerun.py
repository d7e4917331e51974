"""Commands on a results.json: its page, and the same comparison once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from crawler.cli.compare import compare_session
from crawler.cli.compare.compare_session import Folder, results_of
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.cli.crawl_flags import switch
from crawler.compare.comparison_result import ComparisonResult
from crawler.model.errors import ExitCode

USAGE = "Usage: crawler compare rerun REPORT [OPTIONS]"
HELP = (
    "Repeat a comparison from its results.json (or the directory that holds it): the same "
    "experiments, options and seed. Says what came out otherwise than then."
)
PAGE_USAGE = "Usage: crawler compare report REPORT"
PAGE_HELP = (
    "Write report.html from a results.json (or the directory that holds it), next to it. A "
    "comparison that was killed leaves what its finished experiments found."
)
_RESULT = COMPARE.group("Result")


def report(
    report: Annotated[
        str, Parameter(name="REPORT", help="A directory of --report.", group=_RESULT)
    ],
    /,
) -> int:
    """Write the page, also of a file that a kill has left; `PAGE_HELP` describes it."""
    path = results_of(report)
    result = ComparisonResult.read(path)
    folder = Folder(str(path.parent))
    folder.check()
    folder.draw(result)
    print(f"report: {folder.report}")
    return ExitCode.FINISHED


def rerun(
    report: Annotated[str, Parameter(name="REPORT", help="A directory of --report.")],
    /,
    *,
    into: Annotated[
        str,
        Parameter(
            name="--report",
            help="Leave report.html and results.json in this directory.",
            group=_RESULT,
            metavar="DIR",
            show_default=False,
        ),
    ] = "",
    quiet: Annotated[
        bool, switch("No live line; only what came out otherwise.", _RESULT, "--quiet", "-q")
    ] = False,
) -> int:
    """Repeat a comparison; `HELP` describes it."""
    before = ComparisonResult.read(results_of(report))
    result = compare_session.perform(
        before.config, before.asked, Folder(into), json=False, quiet=quiet
    )
    lines = list(changes(before, result))
    print(f"Against {report}, of {before.started}:")
    print("\n".join(lines or ["  every finding came out as then"]))
    return ExitCode(compare_session.exit_code(result))


def changes(before: ComparisonResult, after: ComparisonResult) -> Iterator[str]:
    """Yield a line or two for each finding that came out otherwise than before."""
    if before.machine.processor != after.machine.processor:
        yield f"  another machine: {before.machine.processor}, now {after.machine.processor}"
    if before.machine.python != after.machine.python:
        yield f"  another interpreter: {before.machine.python}, now {after.machine.python}"
    then = dict(_outcomes(before))
    for key, (outcome, text) in _outcomes(after):
        if key in then and then[key][0] != outcome:
            name, interpreter, claim = key
            where = f"{name}, {interpreter}" if interpreter else name
            yield f"  {where}: {claim}"
            yield f"    then {then[key][0]}: {then[key][1]}"
            yield f"    now  {outcome}: {text}"


def _outcomes(
    result: ComparisonResult,
) -> Iterator[tuple[tuple[str, str, str], tuple[str, str]]]:
    """Yield the outcome and the text of each finding: by experiment, interpreter and claim."""
    for examined in result.examined:
        for part in examined.parts:
            label = part.observed.interpreter.label
            for finding in part.findings:
                key = (examined.experiment.name, label, finding.claim)
                yield key, (finding.outcome, finding.text)
