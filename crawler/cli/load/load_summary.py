"""The summary of a load, as a page of text of 80 columns for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import chain
from textwrap import wrap

from crawler.cli import unit_formats
from crawler.cli.unit_formats import count, counted, megabytes
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import LoadResult
from crawler.load.measured import ErrorKind, Measured, TargetCounts, largest
from crawler.load.threshold import Threshold
from crawler.load.validity import MOST_LATENESS, Verdict
from crawler.measure.histogram import Histogram

WIDTH = 80
MOST_TARGETS = 20
"""Rows of targets on a screen; the JSON has all that were counted."""
_LABEL, _COLUMN = 10, 10
_NAME, _FIGURE = 28, 9
_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
_GLUE = "\N{NO-BREAK SPACE}"
# Where response and service differ by less, chance or a busy machine will do as the reason; and by
# less than the lag that a believable run may have, it is the generator's own.
_OMITTED, _OWN_LAG = 1.25, MOST_LATENESS


def text(result: LoadResult) -> str:
    """Return all of it; the last lines are thresholds and verdict."""
    parts = chain(
        head(result.config, result.target, result.urls),
        counts(result.measured),
        latencies(result.measured),
        rows(result.measured),
        judgement(result),
    )
    return "".join(f"{line}\n" for line in parts)


def head(config: LoadConfig, target: str, targets: int = 1) -> Iterator[str]:
    """Yield the target, or the first of several, and the shape of the load."""
    yield shortened(target)
    if targets > 1:
        yield f"and {counted(targets - 1, 'other target')}"
    processes = f", {config.processes} processes" if config.processes > 1 else ""
    line = f"{shape(config)}; {config.engine} engine{processes}"
    yield from wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def shape(config: LoadConfig) -> str:
    """Return `closed loop, 64 connections`, or the schedule of an open one."""
    connections = counted(config.connections, "connection")
    if not config.open_loop:
        return f"closed loop, {connections}"
    rate = f"stages {config.stages}" if config.stages else f"{config.rate:,g}/s"
    return f"open loop, {rate}, {config.arrivals} arrivals, at most {connections}"


def counts(measured: Measured) -> Iterator[str]:
    """Yield requests, rate, bytes; then what was answered and what failed, by kind."""
    received = measured.received / measured.elapsed if measured.elapsed else 0.0
    yield (
        f"{counted(measured.attempts, 'request')} in {measured.elapsed:,.2f} s: "
        f"{measured.rate:,.0f} answers/s, {megabytes(received)}/s"
    )
    yield from row("status", [status(s, n) for s, n in sorted(measured.statuses.items())])
    kinds = [f"{kind.value}: {count(n)}" for kind, n in sorted(measured.failures.items())]
    kinds += [f"dropped: {count(measured.dropped)}"] if measured.dropped else []
    yield from row("no answer", kinds)
    if measured.reopened:
        yield from row("retried", [f"closed while idle: {count(measured.reopened)}"])
    if measured.unfinished:
        yield from row("in flight", [f"{count(measured.unfinished)} at the end"])
    yield from row("errors", [f"{count(measured.errors)} ({measured.error_share:.3%})"])
    yield from errors(measured.kinds)


def status(code: int, answers: int) -> str:
    """Return a status with its answers; a redirect is one, and is not followed."""
    redirect = 300 <= code < 400 and code != HTTPStatus.NOT_MODIFIED
    return f"{code}{' (redirect)' if redirect else ''}: {count(answers)}"


def latencies(measured: Measured) -> Iterator[str]:
    """Yield the three latencies side by side in milliseconds, and explain their difference.

    A quantile above the last of the values is none, so it is left out.
    """
    names = [*_SHARES, "max", "mean"]
    yield f"{'ms':{_LABEL}}" + "".join(f"{name:>{_COLUMN}}" for name in names)
    yield _latency("response", measured.response)
    yield _latency("service", measured.service)
    yield _latency("lag", measured.lag)
    if failed := sum(measured.failures.values()):
        yield f"{counted(failed, 'failed request')} took at least as long as shown"
    response, service = measured.response.quantile(0.99), measured.service.quantile(0.99)
    if service and response / service >= _OMITTED and response - service > _OWN_LAG:
        yield (
            f"coordinated omission: p99 from the schedule is {response / service:,.3g} times "
            "that from sending"
        )


def figure(threshold: Threshold, value: float) -> str:
    """Return a value that a threshold is about, in its unit."""
    if threshold.latency:
        return f"{milliseconds(value)} ms"
    return f"{value:.3%}" if threshold.figure == "errors" else f"{value:,.0f}/s"


def judgement(result: LoadResult) -> Iterator[str]:
    """Yield each threshold, then whether to believe any of it, and why not."""
    for judged in result.thresholds:
        value = figure(Threshold.read(judged.text), judged.value)
        word = "met" if judged.met else "MISSED"
        yield f"threshold {judged.text}: {word} with {value}{judged.but}"
    if result.partial:
        yield "PARTIAL: stopped before its end"
    if result.failure:
        yield from wrap(f"FAILED: {result.failure}", WIDTH, subsequent_indent="  ")
    yield from _belief(result.verdict)


def _belief(verdict: Verdict) -> Iterator[str]:
    """Yield the verdict, the doubts, and the notes."""
    passed = sum(check.ok for check in verdict.checks)
    yield f"believable: {counted(passed, 'check')} passed" if verdict.valid else "NOT BELIEVABLE:"
    for check in (*verdict.failed, *verdict.notes):
        yield from wrap(
            f"{'' if check.matters else 'note: '}{check.name}: {check.why}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )


def _latency(name: str, histogram: Histogram) -> str:
    values = histogram.quantiles(_SHARES.values())
    total = histogram.count
    shown = [
        milliseconds(value) if total * (1 - share) >= 1 - 1e-9 else "-"
        for value, share in zip(values, _SHARES.values(), strict=True)
    ]
    shown += [
        milliseconds(value) if total else "-" for value in (histogram.largest, histogram.mean)
    ]
    return f"{name:{_LABEL}}" + "".join(f"{text:>{_COLUMN}}" for text in shown)


def row(label: str, parts: list[str]) -> Iterator[str]:
    """Yield a label and its parts, none of which is torn; no line if there are none."""
    for line in wrap(
        "  ".join(part.replace(" ", _GLUE) for part in parts),
        WIDTH,
        initial_indent=f"{label:{_LABEL}}",
        subsequent_indent=" " * _LABEL,
    ):
        yield line.replace(_GLUE, " ")


def rows(measured: Measured) -> Iterator[str]:
    """Yield a row for each target, the largest first; nothing of a run with one."""
    if len(measured.targets) < 2:
        return
    titles = ("requests", "rate/s", "p50 ms", "p90 ms", "p99 ms")
    yield f"{'target':{_NAME}}" + "".join(f"{title:>{_FIGURE}}" for title in titles) + "  status"
    for target in largest(measured.targets, MOST_TARGETS):
        yield from _target(target, measured.elapsed)


def _target(target: TargetCounts, elapsed: float) -> Iterator[str]:
    found = target.outcomes
    figures = [count(target.attempts), f"{target.rate(elapsed):,.0f}"]
    figures += map(milliseconds, target.response.quantiles((0.5, 0.9, 0.99)))
    only = found[0].partition(":")[0] if len(found) == 1 else "mixed"
    cells = "".join(f"{figure:>{_FIGURE}}" for figure in figures)
    if len(target.name) < _NAME:
        yield f"{target.name:{_NAME}}{cells}  {only:.5}".rstrip()
    else:
        yield shortened(target.name)
        yield f"{'':{_NAME}}{cells}  {only:.5}".rstrip()
    if len(found) > 1 or len(only) > 5:
        indent = " " * 4
        yield from wrap("  ".join(found), WIDTH, initial_indent=indent, subsequent_indent=indent)


def errors(kinds: Mapping[str, ErrorKind]) -> Iterator[str]:
    """Yield the first message of each kind of error, and what that one asked for."""
    for kind, error in sorted(kinds.items()):
        first = f"first {kind.replace('_', ' ')}: {error.message}"
        indent = " " * 10
        if error.message:
            yield from wrap(first, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
        if error.example:
            yield shortened(f"{indent}  {error.example}")


def milliseconds(seconds: float) -> str:
    """Return three digits, without the unit, which stands at the head of the table."""
    return unit_formats.milliseconds(seconds).removesuffix(" ms")


def shortened(text: str, width: int = WIDTH) -> str:
    """Return a line that fits; what is too long for it lacks its middle."""
    if len(text) <= width:
        return text
    half = width // 2
    return f"{text[: half - 2]}...{text[-(half - 1) :]}"
