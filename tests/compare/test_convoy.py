"""`convoy`: who computes does so inside the watch only, and outcomes either way."""

from __future__ import annotations

import sys
import threading
from multiprocessing import active_children

import pytest

from crawler.compare.design import Lines, Setting
from crawler.compare.experiments import convoy_work
from crawler.compare.experiments.convoy import ALONE, EXPERIMENT, Beside
from crawler.compare.experiments.convoy_work import Crowd, spin, wakings, work
from crawler.compare.observation import Observed, Run
from tests.compare.made import found, setting
from tests.compare.turns import Looking, observed, outcome, turns

DELAYS = {
    ALONE: 0.0001,
    "1 thread, 0.5 ms": 0.0006,
    "1 thread": 0.0052,
    "1 thread, 20 ms": 0.0205,
    "2 threads": 0.011,
    "4 threads, 0.5 ms": 0.003,
    "4 threads": 0.025,
    "4 threads, 20 ms": 0.09,
    "1 process": 0.0001,
    "2 processes": 0.0002,
}


def _runs(**changed: float) -> list[Run]:
    """As predicted with the lock on, but for the delays of some."""
    delays = {**DELAYS, **changed}
    return [
        run
        for arm, delay in delays.items()
        for run in turns(arm, figures={"p50": delay, "p99": delay * 2, "units": 1e5})
    ]


def _seen(where: Setting | None = None, **changed: float) -> Observed:
    return observed(EXPERIMENT, where or setting(), _runs(**changed))


@pytest.mark.parametrize(("kind", "workers"), [("threads", 0), ("threads", 2), ("processes", 1)])
def test_a_turn_has_delays_and_leaves_nothing_behind(kind: str, workers: int) -> None:
    """Delays in order, something computed beside it, the interval put back, and all have ended."""
    threads, before, watch = threading.active_count(), sys.getswitchinterval(), Looking()
    parameters = {"kind": kind, "workers": workers, "interval": 0.0005, "seconds": 0.05}
    done = work(parameters, watch)
    figures = done.figures
    assert 0 < figures["p50"] <= figures["p99"] <= figures["longest"]
    assert (figures["units"] > 0) == (workers > 0)
    assert (done.errors, watch.entered) == (0, 1)
    assert sys.getswitchinterval() == before
    assert active_children() == []
    assert threading.active_count() == threads


def test_nobody_computes_before_it_is_told_to() -> None:
    """All are there, and have done nothing, until `go`."""
    threads = threading.active_count()
    with Crowd("threads", 2) as crowd:
        assert list(crowd.units) == [0, 0]
        crowd.go()
    assert threading.active_count() == threads


def test_a_turn_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait to compute do not wait for ever, nor as long as they would for a partner."""

    def fail(_crowd: Crowd) -> None:
        raise ZeroDivisionError

    threads = threading.active_count()
    monkeypatch.setattr(Crowd, "go", fail)
    with pytest.raises(ZeroDivisionError):
        work({"kind": "threads", "workers": 2, "interval": 0.005, "seconds": 0.01}, Looking())
    assert threading.active_count() == threads


def test_one_that_computes_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn in which not all took part is no turn."""

    def lazy(barrier: threading.Barrier, stopped: list[int], units: list[int], place: int) -> None:
        spin(barrier, stopped if place else [1], units, place)

    monkeypatch.setattr(convoy_work, "spin", lazy)
    parameters = {"kind": "threads", "workers": 2, "interval": 0.005, "seconds": 0.02}
    assert work(parameters, Looking()).errors == 1


def test_there_is_a_waking_however_short_the_time() -> None:
    """A figure of nothing would be none."""
    assert len(wakings(0.0)) == 1


def test_the_arms_sweep_interval_and_number() -> None:
    """On two cores: none, one, two and four threads; three intervals; one and two processes."""
    assert [arm.name for arm in EXPERIMENT.arms(setting())] == [
        *(ALONE, "1 thread, 0.5 ms", "1 thread", "1 thread, 20 ms"),
        *("4 threads, 0.5 ms", "4 threads", "4 threads, 20 ms", "2 threads"),
        *("1 process", "2 processes"),
    ]


@pytest.mark.parametrize("cores", [1, 2, 8])
@pytest.mark.parametrize("gil", [True, False])
def test_what_is_compared_is_run(cores: int, gil: bool) -> None:
    """Every comparison has its arms, on one core and on many, and no arm is there twice."""
    where = setting(cores, gil=gil)
    arms = [arm.name for arm in EXPERIMENT.arms(where)]
    assert len(arms) == len(set(arms))
    assert {c.base for c in EXPERIMENT.contrasts(where)} <= set(arms)
    assert {c.other for c in EXPERIMENT.contrasts(where)} <= set(arms)


