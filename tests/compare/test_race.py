"""`race`: what is certain is so each time, cures are exact, and losses are told as they came."""

from __future__ import annotations

import asyncio
import sys

import pytest

from crawler.compare.design import Setting
from crawler.compare.experiments import race_work
from crawler.compare.experiments.race import (
    AWAIT,
    BARRIER,
    CALL,
    EXPERIMENT,
    LOOPING,
    PLAIN,
    PROCESSES,
    USUALLY,
)
from crawler.compare.experiments.race_work import CURES, Counter, Cure, calling, unlocked, work
from crawler.compare.observation import Observed, Run
from crawler.measure.gil import USUAL, switch_interval
from tests.compare.made import found, setting
from tests.compare.turns import Looking, observed, outcome, turn, turns

TWO = {"made": 200.0, "lost": 100.0, "least": 1.0, "most": 1.0}
COST = {"no lock": 30.0, "a Lock": 150.0, "a sum per thread": 25.0}


def _runs(**changed: dict[str, float]) -> list[Run]:
    """As predicted with the lock on, but for the figures of some."""
    figures = {
        PLAIN: {"made": 1_000.0, "lost": 0.0},
        CALL: {"made": 1_000.0, "lost": 10.0},
        USUALLY: {"made": 1_000.0, "lost": 0.0},
        LOOPING: {"made": 1_000.0, "lost": 300.0},
        **dict.fromkeys((BARRIER, AWAIT, PROCESSES), TWO),
        **{cure: {"made": 10.0, "lost": 0.0, "ns": COST.get(cure, 200.0)} for cure in CURES},
    }
    told = {arm: {**usual, **changed.get(arm, {})} for arm, usual in figures.items()}
    return [run for arm, figures in told.items() for run in turns(arm, figures=figures)]


def _seen(where: Setting | None = None, **changed: dict[str, float]) -> Observed:
    return observed(EXPERIMENT, where or setting(), _runs(**changed))


@pytest.mark.parametrize("kind", ["barrier", "await", "process barrier"])
def test_both_read_and_then_both_write(kind: str) -> None:
    """Exactly one of two updates is lost, each time, with threads, tasks and processes."""
    watch = Looking()
    figures = work({"kind": kind, "times": 20}, watch).figures
    assert figures == {"made": 40, "lost": 20, "least": 1, "most": 1}
    assert watch.entered == 1


@pytest.mark.slow
def test_processes_add_to_one_place() -> None:
    """What two processes added is counted, whatever part of it was lost."""
    figures = work({"kind": "process loop", "times": 500}, Looking()).figures
    assert figures["made"] == 1_000
    assert 0 <= figures["lost"] < 1_000


def test_an_update_between_read_and_write_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call between them is where another may come in; what it adds is lost."""
    counter = Counter()

    def meddle(seen: int) -> int:
        counter.value += 100
        return seen + 1

    monkeypatch.setattr(race_work, "_next", meddle)
    calling(counter, 3)
    assert counter.value == 3


@pytest.mark.parametrize("kind", ["plain", "call"])
def test_what_the_counter_does_not_have_is_lost(kind: str) -> None:
    """One thread alone loses nothing; the bytecode is noted, and the interval is put back."""
    before = sys.getswitchinterval()
    done = work({"kind": kind, "threads": 1, "times": 100, "interval": 1e-6}, Looking())
    assert done.figures == {"made": 100, "lost": 0}
    assert "STORE_ATTR" in done.notes["bytecode"]
    assert sys.getswitchinterval() == before


def test_updates_of_a_loop_that_forgets_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that does not have all updates says how many are missing."""
    monkeypatch.setitem(
        race_work.LOOPS, "plain", lambda counter, times: calling(counter, times - 7)
    )
    done = work({"kind": "plain", "threads": 1, "times": 100, "interval": USUAL}, Looking())
    assert done.figures["lost"] == 7


@pytest.mark.parametrize("cure", [cure for cure in CURES if cure != "no lock"])
def test_each_cure_is_exact(cure: str) -> None:
    """Also with threads that change as often as they can; all have one checksum."""
    parameters = {"kind": "cure", "cure": cure, "threads": 3, "times": 2_000}
    done = work(parameters, Looking())
    assert (done.checksum, done.errors, done.figures["lost"]) == ("6000", 0, 0)
    assert done.figures["ns"] == pytest.approx(1e9 / 6_000)


