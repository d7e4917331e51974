"""How turns are run: fresh processes, by turns, ended for sure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.compare import arm_process, runner
from crawler.compare.design import Arm, Interpreter, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.observation import Observed, Run
from crawler.compare.runner import Conducted, Schedule, Turn, conduct, run_job
from tests.compare.ending import ends
from tests.compare.made import HERE, SETTING
from tests.compare.tiny import experiment

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _children_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def _plan(**fields: Any) -> Schedule:
    values = {"setting": SETTING, "interpreters": [HERE], "budget": 0.0, "rounds": 2, **fields}
    return Schedule(**values)


def _conducted(arms: Sequence[Arm], **fields: Any) -> Conducted:
    return conduct(experiment(arms), _plan(**fields), lambda _turn: None)


def _job(**parameters: Any) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    common = {"module": "tests.compare.tiny", "cores": cores, "slowdown": 0.0}
    return {**common, "parameters": parameters}


def _answer(limit: float = 30.0, **parameters: Any) -> dict[str, Any]:
    return run_job(HERE, _job(**parameters), limit, hash_seed=1)


@pytest.mark.slow
def test_a_turn_tells_what_it_cost() -> None:
    """Wall and CPU time, memory, switches and collections of a process that has just started."""
    found = _answer(seconds=0.05)
    assert not found["failure"] and found["checksum"] == "same"
    reading = found["reading"]
    assert 0.05 <= reading["wall"] < found["seconds"]
    assert 0 <= reading["user"] + reading["system"] < 5
    assert reading["pss"] > 1_000_000 and reading["rss"] > 5_000_000
    assert reading["voluntary"] >= 1 and reading["collections"] >= 0
    assert Run(arm="a", round=1, at=0.0, **found).value("wall") == reading["wall"]


@pytest.mark.slow
def test_what_a_turn_spends_beside_its_measuring_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Start and imports are CPU time of the turn, and not of something else on the machine."""
    looks = iter([100.0, 100.0 + 0.001])  # nearly nothing ran but the turn
    monkeypatch.setattr(runner, "_children", lambda: 0.0)
    monkeypatch.setattr(runner, "machine_busy", lambda: next(looks))
    assert _answer()["elsewhere"] == pytest.approx(0.001)
    looks, spent = iter([100.0, 107.0]), iter([1.0, 6.0])
    monkeypatch.setattr(runner, "_children", lambda: next(spent))
    assert _answer()["elsewhere"] == pytest.approx(2.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("raise", "exit code 1: ValueError: as it was told"),
        ("die", "killed by SIGKILL"),
        ("nothing", "exit code 1: RuntimeError: tests.compare.tiny has measured nothing"),
    ],
)
def test_a_turn_that_fails_says_why(do: str, why: str) -> None:
    """An error, a signal, or a turn that measured nothing is a failure with its reason."""
    found = _answer(do=do)
    assert found["failure"] == why
    assert "reading" not in found


@pytest.mark.slow
def test_a_turn_that_hangs_is_ended() -> None:
    """Its time is its arm's limit."""
    assert _answer(limit=1.0, do="hang")["failure"] == "not done after 1 s"


@pytest.mark.slow
def test_what_a_turn_leaves_behind_is_ended() -> None:
    """A process that outlives its turn does not outlive it for long."""
    child = _answer(do="leave")["notes"]["child"]
    assert ends(child)


@pytest.mark.slow
def test_a_turn_leaves_no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even one that is killed together with the comparison: its answer never has a name."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[str] = []
    monkeypatch.setattr(
        arm_process, "ended", lambda code: seen.extend(os.listdir(tmp_path)) or f"code {code}"
    )
    assert _answer(do="die")["failure"] == f"code {-signal.SIGKILL}"
    assert seen == []


