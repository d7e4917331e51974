"""The decision table and the advice: they follow from the data, either way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crawler.compare import catalogue
from crawler.compare.advice import decisions
from crawler.compare.experiment import Arm, Setting
from crawler.compare.judgement import Run
from crawler.compare.machine import Machine
from crawler.compare.options import CompareConfig
from crawler.compare.result import Examined, Result
from crawler.compare.runner import Conducted, Part
from tests.compare.made import SETTING, run

JITTER = [0.999, 1.001, 1.0, 1.002, 0.998, 1.0]


def _result(name: str, figures: Mapping[str, Mapping[str, float]]) -> Result:
    """An experiment of which each arm has these figures in six rounds, give or take."""
    experiment = catalogue.load(name)
    arms = [Arm(name=arm, equal="") for arm in figures]
    runs = [
        _run(arm, number, {key: value * by for key, value in values.items()})
        for arm, values in figures.items()
        for number, by in enumerate(JITTER, 1)
    ]
    conducted = Conducted(parts=[_part(SETTING, arms, runs)], rounds=6, seconds=1.0, partial=False)
    examined = Examined.of(experiment, conducted, {})
    return Result(
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        partial=False,
        asked=[name],
        config=CompareConfig(),
        machine=Machine.here(),
        examined=[examined],
    )


def _run(arm: str, number: int, values: Mapping[str, float]) -> Run:
    return run(arm, number, values.get("wall", 1.0), figures=values)


def _part(setting: Setting, arms: Sequence[Arm], runs: Sequence[Run]) -> Part:
    return Part(setting=setting, arms=arms, runs=runs)


def _models(result: Result) -> list[str]:
    return [each.model for each in decisions(result)]


def test_the_crawl_is_advised_by_rate_and_then_by_cpu() -> None:
    """Of those that are about as fast as the fastest, the thriftiest; threads are named beside."""
    figures = {
        "async uvloop, inline": {"rate": 1000.0, "cpu_per_page": 1e-3},
        "async uvloop, process": {"rate": 2000.0, "cpu_per_page": 2e-3},
        "async asyncio, process": {"rate": 1990.0, "cpu_per_page": 1.5e-3},
        "threaded, inline": {"rate": 300.0, "cpu_per_page": 3e-3},
    }
    result = _result("crawl", figures)
    assert _models(result) == ["async asyncio, process"]
    assert result.advice == (
        "On this machine, crawl with async asyncio, process: 1,990 pages/s and 1.50 ms of CPU a "
        "page; by threads it was 300 pages/s and 3.00 ms of CPU a page at the most "
        "(threaded, inline)."
    )
    figures["threaded, inline"]["rate"] = 4000.0
    advised = _result("crawl", figures)
    assert _models(advised) == ["threaded, inline"] and "by threads" not in advised.advice


def test_computing_goes_to_whoever_was_faster() -> None:
    """Processes under the lock, threads where they are faster, one thread where nobody is."""
    usual = {"1 thread": 1.0, "2 threads": 1.0, "1 process": 1.0, "2 processes": 0.5}

    def models(**walls: float) -> list[str]:
        seen = {**usual, **{name.replace("_", " "): wall for name, wall in walls.items()}}
        return _models(_result("cpu", {name: {"wall": wall} for name, wall in seen.items()}))

    assert models() == ["processes"]
    assert models(**{"2_threads": 0.5}) == ["threads"]
    assert models(**{"2_processes": 1.0}) == ["one thread"]


def test_a_counter_gets_what_is_cheaper() -> None:
    """A sum per thread, a Lock, or either."""
    for price, model in ((10.0, "a sum per thread"), (400.0, "a Lock")):
        seen = {"a Lock": {"ns": 100.0}, "a sum per thread": {"ns": price}}
        assert _models(_result("race", seen)) == [model]
    equal = {"a Lock": {"ns": 100.0}, "a sum per thread": {"ns": 100.0}}
    assert _models(_result("race", equal)) == ["a Lock or a sum per thread"]


def test_what_was_not_measured_has_no_row() -> None:
    """Neither a row nor a sentence is made up."""
    result = _result("noise", {"wait A": {"wall": 1.0}, "wait B": {"wall": 1.0}})
    assert _models(result) == [] and result.advice == ""
