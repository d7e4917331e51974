"""`cpu`: the same work whoever does it, arms that fit the machine, and outcomes either way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from crawler.compare.design import Bars, Lines, Setting
from crawler.compare.executors import all_at_work
from crawler.compare.experiments.cpu import (
    BASE,
    EXPERIMENT,
    arrive,
    compute,
    shared,
    widths,
    work,
)
from crawler.compare.observation import Observed, Run
from crawler.compare.runner import run_job
from tests.compare.made import found, setting
from tests.compare.turns import Looking, observed, outcome, turns

AMOUNT = {"turns": 1_200, "chunks": 12}
AS_PREDICTED = {
    BASE: 1.0,
    "2 threads": 1.01,
    "4 threads": 1.02,
    "1 process": 1.0,
    "2 processes": 0.5,
}


def _seen(walls: dict[str, float], where: Setting | None = None, **more: float) -> Observed:
    runs = [run for arm, wall in walls.items() for run in turns(arm, [wall], **more)]
    return observed(EXPERIMENT, where or setting(), runs)


@pytest.mark.parametrize(
    ("kind", "workers"), [("threads", 1), ("threads", 3), ("threads", 4), ("processes", 2)]
)
def test_the_work_is_the_same_however_it_is_split(kind: str, workers: int) -> None:
    """The checksum is that of all chunks in one call, and it is measured once."""
    watch = Looking()
    done = work({"kind": kind, "workers": workers, **AMOUNT}, watch)
    assert done.checksum == f"{compute(range(1, 13), 100):x}"
    assert watch.entered == 1


@pytest.mark.slow
def test_a_fresh_process_does_the_same_work() -> None:
    """Its workers find what they are to run, and it answers with the checksum."""
    where = setting()
    parameters = {"kind": "processes", "workers": 2, **AMOUNT}
    job = {"module": EXPERIMENT.module, "parameters": parameters, "cores": [], "slowdown": 0.0}
    answer = run_job(where.interpreter, job, 30.0, 0)
    assert (answer["failure"], answer["checksum"]) == ("", f"{compute(range(1, 13), 100):x}")


def test_less_work_has_another_checksum() -> None:
    """A chunk left out, done twice or cut short is seen."""
    whole = compute(range(1, 13), 100)
    others = {compute(range(1, 12), 100), compute([*range(1, 13), 3], 100)}
    assert whole not in others | {compute(range(1, 13), 99)}


def test_each_worker_is_there_before_the_watch_starts() -> None:
    """A pool has all of its workers when they have gathered, and no task is left."""
    with ThreadPoolExecutor(5) as pool:
        all_at_work(pool, 5, arrive)
        assert len(pool._threads) == 5
        assert pool._work_queue.empty()


@pytest.mark.parametrize(("cores", "expected"), [(1, [1, 2]), (2, [1, 2, 4]), (6, [1, 6, 12])])
def test_it_is_split_over_up_to_twice_the_cores(cores: int, expected: list[int]) -> None:
    """One worker, one a core, two a core; and every width divides the chunks."""
    where = setting(cores)
    assert widths(where) == expected
    for arm in EXPERIMENT.arms(where):
        assert arm.parameters["chunks"] % arm.parameters["workers"] == 0


def test_interpreters_take_part_where_there_are_any() -> None:
    """From 3.14 on they have arms and a prediction; before they have neither."""
    old, new = setting(), setting(version="3.14.0")
    assert not any("interpreter" in arm.name for arm in EXPERIMENT.arms(old))
    assert "2 interpreters" in {arm.name for arm in EXPERIMENT.arms(new)}
    assert "2 interpreters" in {each.other for each in EXPERIMENT.contrasts(new)}


def test_without_the_lock_threads_are_predicted_to_be_faster() -> None:
    """With it they are predicted not to be."""
    by = {
        gil: {c.other: c for c in EXPERIMENT.contrasts(setting(gil=gil))} for gil in (True, False)
    }
    assert by[True]["2 threads"].expect == "not faster"
    assert (by[False]["2 threads"].expect, by[False]["2 threads"].least) == ("faster", 1.7)
    assert by[True]["2 processes"] == by[False]["2 processes"]


def test_without_the_lock_sharing_numbers_is_an_arm_that_does_the_same() -> None:
    """It is compared and nothing is predicted; under the lock, or on one core, it is not run."""
    sharing = "2 threads, shared numbers"
    arms = {arm.name: arm for arm in EXPERIMENT.arms(setting(gil=False))}
    assert arms[sharing].equal == arms["2 threads"].equal
    (contrast,) = (c for c in EXPERIMENT.contrasts(setting(gil=False)) if c.other == sharing)
    assert (contrast.base, contrast.expect) == ("2 threads", "")
    assert compute(range(1, 5), 50) == shared(range(1, 5), 50)
    for where in (setting(), setting(1, gil=False)):
        assert sharing not in {arm.name for arm in EXPERIMENT.arms(where)}


def test_on_one_core_nothing_is_predicted_of_processes() -> None:
    """It is said instead; that threads are no faster is still predicted."""
    where = setting(1)
    claims = found(EXPERIMENT, _seen({BASE: 1.0, "2 threads": 1.0}, where))
    assert outcome(claims, "processes compute") == "told"
    assert outcome(claims, "2 threads are no faster") == "as predicted"
    assert len(claims) == 2


@pytest.mark.slow
def test_as_predicted() -> None:
    """Threads as fast as one, processes twice as fast, the same CPU seconds."""
    claims = found(EXPERIMENT, _seen(AS_PREDICTED))
    assert {each.outcome for each in claims.values()} == {"as predicted"}
    assert len(claims) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "wall", "claim"),
    [
        ("2 threads", 0.5, "2 threads are no faster"),
        ("4 threads", 0.8, "4 threads are no faster"),
        ("2 processes", 0.7, "2 processes are at least 1.70"),
        ("2 processes", 1.0, "2 processes are at least 1.70"),
        ("2 processes", 1.2, "2 processes are faster than 1 thread"),
    ],
)
def test_the_opposite_is_found(arm: str, wall: float, claim: str) -> None:
    """A prediction that does not hold is told as one."""
    claims = found(EXPERIMENT, _seen({**AS_PREDICTED, arm: wall}))
    assert outcome(claims, claim) == "otherwise"


def test_processes_that_work_more_are_found() -> None:
    """A third more CPU seconds for the same work are not what was predicted."""
    runs = [*turns(BASE), *turns("2 processes", [0.5], cpu=1.33)]
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), runs))
    assert outcome(claims, "2 processes save time") == "otherwise"


def test_other_work_is_no_comparison() -> None:
    """An arm with another checksum voids what is compared with it."""
    runs = [
        *turns(BASE, checksum="a"),
        *turns("1 process", checksum="a"),
        *turns("2 threads", checksum="a"),
    ]
    seen = observed(EXPERIMENT, setting(), [*runs, *turns("2 processes", [0.5], checksum="b")])
    claims = found(EXPERIMENT, seen)
    assert outcome(claims, "2 processes are at") == "invalid"
    assert outcome(claims, "2 processes are faster") == "invalid"
    assert outcome(claims, "2 threads") == "as predicted"


@pytest.mark.slow
def test_whoever_computes_in_parallel_is_asked_for_its_cpu_seconds() -> None:
    """Threads where the lock is off, and interpreters, as processes are; threads under it not."""
    runs = [*turns(BASE), *turns("2 threads", [0.5], cpu=1.5), *turns("2 interpreters", [0.5])]
    free, locked = setting(gil=False), setting(version="3.14.0")
    claims = found(EXPERIMENT, observed(EXPERIMENT, free, runs))
    assert outcome(claims, "2 threads save time") == "otherwise"
    claims = found(EXPERIMENT, observed(EXPERIMENT, locked, runs))
    assert outcome(claims, "2 interpreters save time") == "as predicted"
    assert not [claim for claim in claims if claim.startswith("2 threads save")]


def test_the_charts_show_speed_up_and_seconds() -> None:
    """Twice as fast is a 2 beside the ideal line; wall and CPU have a bar for each arm."""
    lines, bars = EXPERIMENT.charts(_seen(AS_PREDICTED))
    assert isinstance(lines, Lines) and isinstance(bars, Bars)
    by_name = {series.name: dict(series.points) for series in lines.series}
    assert by_name["processes"][2] == pytest.approx(2.0)
    assert lines.ideal is not None and list(lines.ideal.points) == [(1, 1), (2, 2), (4, 2)]
    assert set(bars.groups) == set(AS_PREDICTED)


def test_charts_do_without_arms_that_failed() -> None:
    """No reading, no point; without the base there is no chart."""
    gone: list[Run] = [
        Run(arm="2 threads", round=1, at=0, seconds=1, load=0, elsewhere=0, failure="gone")
    ]
    lines, _bars = EXPERIMENT.charts(observed(EXPERIMENT, setting(), [*turns(BASE), *gone]))
    assert isinstance(lines, Lines)
    assert [list(series.points) for series in lines.series] == [[(1, 1.0)]]
    assert EXPERIMENT.charts(observed(EXPERIMENT, setting(), gone)) == []
