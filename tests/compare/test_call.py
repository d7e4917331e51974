"""`crawler compare call`: the user's own function, the same calls by every model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.compare import compare_summary
from crawler.compare import advice
from crawler.compare.compare_config import CompareConfig
from crawler.compare.design import Setting
from crawler.compare.experiments.call import EXPERIMENT, kinds, planned, sizes
from crawler.compare.experiments.call_work import canonical
from crawler.compare.judgement import Examined
from crawler.compare.observation import InterpreterRuns, Run
from crawler.compare.runner import Conducted, Schedule, conduct
from crawler.model.errors import ConfigurationError
from tests.compare.made import HERE, SETTING, run

MINE = """
import helper
def double(text): return helper.twice(text), {"a", "b", text}
async def adouble(text): return helper.twice(text), {text, "b", "a"}
def changes(text): return id(object()), helper.count()
def fails(text): raise ValueError("it broke")
"""
HELPER = """
import itertools, os
counter = itertools.count(os.getpid())
def count(): return next(counter)
def twice(text): return 2 * int(text)
"""
Plans = Callable[..., Mapping[str, Any]]


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plans:
    """A folder with a module, with one that it imports, and with inputs."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "inputs.txt").write_text("1\n2\n3\n")
    monkeypatch.chdir(tmp_path)

    def plans(function: str, **options: str) -> Mapping[str, Any]:
        config = CompareConfig(call=function, inputs="inputs.txt", **options)
        return {**planned(config, HERE), "sizes": [1, 5]}

    return plans


def _runs(call: Mapping[str, Any]) -> Sequence[Run]:
    setting = replace(SETTING, call=call, width=3)
    plan = Schedule(setting=setting, interpreters=[HERE], budget=1.0, rounds=1)
    return conduct(EXPERIMENT, plan, lambda _turn: None).parts[0].runs


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mine:double", "mine.py:double"])
def test_every_model_makes_the_same_calls(plans: Plans, name: str) -> None:
    """CM5: one after the other, threads, processes and asyncio return equal values."""
    runs = _runs(plans(name, async_call=name.replace("double", "adouble")))
    arms = {"sequential", "2 threads", "2 processes", "3 threads", "asyncio, 3 at once"}
    assert {run.arm for run in runs} == arms
    assert {run.failure for run in runs} == {""}
    assert len({run.checksum for run in runs}) == 1
    assert all(run.figures["calls_5"] > 0 for run in runs)


@pytest.mark.slow
def test_unequal_results_are_found(plans: Plans) -> None:
    """A function that returns something else in each process voids the comparison."""
    assert len({run.checksum for run in _runs(plans("mine:changes"))}) > 1


@pytest.mark.slow
def test_a_function_that_fails_is_told_before_the_run(plans: Plans) -> None:
    """With what it raised."""
    with pytest.raises(ConfigurationError, match=r"mine:fails fails: .*ValueError: it broke"):
        plans("mine:fails")


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(1e-3, [1, 7, 30, 100, 500]), (0.01, [1, 3, 10, 50]), (3.0, [1, 4]), (0.0, None)],
)
def test_batches_fit_the_time(seconds: float, found: list[int] | None) -> None:
    """The largest takes half a second in a row, of half a minute; four calls at the least."""
    expected = found or [1, 70, 300, 1_000, 5_000]
    assert [*sizes(seconds, 0.5)] == expected


def test_interpreters_are_compared_where_there_are_some() -> None:
    """From Python 3.14 on; a fake one says that it is."""
    newer = replace(SETTING, interpreter=replace(HERE, version="3.14.1"))
    assert "2 interpreters" in kinds(newer) and "2 interpreters" not in kinds(SETTING)


@dataclass
class _Point:
    x: int
    more: list[int]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({1, 2, 3}, {3, 2, 1}, True),
        (_Point(1, [2]), _Point(1, [2]), True),
        (_Point(1, [2]), _Point(1, [3]), False),
        ([1, 2], [2, 1], False),
        ([1], (1,), False),
        (object(), object(), True),
        (1.0, 1, False),
    ],
)
def test_values_are_compared_and_not_identities(one: Any, other: Any, equal: bool) -> None:
    """Order where it counts, types, and no addresses."""
    assert (repr(canonical(one)) == repr(canonical(other))) is equal


def _examined(setting: Setting, times: Mapping[str, Sequence[float]], rounds: int) -> Examined:
    """`times`: seconds of one call and of ten, by arm."""
    runs = [
        run(arm, n, figures={"calls_1": t * jitter, "calls_10": u * jitter})
        for arm, (t, u) in times.items()
        for n, jitter in enumerate([0.999, 1.001, 1.0, 1.002, 0.998, 1.0][:rounds], 1)
    ]
    part = InterpreterRuns(setting=setting, arms=EXPERIMENT.arms(setting), runs=runs)
    conducted = Conducted(name="call", parts=(part,), rounds=rounds, seconds=6.0, partial=False)
    return Examined.of(EXPERIMENT, conducted, {})


@pytest.mark.slow
def test_which_wins_from_which_size_on() -> None:
    """CM5: told for each stretch of sizes, from decided comparisons alone."""
    setting = replace(SETTING, width=2, call={"function": "mine:double", "sizes": [1, 10]})
    times = {"sequential": [1.0, 10.0], "2 threads": [2.0, 10.5], "2 processes": [3.0, 6.0]}
    (part,) = _examined(setting, times, 6).parts
    told = "call mine:double by sequential from 1 call on; by 2 processes from 10 calls on."
    assert advice._called(part) == f"On this machine, {told}"
    few = _examined(setting, times, 3)
    assert advice._called(few.parts[0]) == ""
    text = "\n".join(compare_summary.undecided(few, 30.0))
    assert "which is best for 1, 10 calls" in text and "about 2 more rounds would tell" in text
