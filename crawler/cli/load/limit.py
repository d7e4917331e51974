"""`crawler load --find-limit`: the highest rate that keeps its thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from textwrap import wrap
from typing import Any

import orjson

from crawler.cli.load.load_outputs import Wanted
from crawler.cli.load.load_session import Load, thresholds
from crawler.cli.load.load_summary import WIDTH, figure
from crawler.load.find import Search, Trial
from crawler.load.load_config import MAX_RATE, LoadConfig
from crawler.load.load_result import LoadResult
from crawler.load.planner import Target
from crawler.load.threshold import Threshold
from crawler.model.errors import ConfigurationError, ExitCode

FIRST = 100.0
"""Requests/s to begin with where --rate does not say: slow servers do that, fast ones soon more."""

ACHIEVED = "achieved rate"
"""A server that cannot be sent so many requests does not do that rate, however it answers."""

OWN = frozenset({"generator CPU", "event-loop lag", "pacer lag", "ports", "descriptors"})
"""Checks that fail by the generator's fault, so that a step cannot be judged."""


def find(load: Load, config: LoadConfig, urls: Sequence[Target], wanted: Wanted) -> int:
    """Search for the limit, with one run of `config.duration` a trial.

    The files are those of the rate found, or else of the last that was tried.
    Returns 0 if there is such a rate, else the code of a missed threshold or of a run that cannot
    be believed; 130 if a signal ended the search, which then tells what it has found until there.
    """
    if config.stages:
        raise ConfigurationError("--find-limit: chooses the rates itself; leave out --stages")
    bounds = thresholds(wanted.find_limit, "--find-limit")
    search = Search(first=config.rate or FIRST, most=MAX_RATE)
    results: dict[float, LoadResult] = {}
    partial = False
    while not partial and (rate := search.rate) is not None:
        result = load(replace(config, rate=rate), urls, bounds)
        partial = result.partial
        if not partial:
            search.tell(_trial(rate, result))
            results[rate] = result
            if not (wanted.quiet or wanted.json):
                print("\n".join(_lines(search.trials[-1], result)), flush=True)
    if results:
        wanted.files.write(results.get(search.found or 0.0, result))
    if wanted.json:
        values = {**_values(search, bounds), "partial": partial}
        print(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(search, " and ".join(map(str, bounds)), tuple(results.values()), partial=partial)
    if partial:
        return ExitCode.INTERRUPTED
    if search.found is not None:
        return ExitCode.FINISHED
    return ExitCode.THRESHOLD if search.limited_by == "threshold" else ExitCode.INVALID


def _trial(rate: float, result: LoadResult) -> Trial:
    """Judge a run; errors and a missed rate count even if the generator did not keep up."""
    failed = {check.name: check for check in result.verdict.failed}
    own = [check.why for name, check in failed.items() if name in OWN]
    return Trial(
        rate=rate,
        kept=result.met and ACHIEVED not in failed,
        values=tuple(judged.value for judged in result.thresholds),
        doubt="" if result.failed else "; ".join(own),
    )


def _lines(trial: Trial, result: LoadResult) -> Iterator[str]:
    what = "not judged" if trial.doubt else "kept" if trial.kept else "broken"
    figures = [
        f"{Threshold.read(judged.text).name} {figure(Threshold.read(judged.text), judged.value)}"
        for judged in result.thresholds
    ]
    yield f"{trial.rate:>11,g}/s  {what:10}  {'  '.join(figures)}"
    if result.failure:
        yield f"{'':13}  {result.failure}"
    for check in result.verdict.failed:
        if check.name == ACHIEVED and not (trial.doubt or result.failure):
            indent = " " * 15
            yield from wrap(check.why, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _show(search: Search, bounds: str, results: Sequence[LoadResult], *, partial: bool) -> None:
    for line in _answer(search, bounds, results):
        print("\n".join(wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)))
    if partial:
        print("PARTIAL: the search was stopped before its end")


def _answer(search: Search, bounds: str, results: Sequence[LoadResult]) -> Iterator[str]:
    """Yield the rate, or why there is none; then what ended the search, if not the server."""
    least = "" if search.limited_by == "threshold" and search.confirmed else "at least "
    again = "" if search.confirmed else " (tried once)"
    end = f"; {search.broken:,g}/s broke that" if search.broken else ""
    if search.limited_by == "most":
        end = "; more is not tried"
    if search.found is not None:
        yield f"{least}{search.found:,g} requests/s keep {bounds}{again}{end}"
    elif search.limited_by == "threshold":
        yield f"no rate keeps {bounds}: tried down to {search.broken:,g}/s"
        if not any(result.measured.succeeded for result in results):
            yield f"FAILED: {results[-1].failure}"
    if (trial := search.unjudged) is not None:
        yield f"NOT BELIEVABLE: stopped at {trial.rate:,g}/s, which cannot be judged: {trial.doubt}"


def _values(search: Search, bounds: Sequence[Threshold]) -> dict[str, Any]:
    return {
        "thresholds": list(map(str, bounds)),
        "rate": search.found,
        "confirmed": search.confirmed,
        "broken": search.broken,
        "limited_by": search.limited_by,
        "doubt": search.unjudged.doubt if search.unjudged else "",
        "trials": [asdict(trial) for trial in search.trials],
    }
