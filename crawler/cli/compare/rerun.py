"""`crawler compare rerun`: the same comparison once more, and what came out otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from crawler.cli.compare import compare_session
from crawler.cli.compare.compare_outputs import Folder, results_of
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.compare.comparison_result import ComparisonResult
from crawler.model.errors import ExitCode

USAGE = "Usage: crawler compare rerun REPORT [OPTIONS]"
HELP = (
    "Repeat a comparison from its results.json (or the directory that holds it): the same "
    "experiments, options and seed. Says what came out otherwise than then."
)
_RESULT = COMPARE.group("Result")


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
        bool,
        Parameter(
            name=["--quiet", "-q"],
            help="No live line; only what came out otherwise.",
            group=_RESULT,
            negative="",
            show_default=False,
        ),
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


_Key = tuple[str, str, str]


def _outcomes(result: ComparisonResult) -> Iterator[tuple[_Key, tuple[str, str]]]:
    for examined in result.examined:
        for part in examined.parts:
            label = part.observed.interpreter.label
            for finding in part.findings:
                key = (examined.experiment.name, label, finding.claim)
                yield key, (finding.outcome, finding.text)