def test_a_cure_that_loses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cost is then no cost of a cure."""

    def forgetful(threads: int) -> Cure:
        add, total = unlocked(threads)
        return add, lambda: total() - 2

    made = {"a Lock": forgetful}
    monkeypatch.setattr(race_work, "CURES", made)
    parameters = {"kind": "cure", "cure": "a Lock", "threads": 1, "times": 100}
    done = work(parameters, Looking())
    assert (done.errors, done.figures["lost"]) == (4, 4)


def test_a_failed_thread_fails_the_turn() -> None:
    """An exception in a thread is not lost, nor are the others waited for."""

    def run(index: int) -> None:
        if index:
            raise ValueError("in a thread")

    with pytest.raises(ValueError, match="in a thread"):
        race_work.together(run, 2)


def _failing(interval: float) -> None:
    with switch_interval(interval):
        assert sys.getswitchinterval() == pytest.approx(interval)
        raise ZeroDivisionError


def test_the_interval_is_put_back_after_an_error() -> None:
    """Whatever happens inside, the interpreter is as before."""
    before = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError):
        _failing(1e-4)
    assert sys.getswitchinterval() == before == USUAL


@pytest.mark.slow
def test_as_predicted() -> None:
    """Exact, lossy and certain as planned; counts are told."""
    claims = found(EXPERIMENT, _seen())
    assert {each.outcome for each in claims.values()} == {"as predicted", "told"}
    (text,) = (each.text for claim, each in claims.items() if claim.startswith("a call"))
    assert text == "1,000 increments a turn, 10 lost in the worst of 6 turns, 10 in the best"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "changed", "claim"),
    [
        (PLAIN, {"lost": 1.0}, "+= in a loop happens"),
        (CALL, {"lost": 0.0}, "a call between"),
        (BARRIER, {"most": 2.0}, "two threads that meet"),
        (AWAIT, {"least": 0.0}, "two tasks"),
        (PROCESSES, {"least": 0.0, "most": 0.0}, "two processes that meet"),
        (LOOPING, {"lost": 0.0}, "+= by two processes"),
        ("a Lock", {"lost": 1.0}, "a Lock loses nothing"),
        ("the crawler's collector", {"lost": 1.0}, "the crawler's collector loses nothing"),
        ("a Lock", {"ns": 20.0}, "a Lock around it"),
        ("a sum per thread", {"ns": 300.0}, "a sum per thread is cheaper"),
    ],
)
def test_the_opposite_is_found(arm: str, changed: dict[str, float], claim: str) -> None:
    """Each prediction can fail, of losses and of costs."""
    assert outcome(found(EXPERIMENT, _seen(**{arm: changed})), claim) == "otherwise"


@pytest.mark.slow
def test_without_the_lock_a_bare_loop_is_predicted_to_lose() -> None:
    """And that it loses nothing there is otherwise."""
    bare = setting(gil=False, version="3.14.0")
    claim = "+= in a loop loses updates where the lock is off"
    assert found(EXPERIMENT, _seen(bare))[claim].outcome == "otherwise"
    assert found(EXPERIMENT, _seen(bare, **{PLAIN: {"lost": 5.0}}))[claim].outcome == "as predicted"


def test_without_the_lock_no_switch_interval_is_tried() -> None:
    """The arm with the usual interval belongs to the lock; all others are run either way."""
    locked, free = (
        {arm.name for arm in EXPERIMENT.arms(setting(gil=gil))} for gil in (True, False)
    )
    assert locked - free == {USUALLY}
    assert free < locked


@pytest.mark.slow
def test_on_one_core_losses_of_processes_are_not_predicted() -> None:
    """They take turns there; what came is told. What is certain is certain there, too."""
    claims = found(EXPERIMENT, _seen(setting(1), **{LOOPING: {"lost": 0.0}}))
    assert outcome(claims, "+= by two processes") == "told"
    assert outcome(claims, "two processes that meet") == "as predicted"


def test_a_turn_that_failed_proves_nothing() -> None:
    """A variant with a failed turn is invalid; one that did not run is not mentioned."""
    failed = Run(arm=BARRIER, round=1, at=0, seconds=1, load=0, elsewhere=0, failure="gone")
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), [failed]))
    assert outcome(claims, "two threads that meet") == "invalid"
    assert not any(claim.startswith("two tasks") for claim in claims)


def test_another_total_voids_a_cost() -> None:
    """A cure that did other work is not compared."""
    runs = _runs() + turns("a Lock", checksum="other", figures={"ns": 1.0})
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), runs))
    assert outcome(claims, "a sum per thread is cheaper") == "invalid"


def test_the_charts_have_losses_and_costs() -> None:
    """Half of the updates where one of two is lost; without turns there are no charts."""
    losses, costs = EXPERIMENT.charts(_seen())
    assert dict(zip(losses.groups, losses.values["lost"], strict=True))[AWAIT] == 50.0
    assert list(costs.groups) == list(CURES)
    assert EXPERIMENT.charts(observed(EXPERIMENT, setting(), [])) == []


async def test_an_await_lets_another_task_in() -> None:
    """Without a thread: what a task read before it waits may be old after it."""
    counter = Counter()

    async def add() -> None:
        seen = counter.value
        await asyncio.sleep(0)
        counter.value = seen + 1

    await asyncio.gather(add(), add(), add())
    assert counter.value == 1


def test_the_first_sentence_answers_the_question() -> None:
    """It is not atomic; then why a loop happens not to show it; the bytecode is folded."""
    assert EXPERIMENT.claim.startswith("`counter += 1` is not atomic.")
    assert "happens not to show it" in EXPERIMENT.claim
    with_code = [turn(PLAIN, figures={"made": 10.0, "lost": 0.0}, notes={"bytecode": "LOAD"})]
    (finding,) = [
        each
        for each in EXPERIMENT.checks(observed(EXPERIMENT, setting(), with_code))
        if each.detail
    ]
    assert (finding.detail, finding.folded) == ("LOAD", "disassembly")