@pytest.mark.slow
def test_a_turn_ends_with_the_comparison(tmp_path: Path) -> None:
    """`kill -9` of the comparison ends the turn that runs."""
    script = textwrap.dedent(f"""
        import sys
        from crawler.compare.runner import run_job
        from tests.compare.made import HERE
        print("started", flush=True)
        job = {{"module": "tests.compare.telling", "cores": [], "slowdown": 0.0}}
        run_job(HERE, {{**job, "parameters": {{"path": {str(tmp_path / "pid")!r}}}}}, 60, 1)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    os.mkfifo(tmp_path / "pid")
    turn = int((tmp_path / "pid").read_text())
    process.kill()
    process.communicate()
    assert ends(turn)


@pytest.mark.slow
def test_every_round_runs_every_arm_once_in_an_order_by_chance() -> None:
    """Rounds are whole, their orders differ, and the same seed gives the same orders."""
    arms = [Arm(name=name) for name in "abc"]
    runs = _conducted(arms, rounds=2).parts[0].runs
    rounds = [[r.arm for r in runs if r.round == n] for n in range(3)]
    assert all(sorted(each) == list("abc") for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    again = _conducted(arms, rounds=2).parts[0].runs
    assert [(r.round, r.arm) for r in again] == [(r.round, r.arm) for r in runs]


@pytest.mark.slow
def test_a_rounds_arms_have_the_same_hash_seed() -> None:
    """What hashing does to the order of sets is the same for all, and other in each round."""
    arms = [Arm(name="a"), Arm(name="b")]
    runs = _conducted(arms, rounds=2).parts[0].runs
    seeds = {n: {r.figures["hash"] for r in runs if r.round == n} for n in range(3)}
    assert all(len(found) == 1 for found in seeds.values())
    assert len(set().union(*seeds.values())) > 1


@pytest.mark.slow
def test_an_arm_may_have_cores_of_its_own() -> None:
    """Others have those of the setting."""
    first = min(os.sched_getaffinity(0))
    arms = [Arm(name="one", cores=(first,)), Arm(name="all")]
    setting = replace(SETTING, cores=tuple(sorted(os.sched_getaffinity(0))))
    runs = _conducted(arms, rounds=1, setting=setting).parts[0].runs
    cores = {run.arm: run.figures["cores"] for run in runs}
    assert cores == {"one": 1, "all": len(setting.cores)}


def _most(rounds: int) -> Experiment:
    return replace(experiment([]), most_rounds=rounds)


@pytest.mark.parametrize(
    ("a_round", "budget", "most", "rounds"),
    [(1.0, 9.5, 100, 8), (10.0, 5.0, 100, 5), (0.01, 100.0, 100, 12), (0.01, 100.0, 3, 3)],
)
def test_the_number_of_rounds_is_fixed_by_the_warm_up(
    a_round: float, budget: float, most: int, rounds: int
) -> None:
    """As many as fit the budget, five at least, the mode's or the experiment's most at most."""
    plan = _plan(rounds=0, budget=budget)
    assert runner.decided(plan, _most(most), a_round=a_round, spent=a_round) == rounds


def test_rounds_that_were_asked_for_are_run() -> None:
    """Neither more nor fewer, whatever the budget."""
    assert runner.decided(_plan(rounds=7), _most(100), a_round=50.0, spent=50.0) == 7
    assert runner.decided(_plan(rounds=7), _most(3), a_round=50.0, spent=50.0) == 3


@pytest.mark.slow
def test_the_second_arm_is_sabotaged_unless_one_says_so() -> None:
    """Twenty times as long again, by the watch of the turn, and the other side is as it was."""
    arms = [Arm(name=name, parameters={"seconds": 0.02}) for name in "ab"]
    runs = _conducted(arms, rounds=1, slowdown=20).parts[0].runs
    found = {run.arm: run for run in runs}
    assert found["b"].value("wall") >= 0.42 and found["a"].value("cpu") < 0.2
    marked = [replace(arms[0], slowed=True), arms[1]]
    runs = _conducted(marked, rounds=1, slowdown=20).parts[0].runs
    found = {run.arm: run for run in runs}
    assert found["a"].value("wall") >= 0.42 and found["b"].value("cpu") < 0.2


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is() -> None:
    """The turns until then are the result, which is marked; the stage is left."""
    left: list[str] = []

    @contextmanager
    def stage(_setting: Setting) -> Any:
        try:
            yield "http://127.0.0.1:1"
        finally:
            left.append("left")

    def on_turn(turn: Turn) -> None:
        if (turn.round, turn.arm) == (1, "a"):
            raise KeyboardInterrupt

    staged: Experiment = replace(
        experiment([Arm(name="a"), Arm(name="b")]), stage=_typed(stage), most_rounds=3
    )
    found = conduct(staged, _plan(rounds=3), on_turn)
    assert found.partial and left == ["left"]
    assert Counter(run.round for run in found.parts[0].runs)[0] == 2
    assert found.parts[0].setting.server == "http://127.0.0.1:1"


def _typed(stage: Any) -> Any:
    made: AbstractContextManager[str] = stage
    return made


@pytest.mark.slow
def test_other_interpreters_take_turns_too() -> None:
    """Each has its own part, and its turns lie among those of the others."""
    other = Interpreter(label="other", path=sys.executable, version="3.11.0")
    found = _conducted([Arm(name="a"), Arm(name="b")], rounds=3, interpreters=[HERE, other])
    assert [part.setting.interpreter.label for part in found.parts] == ["", "other"]
    first, second = ([run.at for run in part.runs] for part in found.parts)
    assert len(first) == len(second) == 8
    assert min(second) < max(first) and min(first) < max(second)


def test_a_signal_to_the_turn_alone_is_a_failure_of_the_turn() -> None:
    """A crash is named by its signal."""
    assert arm_process.ended(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert arm_process.ended(3) == "exit code 3"


@pytest.mark.slow
def test_an_arm_that_cannot_be_warmed_up_is_given_up() -> None:
    """It is tried twice, and has no turn in any round; its comparisons are void, and say why."""
    arms = [Arm(name="a"), Arm(name="b", parameters={"do": "raise"})]
    found = _conducted(arms, rounds=3).parts[0]
    assert Counter((run.arm, run.round) for run in found.runs) == {
        ("a", 0): 1,
        ("b", 0): 2,
        **{("a", number): 1 for number in (1, 2, 3)},
    }
    seen = Observed(setting=found.setting, arms=arms, runs=found.runs, band=0.01, cpu_band=0.0)
    assert seen.trouble("b").startswith("b: could not be warmed up: exit code 1: ValueError")
    assert seen.trouble("a") == ""
