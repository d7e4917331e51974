"""`start-up`: each way to start workers gives one result, and its cost is told."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crawler.compare.design import Bars
from crawler.compare.executors import hold, left_behind
from crawler.compare.experiments.start_up import EXPERIMENT
from crawler.compare.experiments.start_up_work import work
from crawler.compare.observation import Observed
from tests.compare.made import found, outcome, setting
from tests.compare.pools import ROUNDS, in_child, observed, run, worked

Cost = tuple[float, float, float]
"""Seconds of the first and the second pool, bytes a worker."""

AS_PREDICTED: Mapping[str, Cost] = {
    "thread": (1e-4, 1e-4, 2e4),
    "fork": (1e-2, 1e-2, 3e6),
    "forkserver": (0.2, 0.05, 9e6),
    "spawn": (0.3, 0.2, 1e7),
    "loky": (0.4, 0.3, 1e7),
}


def _seen(costs: Mapping[str, Cost], **interpreter: Any) -> Observed:
    runs = [
        run(
            arm,
            n,
            reading={"wall": first * (1 + n / 100)},
            figures={
                "first": first * (1 + n / 100),
                "second": second,
                "worker_pss": size * (1 + n / 100),
                "added_pss": size,
            },
        )
        for arm, (first, second, size) in costs.items()
        for n in range(1, ROUNDS + 1)
    ]
    return observed(EXPERIMENT, setting(**interpreter), runs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["thread", "forkserver"])
def test_a_pool_answers_twice_and_leaves_nothing(kind: str) -> None:
    """Two pools, two answers, all figures above zero; no thread and no process stays."""
    threads, before = threading.active_count(), left_behind(0)
    done = worked(work, kind=kind, workers=2)
    assert done.checksum == "[1, 1]"
    assert set(done.figures) == {"first", "second", "worker_pss", "added_pss"}
    assert min(done.figures.values()) > 0
    assert (threading.active_count(), left_behind() <= before) == (threads, True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_a_turn_runs_in_a_fresh_process(kind: str) -> None:
    """Fork meets no thread there; a worker takes a million bytes at least."""
    answer = in_child(EXPERIMENT, kind)
    assert (answer["failure"], answer["checksum"]) == ("", "[1, 1]")
    assert answer["figures"]["worker_pss"] > 1e6


def test_a_process_with_threads_is_not_forked() -> None:
    """The turn fails instead."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold).result()
        with pytest.raises(RuntimeError, match="must not be forked"):
            worked(work, kind="fork", workers=1)


@pytest.mark.slow
def test_workers_that_cost_what_they_should_are_as_predicted() -> None:
    """Threads before fork before spawn, in time and memory; the second fork server is quicker."""
    claims = found(EXPERIMENT, _seen(AS_PREDICTED))
    assert {finding.outcome for finding in claims.values()} == {"as predicted"}
    assert len(claims) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "cost", "claim"),
    [
        ("thread", (1.0, 1.0, 2e4), "threads give their first result before forked"),
        ("fork", (0.9, 0.9, 3e6), "forked processes give their first result before spawned"),
        ("forkserver", (0.2, 0.5, 9e6), "second pool starts faster"),
        ("thread", (1e-4, 1e-4, 5e6), "threads take less memory than forked"),
        ("thread", (1e-4, 1e-4, 5e7), "threads take less memory than spawned"),
    ],
)
def test_the_opposite_is_found(arm: str, cost: Cost, claim: str) -> None:
    """A pool that starts late or takes much breaks the prediction that it would not."""
    claims = found(EXPERIMENT, _seen({**AS_PREDICTED, arm: cost}))
    assert outcome(claims, claim) == "otherwise"


@pytest.mark.slow
def test_a_failed_turn_voids_what_rests_on_it() -> None:
    """Of the fork server nothing is said then, of the others all."""
    seen = _seen(AS_PREDICTED)
    runs = [*seen.runs, run("forkserver", 7, failure="exit code 1")]
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), runs))
    assert outcome(claims, "second pool starts faster") == "invalid"
    assert outcome(claims, "before processes of the fork server") == "invalid"
    assert outcome(claims, "less memory than spawned") == "as predicted"


def test_too_few_rounds_decide_nothing() -> None:
    """Of three turns there is no word on the second pool."""
    seen = _seen(AS_PREDICTED)
    runs = [each for each in seen.runs if each.round <= 3]
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), runs))
    assert outcome(claims, "second pool starts faster") == "undecided"


def test_only_what_the_system_has_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreters from 3.14 on; without fork no arm, no prediction and no check of it."""
    new = setting(version="3.14.0")
    assert "interpreter" in {arm.name for arm in EXPERIMENT.arms(new)}
    assert "interpreter" in {each.other for each in EXPERIMENT.contrasts(new)}
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    where = setting()
    assert [arm.name for arm in EXPERIMENT.arms(where)] == ["thread", "spawn", "loky"]
    assert all("fork" not in each.claim for each in EXPERIMENT.contrasts(where))
    assert EXPERIMENT.checks(observed(EXPERIMENT, where, [])) == []


def test_each_core_has_a_worker() -> None:
    """One on one core; on very many cores eight are enough."""
    for cores, workers in ((1, 1), (3, 3), (64, 8)):
        assert {a.parameters["workers"] for a in EXPERIMENT.arms(setting(cores))} == {workers}


def test_charts_show_what_was_measured() -> None:
    """A bar for each way that did not fail, in milliseconds and megabytes."""
    costs = {name: cost for name, cost in AS_PREDICTED.items() if name != "loky"}
    seen = _seen(costs)
    runs = [*seen.runs, run("loky", 1, failure="exit code 1")]
    times, memory = EXPERIMENT.charts(observed(EXPERIMENT, setting(), runs))
    assert isinstance(times, Bars) and isinstance(memory, Bars)
    assert len(times.groups) == 4 and "loky's processes" not in times.groups
    assert times.values["the second pool"][2] == pytest.approx(50)
    assert memory.values["a worker"][1] == pytest.approx(3, rel=0.1)