@pytest.mark.slow
def test_as_predicted() -> None:
    """Delays that follow the interval beside threads, and none beside a process."""
    claims = found(EXPERIMENT, _seen())
    told = [each for each in claims.values() if each.outcome == "told"]
    assert {each.outcome for each in claims.values()} == {"as predicted", "told"}
    assert len(told) == 2 and all(each.claim.startswith("what ") for each in told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "delay", "claim"),
    [
        ("1 thread", 0.0002, "alone it wakes at least five times"),
        ("1 thread, 0.5 ms", 0.0052, "with a tenth of the interval"),
        ("1 thread, 20 ms", 0.0052, "with four times the interval"),
        ("4 threads", 0.0052, "beside 4 threads it wakes less"),
        ("1 process", 0.0052, "beside a process that computes"),
        ("1 process", 0.0052, "beside 1 process 99 %"),
    ],
)
def test_the_opposite_is_found(arm: str, delay: float, claim: str) -> None:
    """Each prediction can fail."""
    assert outcome(found(EXPERIMENT, _seen(**{arm: delay})), claim) == "otherwise"


@pytest.mark.slow
def test_a_machine_that_wakes_nobody_in_time_decides_nothing() -> None:
    """What is late alone, too, is not late because of a process."""
    claims = found(EXPERIMENT, _seen(**{ALONE: 0.004, "1 process": 0.005}))
    assert outcome(claims, "beside 1 process 99 %") == "undecided"


def test_without_the_lock_threads_are_predicted_to_be_no_trouble() -> None:
    """Then it is the delay beside a thread that is otherwise."""
    bare = setting(gil=False, version="3.14.0")
    claims = found(EXPERIMENT, _seen(bare))
    assert outcome(claims, "beside 1 thread 99 %") == "otherwise"
    prompt = {"1 thread": 0.0001, "1 thread, 20 ms": 0.0001}
    claims = found(EXPERIMENT, _seen(bare, **prompt))
    assert outcome(claims, "beside 1 thread 99 %") == "as predicted"


def test_without_the_lock_no_price_of_a_switch_is_asked() -> None:
    """Nothing is switched: a long interval alone is tried, and threads compute more by number."""
    bare = setting(gil=False)
    (contrast,) = EXPERIMENT.contrasts(bare)
    assert (contrast.base, contrast.other, contrast.expect) == ("1 thread", "2 threads", "faster")
    names = {arm.name for arm in EXPERIMENT.arms(bare)}
    assert {"1 thread", "2 threads", "1 thread, 20 ms"} <= names
    assert not any("0.5 ms" in name for name in names)
    assert EXPERIMENT.contrasts(setting(1, gil=False)) == []


@pytest.mark.slow
def test_on_one_core_nothing_is_predicted_of_processes() -> None:
    """They need the core as much as a thread does; what threads do is predicted all the same."""
    where = setting(1)
    claims = found(EXPERIMENT, _seen(where))
    assert outcome(claims, "beside a process it wakes") == "told"
    assert outcome(claims, "alone it wakes") == "as predicted"
    assert not any(claim.startswith("beside a process that") for claim in claims)


@pytest.mark.slow
def test_turns_with_errors_are_not_compared() -> None:
    """Where not all took part, the comparison is void and the check is not made."""
    runs = [run for run in _runs() if run.arm != "1 process"]
    seen = observed(EXPERIMENT, setting(), [*runs, *turns("1 process", errors=1)])
    claims = found(EXPERIMENT, seen)
    assert outcome(claims, "beside a process that") == "invalid"
    assert not any(claim.startswith("beside 1 process 99 %") for claim in claims)


def test_the_charts_follow_the_interval() -> None:
    """Milliseconds against milliseconds, and what is missing is left out."""
    delay, beside, _computed = EXPERIMENT.charts(_seen())
    assert isinstance(delay, Lines) and isinstance(beside, Lines)
    by_name = {series.name: dict(series.points) for series in delay.series}
    assert by_name["1 thread"] == pytest.approx({0.5: 1.2, 5: 10.4, 20: 41}, rel=1e-3)
    assert by_name["1 process"].keys() == {0.5, 20}
    assert [x for x, _y in beside.series[0].points] == [0, 1, 2, 4]
    alone = [run for run in _runs() if run.arm == ALONE]
    (only,) = EXPERIMENT.charts(observed(EXPERIMENT, setting(), alone))
    assert isinstance(only, Lines) and only.title == beside.title


def test_arms_are_named_for_people() -> None:
    """The usual interval is not named, one is singular, and nobody is nobody."""
    names = [
        Beside("threads", 4, 0.0005).name,
        Beside("processes", 1).name,
        Beside("threads", 0).name,
    ]
    assert names == ["4 threads, 0.5 ms", "1 process", ALONE]
