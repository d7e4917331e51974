"""`crawler load compare`: find which of two results is faster, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from cyclopts import Parameter

from crawler.cli.load.load_session import LOAD
from crawler.cli.load.load_summary import milliseconds
from crawler.load.load_result import LoadResult
from crawler.load.significance import WORDS, RunComparison, judged_confidence
from crawler.load.significance import compare as compared
from crawler.model.errors import ExitCode

USAGE = "Usage: crawler load compare A.json B.json [OPTIONS]"
HELP = (
    "Compare two results (--out): the ratio B / A of each figure, with a 95 % interval.\n\n"
    "Two runs tell about those two runs alone; `crawler load URL --against URL` takes turns, and "
    "is what a claim should rest on. Exit code 4 if one of the runs failed, 5 if one cannot be "
    "believed."
)

_GROUP = LOAD.group("Result")


def compare(
    first: Annotated[str, Parameter(name="A.json", help="A result of crawler load --out.")],
    second: Annotated[str, Parameter(name="B.json", help="Another one.")],
    /,
    *,
    json: Annotated[
        bool, Parameter(help="One JSON object.", group=_GROUP, negative="", show_default=False)
    ] = False,
) -> int:
    """Compare two files; `HELP` describes it."""
    a, b = LoadResult.read(first), LoadResult.read(second)
    doubts = [*_doubts(first, a), *_doubts(second, b), *_differences(a, b)]
    show(compared(a.measured, b.measured), doubts, json=json)
    if a.failure or b.failure:
        return ExitCode.THRESHOLD
    return ExitCode.FINISHED if a.verdict.valid and b.verdict.valid else ExitCode.INVALID


def show(comparisons: Sequence[RunComparison], doubts: Sequence[str], *, json: bool) -> None:
    """Print the figures of A and B with their ratio, and what speaks against believing them."""
    if json:
        found: dict[str, Any] = {
            "comparisons": [asdict(each) for each in comparisons],
            "doubts": list(doubts),
        }
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    print(f"{'':14}{'A':>12}{'B':>12}  B / A, 95 % interval")
    for each in comparisons:
        shown = str(each.ratio) if each.ratio else "-"
        a, b = _figure(each, each.a), _figure(each, each.b)
        print(f"{each.figure:14}{a:>12}{b:>12}  {shown:24}  {each.word}")
    for line in _explained(comparisons):
        print(line)
    for doubt in doubts:
        print(f"NOTE: {doubt}")


def _explained(comparisons: Sequence[RunComparison]) -> Iterator[str]:
    """Explain the words in use, and what they rest on."""
    for word in dict.fromkeys(each.word for each in comparisons):
        yield f"{word}: {WORDS[word]}"
    each = f"{judged_confidence():.2%}".replace("%", " %")
    yield f"The words rest on wider intervals, of {each}: 95 % for all {len(comparisons)} together."


def _figure(comparison: RunComparison, value: float) -> str:
    return f"{value:,.0f}/s" if comparison.figure == "rate" else f"{milliseconds(value)} ms"


def _doubts(name: str, result: LoadResult) -> Iterator[str]:
    if result.failure:
        yield f"{name} failed: {result.failure}"
    if not result.verdict.valid:
        yield f"{name} cannot be believed: {'; '.join(result.verdict.reasons)}"
    if result.partial:
        yield f"{name} was stopped before its end"


def _differences(a: LoadResult, b: LoadResult) -> Iterator[str]:
    if a.machine != b.machine:
        yield "the generator ran on different machines or versions"
    theirs = b.config.values()
    changed = [name for name, value in a.config.values().items() if value != theirs[name]]
    if changed:
        yield f"the loads differ in {', '.join(changed)}"
