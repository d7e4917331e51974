"""A load run as Markdown, for a comment on a pull request or a job's summary.

What comes from elsewhere (URLs, messages of failures) stands in code spans, where no character but
the backtick means anything: nobody is mentioned, no issue is linked and no HTML is let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from crawler.load.load_report import TITLES, by_target, found, how, outcomes
from crawler.load.load_result import PERCENTILES, LoadResult
from crawler.load.measured import Measured, share
from crawler.load.validity import Check, needed
from crawler.measure.quantity import latency


def markdown(result: LoadResult) -> str:
    """Return the text; its heading says whether the run passed."""
    target = code(result.json["target"])  # without its password
    parts = [
        f"### {_heading(result)}\n",
        f"{target}: {how(result)}\n",
        *_doubts(result),
        *_thresholds(result),
        _latencies(result.measured),
        *_targets(result.measured),
        _folded("Outcomes", _table(("", "requests"), _outcomes(result.measured))),
        _folded("Checks", _table(("", "check", "found"), map(_checked, result.verdict.checks))),
    ]
    return "\n".join(parts)


def code(text: str) -> str:
    """Return a text as a code span (CommonMark 0.31, 6.1)."""
    plain = re.sub(r"\s+", " ", text).strip() or " "
    longest = max(map(len, re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{plain}{space}{fence}"


def _heading(result: LoadResult) -> str:
    run = result.measured
    p99, errors = latency(run.response.quantile(0.99)), share(run.error_share)
    figures = f"{run.rate:,.0f} answers/s, p99 {p99}, {errors} errors"
    return f"crawler load: {_outcome(result)}, {figures}"


def _outcome(result: LoadResult) -> str:
    if result.partial:
        return "stopped before its end"
    if result.failed or not result.met:
        return "failed"
    return "passed" if result.verdict.valid else "not believable"


def _doubts(result: LoadResult) -> Iterator[str]:
    """Yield the doubts about the figures, one line each."""
    if result.failure:
        yield f"**Failed:** {result.failure}\n"
    for check in result.verdict.failed:
        yield f"**Not believable:** {check.name}: {check.why}\n"


def _thresholds(result: LoadResult) -> Iterator[str]:
    if result.thresholds:
        words = {True: "met", False: "**missed**"}
        rows = ((code(j.text), words[j.met], found(j) + j.but) for j in result.thresholds)
        yield _table(("threshold", "", "measured"), rows)


def _latencies(run: Measured) -> str:
    """Return the three latencies, without percentiles that have too few requests."""
    shares = {n: q for n, q in PERCENTILES.items() if run.response.count >= needed(q)}
    kinds = {"response": run.response, "service": run.service, "lag": run.lag}
    rows = (
        (name, *map(latency, histogram.quantiles(shares.values())), latency(histogram.largest))
        for name, histogram in kinds.items()
    )
    return _table(("latency", *shares, "max"), rows)


def _targets(run: Measured) -> Iterator[str]:
    if len(run.targets) > 1:
        rows = ([code(name), *cells] for name, *cells in by_target(run))
        yield _folded("Targets", _table(TITLES, rows))


def _outcomes(run: Measured) -> Iterator[tuple[str, str]]:
    for name, value in outcomes(run):
        yield (name, code(value)) if name.startswith("first ") else (name, value)


def _checked(check: Check) -> tuple[str, str, str]:
    word = "ok" if check.ok else "**failed**" if check.matters else "note"
    return word, check.name, check.why


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table (GFM 4.10) of Markdown cells; a bar is escaped, in code, too."""
    head = list(columns)
    lines = [head, ["---"] * len(head), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def _folded(title: str, table: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{table}\n</details>\n"
