"""`crawler compare` alone: its plan, the equal work of its arms, and processes that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.compare.design import Arm
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.answer import EXPERIMENT, pages
from crawler.compare.observation import Run
from crawler.compare.runner import Schedule, Turn, conduct, decided
from tests.compare.made import HERE, SETTING
from tests.compare.tiny import experiment


def _conducted(what: Experiment, setting: Any = SETTING, rounds: int = 2) -> Sequence[Run]:
    plan = Schedule(setting=setting, interpreters=[HERE], budget=1.0, rounds=rounds)
    (part,) = conduct(what, plan, lambda _turn: None).parts
    return part.runs


def _kept(*arms: Arm) -> Experiment:
    return replace(experiment(arms), kept=True)


@pytest.mark.slow
@pytest.mark.parametrize("listed", [False, True])
def test_every_arm_does_the_same_work_in_every_turn(tmp_path: Path, listed: bool) -> None:
    """CM4: equal records, no errors, a rate and a CPU time; on the mock web and on a list."""
    setting = replace(SETTING, width=4, latency=0.01)
    if listed:
        from crawler.compare.web import mock_web

        with mock_web(setting, "--pages", "9") as server:
            path = tmp_path / "list.txt"
            path.write_text("".join(f"{server}/page/{n}\n" for n in range(9)))
            runs = _conducted(EXPERIMENT, replace(setting, urls=str(path)), 1)
    else:
        runs = _conducted(EXPERIMENT, setting)
    assert {run.failure for run in runs} == {""} and not any(run.errors for run in runs)
    sums = {run.checksum for run in runs if run.arm != "sequential"}
    assert len(sums) == 1 and len({run.checksum for run in runs}) <= 2
    assert all(run.figures["rate"] > 0 and run.figures["cpu_per_page"] > 0 for run in runs)
    assert {run.arm for run in runs} >= {"sequential", "threaded", "async asyncio"}


@pytest.mark.parametrize(
    ("latency", "width", "count"),
    [(0.1, 100, 500), (0.2, 500, 1_000), (0.0, 100, 500), (1.0, 10, 20), (0.01, 10, 500)],
)
def test_a_turn_takes_about_half_a_second(latency: float, width: int, count: int) -> None:
    """Little's law, but two pages a slot at least and 500 at most where that is more."""
    assert pages(replace(SETTING, latency=latency, width=width)) == count


def test_politeness_sets_no_pace(tmp_path: Path) -> None:
    """Of a list on the web two URLs a host are taken, with manners; on loopback all, without."""
    path = tmp_path / "list.txt"
    path.write_text("".join(f"http://h{n % 3}.test/{n}\n" for n in range(30)) + "no url\n")
    arms = EXPERIMENT.arms(replace(SETTING, urls=str(path)))
    assert len(arms[1].parameters["urls"]) == 6 and arms[1].parameters["bare"] is False
    path.write_text("".join(f"http://127.0.0.1/{n}\n" for n in range(30)))
    (alone, wide, *_) = EXPERIMENT.arms(replace(SETTING, urls=str(path)))
    assert len(wide.parameters["urls"]) == 30 and wide.parameters["bare"] is True
    assert alone.parameters["urls"] == wide.parameters["urls"][:5]


@pytest.mark.slow
def test_a_kept_process_serves_all_turns() -> None:
    """One process an arm; what a turn did comes from that process."""
    runs = _conducted(_kept(Arm(name="a"), Arm(name="b")), rounds=3)
    pids = {(run.arm, run.notes["pid"]) for run in runs}
    assert len(runs) == 8 and len(pids) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("raise", "exit code 1: ValueError: as it was told"),
        ("raise early", "exit code 1: ValueError: before it was ready"),
        ("die", "killed by SIGKILL"),
        ("hang", "not done after 2 s"),
    ],
)
def test_a_kept_process_that_fails_is_not_asked_again(do: str, why: str) -> None:
    """It fails once, with its last words; the other arm goes on."""
    arms = [
        Arm(name="bad", parameters={"do": do}, limit=2.0 if do == "hang" else 30.0),
        Arm(name="good", limit=30.0),
    ]
    runs = _conducted(_kept(*arms))
    assert [run.failure for run in runs if run.arm == "bad"] == [why]
    assert [run.failure for run in runs if run.arm == "good"] == ["", "", ""]


def test_half_a_minute_is_a_promise() -> None:
    """Where fewer than five rounds fit, fewer are run; one at least."""
    plan = Schedule(setting=SETTING, interpreters=[HERE], budget=30.0)
    assert decided(plan, EXPERIMENT, a_round=10.0, spent=10.0) == 2
    assert decided(plan, EXPERIMENT, a_round=10.0, spent=50.0) == 1
    assert decided(plan, experiment([]), a_round=10.0, spent=10.0) == 5


@pytest.mark.slow
def test_a_comparison_that_is_interrupted_counts_the_rounds_that_it_has() -> None:
    """Of nine planned rounds two are whole when Ctrl-C comes in the third."""

    def on_turn(turn: Turn) -> None:
        if turn.round == 3:
            raise KeyboardInterrupt

    plan = Schedule(setting=SETTING, interpreters=[HERE], budget=1.0, rounds=9)
    conducted = conduct(_kept(Arm(name="a")), plan, on_turn)
    assert conducted.partial and conducted.rounds == 2
