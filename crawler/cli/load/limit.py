"""`crawler load --find-limit`: the highest rate that keeps a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson

from crawler.cli.load.outputs import Outputs
from crawler.cli.load.session import run
from crawler.cli.load.summary import figure
from crawler.load.find import Search, Trial
from crawler.load.options import MAX_RATE, LoadConfig
from crawler.load.result import Result
from crawler.load.threshold import Threshold
from crawler.model.errors import ConfigurationError, ExitCode

FIRST = 100.0
"""Requests/s to begin with where --rate does not say: slow servers do that, fast ones soon more."""

OWN = frozenset({"generator CPU", "event-loop lag", "pacer lag", "ports", "descriptors"})
"""Checks that fail by the generator's fault; the others may fail by the server's, too."""

ACHIEVED = "achieved rate"
"""A server that cannot be sent so many requests does not do that rate, however it answers."""

_LIMITS = {
    "threshold": "they broke it at",
    "generator": "the generator, not the server, was at its limit at",
    "most": "more is not tried",
    "": "the search was cut short at",
}


def find(
    config: LoadConfig,
    urls: Sequence[str],
    bound: Threshold,
    files: Outputs,
    *,
    json: bool,
    quiet: bool,
) -> int:
    """Search, one run of `config.duration` a trial; the files are those of the rate found.

    Returns 0 if there is such a rate, else the code of a missed threshold or of a run that cannot
    be believed; 130 if a signal ended the search, which then tells what it has found until there.
    """
    if config.stages:
        raise ConfigurationError("--find-limit: chooses the rates itself; leave out --stages")
    search = Search(first=config.rate or FIRST, most=MAX_RATE)
    best: Result | None = None
    partial = False
    while not partial and (rate := search.rate) is not None:
        result = run(replace(config, rate=rate), urls, [bound], quiet=quiet or json)
        partial = result.partial
        if not partial:
            search.tell(_trial(rate, bound, result))
            best = result if search.trials[-1].kept else best
            _tell(search.trials[-1], bound, quiet=quiet or json)
    if best is not None and search.found is not None:
        files.write(best)
    _show(search, bound, partial=partial, json=json)
    return ExitCode.INTERRUPTED if partial else _code(search)


def _code(search: Search) -> ExitCode:
    if search.found is not None:
        return ExitCode.FINISHED
    return ExitCode.THRESHOLD if search.limited_by == "threshold" else ExitCode.INVALID


def _tell(trial: Trial, bound: Threshold, *, quiet: bool) -> None:
    if not quiet:
        print(_line(trial, bound), flush=True)


def _show(search: Search, bound: Threshold, *, partial: bool, json: bool) -> None:
    if json:
        values = {**_values(search, bound), "partial": partial}
        print(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode())
        return
    print(_answer(search, bound))
    if partial:
        print("PARTIAL: the search was stopped before its end")


def _trial(rate: float, bound: Threshold, result: Result) -> Trial:
    measured = result.measured
    failed = {check.name for check in result.verdict.checks if not check.ok}
    return Trial(
        rate=rate,
        kept=bound.met(measured) and ACHIEVED not in failed,
        value=bound.value(measured),
        believed=not failed & OWN,
    )


def _line(trial: Trial, bound: Threshold) -> str:
    what = "kept" if trial.kept else "broken"
    doubt = "" if trial.believed else "  the generator did not keep up"
    return f"{trial.rate:>11,g}/s  {what:6}  {figure(bound, trial.value):>10}{doubt}"


def _answer(search: Search, bound: Threshold) -> str:
    above = f" {search.broken:,g}/s" if search.broken else ""
    why = f"{_LIMITS[search.limited_by]}{above}"
    if search.found is None:
        tried = f": tried down to{above}" if above else ""
        return f"no rate was found that keeps {bound}{tried}"
    return f"{search.found:,g} requests/s keep {bound}; {why}"


def _values(search: Search, bound: Threshold) -> dict[str, Any]:
    return {
        "threshold": str(bound),
        "rate": search.found,
        "broken": search.broken,
        "limited_by": search.limited_by,
        "trials": [asdict(trial) for trial in search.trials],
    }
