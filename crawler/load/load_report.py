"""A load run as one HTML page: verdict, figures, plots and tables, for a screen or a phone.

The page is a single file that asks the network for nothing, runs no script (its policy forbids
both) and follows the reader's choice of light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator

from crawler.load.load_config import LoadConfig
from crawler.load.load_result import PERCENTILES, Judged, LoadResult
from crawler.load.measured import Measured, largest
from crawler.load.plots import plots
from crawler.load.threshold import Threshold
from crawler.load.validity import BEYOND, Check, needed
from crawler.measure.histogram import Histogram
from crawler.measure.quantity import latency, size
from crawler.report.html_page import PageTable, render

TITLES = ("target", "hits", "rate/s", "p50", "p90", "p99", "outcomes")
MOST_ROWS = 101
"""Rows of targets: all that a run counts apart, and the others together."""


def report(result: LoadResult) -> str:
    """Return the page; raises `EnvironmentFailure` without the extra `report`."""
    good = result.verdict.valid and result.met and not (result.partial or result.failure)
    return render(
        "load.html.j2",
        title=f"Load of {result.json['target']}",  # without secrets
        heading="",
        how=how(result),
        good=good,
        words=f"This run {'can' if result.verdict.valid else 'cannot'} be believed.",
        notes=[*_doubts(result), *_judged(result)],
        figures=_key_figures(result.measured),
        plots=plots(result.measured),
        tables=_tables(result),
    )


def how(result: LoadResult) -> str:
    """Return the method, the shape of the load, and when it was measured, in one line."""
    config, urls = result.config, result.urls
    many = f" and {urls - 1:,} other targets" if urls > 1 else ""
    loop = f"closed loop over {config.connections:,} connections"
    if config.open_loop:
        rate = f"stages {config.stages}" if config.stages else f"{config.rate:,g} requests/s"
        loop = f"open loop, {rate}, {config.arrivals} arrivals"
    measured = f"{result.measured.elapsed:,.1f} s from {result.started}"
    return f"{config.method}{many}; {loop}; {config.engine} engine; {measured}"


def _doubts(result: LoadResult) -> Iterator[tuple[str, str]]:
    if result.partial:
        yield "bad", "It was stopped before its end: the figures are a part."
    if result.failure:
        yield "bad", f"The run failed: {result.failure}"
    yield from (("bad", f"{check.name}: {check.why}") for check in result.verdict.failed)
    yield from (("", f"Note: {check.name}: {check.why}") for check in result.verdict.notes)


def _judged(result: LoadResult) -> Iterator[tuple[str, str]]:
    for judged in result.thresholds:
        kind, word = ("good", "met") if judged.met else ("bad", "missed")
        yield kind, f"threshold {judged.text}: {word}, with {found(judged)}{judged.but}"


def found(judged: Judged) -> str:
    """Return what was measured of the figure that a threshold is about, in its unit."""
    threshold = Threshold.read(judged.text)
    if threshold.latency:
        return latency(judged.value)
    return f"{judged.value:.3%}" if threshold.figure == "errors" else f"{judged.value:,.4g}/s"


def _key_figures(run: Measured) -> dict[str, str]:
    response, service = run.response, run.service
    return {
        "answers a second": f"{run.rate:,.0f}" if run.rate >= 100 else f"{run.rate:.3g}",
        "answers": f"{run.count:,}",
        "errors": f"{run.errors:,} ({run.error_share:.2%})",
        "response p50": latency(response.quantile(0.5)),
        "response p99": latency(response.quantile(0.99)),
        "service p99": latency(service.quantile(0.99)),
        "received a second": size(run.received / run.elapsed if run.elapsed else 0),
    }


def _tables(result: LoadResult) -> Iterator[PageTable]:
    run = result.measured
    yield _latencies(run)
    yield PageTable("Outcomes", ("outcome", "hits"), outcomes(run), "words")
    if len(run.targets) > 1:
        yield PageTable("Targets", TITLES, by_target(run), "targets")
    checks = [(c.name, _word(c), c.why) for c in result.verdict.checks]
    yield PageTable("May it be believed?", ("check", "", "found"), checks, "words")
    yield PageTable("Asked for", ("option", "value"), _options(result), "words")
    yield PageTable("Machine of the generator", ("", ""), _machine(result), "words")


def _word(check: Check) -> str:
    return "ok" if check.ok else "failed" if check.matters else "note"


def _latencies(run: Measured) -> PageTable:
    columns = (run.response, run.service, run.lag)
    rows = [
        (name, *(_quantile(histogram, share) for histogram in columns), _ratio(run, share))
        for name, share in PERCENTILES.items()
    ]
    rows.append(("max", *(latency(h.largest) for h in columns), _ratio(run, 1)))
    rows.append(("mean", *(latency(h.mean) for h in columns), ""))
    rows.append(("deviation", *(latency(h.stdev) for h in columns), ""))
    notes = [f"Ratio: response to service. *: fewer than {BEYOND} values are above it."]
    if failed := sum(run.failures.values()):
        bounds = f"{failed:,} of {run.response.count:,} requests"
        notes.append(f"{bounds} failed: they took at least as long as is counted.")
    titles = ("latency", "response", "service", "lag", "ratio")
    return PageTable("Latencies", titles, rows, note=" ".join(notes))


def _quantile(histogram: Histogram, share: float) -> str:
    if not histogram.count:
        return "none"
    few = histogram.count < needed(share)
    return f"{latency(histogram.quantile(share))}{'*' if few else ''}"


def _ratio(run: Measured, share: float) -> str:
    service = run.service.quantile(share)
    return f"{run.response.quantile(share) / service:.3g}" if service else ""


def outcomes(run: Measured) -> Iterator[tuple[str, str]]:
    """Yield each status and kind of failure with its number, and the first message of each."""
    yield from ((f"status {s}", f"{n:,}") for s, n in sorted(run.statuses.items()))
    yield from ((kind.replace("_", " "), f"{n:,}") for kind, n in sorted(run.failures.items()))
    for kind, error in sorted(run.kinds.items()):
        if words := ": ".join(filter(None, (error.message, error.example))):
            yield f"first {kind.replace('_', ' ')}", words
    for name, number in (
        ("closed while idle, and retried", run.reopened),
        ("dropped", run.dropped),
        ("in flight at the end", run.unfinished),
    ):
        if number:
            yield name, f"{number:,}"


def by_target(run: Measured) -> Iterator[list[str]]:
    """Yield the cells of each target, as in `TITLES`; the largest first."""
    for target in largest(run.targets, MOST_ROWS):
        yield [
            target.name,
            f"{target.attempts:,}",
            f"{target.rate(run.elapsed):,.3g}",
            *map(latency, target.response.quantiles((0.5, 0.9, 0.99))),
            ", ".join(target.outcomes),
        ]


def _options(result: LoadResult) -> Iterator[tuple[str, str]]:
    """Yield the options that differ from the defaults, and the duration."""
    given = result.json["config"]
    for name, spec in LoadConfig.options().items():
        if name == "duration" or getattr(result.config, name) != spec.default:
            yield name.replace("_", " "), _written(name, given[name])


def _written(name: str, value: object) -> str:
    """Return an option's value as text; fractions are seconds, except for the rate."""
    if isinstance(value, float):
        return f"{value:,g}/s" if name == "rate" else f"{value:,g} s"
    return "; ".join(value) if isinstance(value, list) else str(value)


def _machine(result: LoadResult) -> Iterator[tuple[str, str]]:
    machine = result.machine
    for name in machine.__struct_fields__:
        if name != "libraries":
            yield name, str(getattr(machine, name))
    yield from machine.libraries.items()
