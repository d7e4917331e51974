"""The decision table and the advice: they follow from the data, either way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from crawler.compare import catalogue
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Arm, Setting
from crawler.compare.judgement import Examined
from crawler.compare.observation import InterpreterRuns, Run
from crawler.compare.runner import Conducted
from crawler.measure.machine import Machine
from tests.compare.made import SETTING, run

JITTER = [0.999, 1.001, 1.0, 1.002, 0.998, 1.0]


def _result(
    name: str,
    figures: Mapping[str, Mapping[str, float]],
    rounds: int = 6,
    jitters: Mapping[str, Sequence[float]] | None = None,
) -> ComparisonResult:
    """An experiment of which each arm has these figures in each round, give or take."""
    experiment = catalogue.load(name)
    arms = [Arm(name=arm, equal="") for arm in figures]
    runs = [
        _run(arm, number, {key: value * by for key, value in values.items()})
        for arm, values in figures.items()
        for number, by in enumerate((jitters or {}).get(arm, JITTER)[:rounds], 1)
    ]
    parts = (_part(SETTING, arms, runs),)
    conducted = Conducted(name=name, parts=parts, rounds=rounds, seconds=1.0, partial=False)
    examined = Examined.of(experiment, conducted, {})
    return ComparisonResult(
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        partial=False,
        asked=[name],
        config=CompareConfig(),
        machine=Machine.here((0, 1), 2**30),
        examined=[examined],
    )


def _run(arm: str, number: int, values: Mapping[str, float]) -> Run:
    return run(arm, number, values.get("wall", 1.0), figures=values)


def _part(setting: Setting, arms: Sequence[Arm], runs: Sequence[Run]) -> InterpreterRuns:
    return InterpreterRuns(setting=setting, arms=arms, runs=runs)


def _models(result: ComparisonResult) -> list[str]:
    return [each.model for each in result.decisions]


def _crawls(**changed: Mapping[str, float]) -> ComparisonResult:
    figures: dict[str, Mapping[str, float]] = {
        "async uvloop, inline": {"rate": 1000.0, "cpu_per_page": 1e-3},
        "async uvloop, process": {"rate": 2000.0, "cpu_per_page": 2e-3},
        "async asyncio, inline": {"rate": 900.0, "cpu_per_page": 1e-3},
        "threaded, inline": {"rate": 300.0, "cpu_per_page": 3e-3},
    }
    names = {"process": "async uvloop, inline, 2 processes", "threaded": "threaded, inline"}
    return _result("crawl", {**figures, **{names[key]: each for key, each in changed.items()}})


@pytest.mark.slow
def test_the_crawl_is_advised_by_what_was_decided() -> None:
    """The arm that nothing beats is named, with the comparisons that it won."""
    result = _crawls(process={"rate": 3000.0, "cpu_per_page": 1e-3})
    assert _models(result) == ["async uvloop, inline, 2 processes"]
    assert result.advice.startswith(
        "On this machine, crawl with async uvloop, inline, 2 processes: 3,000 pages/s and 1.00 ms "
        "of CPU a page. async uvloop, inline, 2 processes against async uvloop, inline, pages/s: "
        "faster: 3.00 times as fast"
    )
    two = _crawls(threaded={"rate": 4000.0, "cpu_per_page": 1e-3})  # not compared with each other
    assert _models(two) == ["threaded, inline or async uvloop, process"]


def _answered(rounds: int, **rates: float) -> ComparisonResult:
    """What `crawler compare` alone found: rates of threads and of asyncio, with noise."""
    usual = {"sequential": 10.0, "threaded": 500.0, "async_asyncio": 500.0, "async_uvloop": 500.0}
    costs = {"threaded": 2.0, "async asyncio": 1.1, "async uvloop": 1.0}
    figures = {
        name.replace("_", " "): {
            "rate": rate,
            "cpu_per_page": costs.get(name.replace("_", " "), 3.0),
        }
        for name, rate in {**usual, **rates}.items()
    }
    return _result("answer", figures, rounds)


@pytest.mark.slow
def test_of_equally_fast_crawls_the_thriftiest_is_advised() -> None:
    """Where waiting bounds all alike, the CPU time of a page decides."""
    assert _models(_answered(6)) == ["async uvloop"]
    assert _models(_answered(6, threaded=900.0)) == ["threaded"]


@pytest.mark.slow
def test_there_is_no_advice_from_undecided_comparisons() -> None:
    """CM2: with three rounds nothing is decided, however clear the medians are."""
    for name, figures in {
        "crawl": {"async uvloop, inline": {"rate": 9.0}, "threaded, inline": {"rate": 1.0}},
        "cpu": {
            "1 thread": {"wall": 1.0},
            "2 threads": {"wall": 1.0},
            "2 processes": {"wall": 0.5},
        },
        "race": {"a Lock": {"ns": 100.0}, "a sum per thread": {"ns": 10.0}},
        "convoy": {"1 thread": {"wake_p99": 1.0}, "1 process": {"wake_p99": 0.1}},
    }.items():
        few = _result(name, figures, 3)
        assert _models(few) == [] and few.advice == ""
        assert {each.why for each in few.undecided} <= {"too few rounds; it takes at least 2 more"}
        assert len(few.undecided) == 1
    assert _answered(3).advice == "" and _models(_answered(3)) == []


@pytest.mark.slow
def test_what_is_left_is_named_with_what_is_missing() -> None:
    """Where some are beaten and the others undecided, the advice names those and what they lack."""
    noisy = [0.8, 1.2, 1.0, 0.7, 1.3, 1.1]
    arms = {"sequential": 10.0, "threaded": 400.0, "async asyncio": 450.0, "async uvloop": 430.0}
    figures = {name: {"rate": rate, "cpu_per_page": 1.0} for name, rate in arms.items()}
    jitters = [noisy, noisy[::-1], noisy[3:] + noisy[:3], noisy[1:] + noisy[:1]]
    result = _result("answer", figures, 6, dict(zip(arms, jitters, strict=True)))
    assert "crawl with threaded or async asyncio or async uvloop: " in result.advice
    assert "Which of them is open: " in result.advice
    assert result.advice.endswith("more rounds would tell.")


@pytest.mark.slow
def test_computing_goes_to_whoever_was_faster() -> None:
    """Processes under the lock, threads where they are faster, one thread where nobody is."""
    usual = {"1 thread": 1.0, "2 threads": 1.0, "1 process": 1.0, "2 processes": 0.5}

    def models(**walls: float) -> list[str]:
        seen = {**usual, **{name.replace("_", " "): wall for name, wall in walls.items()}}
        return _models(_result("cpu", {name: {"wall": wall} for name, wall in seen.items()}))

    assert models() == ["processes"]
    assert models(**{"2_threads": 0.5}) == ["threads"]
    assert models(**{"2_processes": 1.0}) == ["one thread"]


@pytest.mark.slow
def test_a_counter_gets_what_is_cheaper() -> None:
    """A sum per thread, a Lock, or either."""
    for price, model in ((10.0, "a sum per thread"), (400.0, "a Lock")):
        seen = {"a Lock": {"ns": 100.0}, "a sum per thread": {"ns": price}}
        assert _models(_result("race", seen)) == [model]
    equal = {"a Lock": {"ns": 100.0}, "a sum per thread": {"ns": 100.0}}
    assert _models(_result("race", equal)) == ["a Lock or a sum per thread"]


@pytest.mark.slow
def test_what_was_not_measured_has_no_row() -> None:
    """Neither a row nor a sentence is made up."""
    result = _result("noise", {"wait A": {"wall": 1.0}, "wait B": {"wall": 1.0}})
    assert _models(result) == [] and result.advice == ""
