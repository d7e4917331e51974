"""`swap`: one program by every executor, and any difference between them is found."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from crawler.compare.design import Bars
from crawler.compare.executors import left_behind
from crawler.compare.experiments.swap import (
    EXPERIMENT,
    broken,
    cancels,
    caught,
    checksum,
    completed,
    mapped,
    program,
    subject,
    work,
)
from crawler.compare.observation import Observed, Run
from crawler.model.document import Document
from tests.compare.made import found, outcome, setting
from tests.compare.pools import in_child, observed, run, worked

RAISED = [["builtins.LookupError", "page 7"], ["builtins.LookupError", "page 7"]]
POOLS = ("thread", "process", "loky")


def _turns(**odd: dict[str, Any]) -> list[Run]:
    """A turn of each arm, as they should be but for the fields of `odd`."""
    notes = {"raised": RAISED, "cancelled": True, "cause": ""}
    runs = [run("map", 1, **{"notes": {"raised": RAISED[:1]}, **odd.get("map", {})})]
    return [*runs, *(run(pool, 1, **{"notes": notes, **odd.get(pool, {})}) for pool in POOLS)]


def _seen(**odd: dict[str, Any]) -> Observed:
    return observed(EXPERIMENT, setting(), _turns(**odd))


@pytest.mark.slow
def test_threads_and_processes_give_what_map_gives() -> None:
    """Pages, exceptions and cancellations are the same, and no process is left."""
    before = left_behind(0)
    reference = worked(work, kind="map", workers=1, subject="page", pages=20)
    for kind in ("thread", "process"):
        done = worked(work, kind=kind, workers=2, subject="page", pages=20)
        assert (done.checksum, done.errors) == (reference.checksum, 0)
        assert done.notes["raised"] == reference.notes["raised"] * 2
        assert done.notes["cancelled"] is True
    assert left_behind() <= before


@pytest.mark.slow
def test_a_turn_runs_in_a_fresh_process() -> None:
    """loky's arm, as the runner starts it, gives what `map` gives here."""
    answer = in_child(EXPERIMENT, "loky", pages=20)
    reference = worked(work, kind="map", workers=1, subject="page", pages=20)
    assert (answer["failure"], answer["checksum"]) == ("", reference.checksum)
    assert answer["notes"]["raised"] == reference.notes["raised"] * 2


@pytest.mark.parametrize("name", ["page", "likeness"])
def test_the_pages_are_the_same_each_time_and_differ(name: str) -> None:
    """Both subjects: ten pages have ten results, and those of another run are equal."""
    function, pages = subject(name, 10)
    results = list(map(function, pages))
    assert len({checksum([result]) for result in results}) == 10
    again, others = subject(name, 10)
    assert checksum(list(map(again, others))) == checksum(results)


def test_the_checksum_is_of_the_result_alone() -> None:
    """Not of how long a page took; order and content of results do count."""
    one, other = Document(json=b"{}", seconds=1.0), Document(json=b"[]", seconds=1.0)
    assert checksum([one]) == checksum([Document(json=b"{}", seconds=2.0)])
    assert len({checksum(each) for each in ([one], [other], [one, other], [other, one])}) == 4


def test_both_ways_to_ask_keep_the_order() -> None:
    """Results come in the order of the arguments by `map` and by `submit`."""
    numbers = list(range(50))
    for way in (mapped, completed):
        assert way(lambda: ThreadPoolExecutor(4), abs, [-n for n in numbers]) == numbers


class _Stubborn(Executor):
    """Runs everything at once, so that nothing is ever cancelled."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(True if fn.__name__ == "through" else fn(*args, **kwargs))
        return future


def test_an_executor_that_cancels_nothing_is_found() -> None:
    """A pool of threads does cancel; one that runs everything at once does not."""
    assert cancels(lambda: ThreadPoolExecutor(1)) is True
    assert cancels(_Stubborn) is False


def test_what_an_exception_says_is_kept() -> None:
    """Type and message; of a call that raises nothing, that it does not."""
    assert caught(lambda: broken(7))[0] == "builtins.LookupError"
    assert "page 7" in caught(lambda: broken(7))[1]
    assert caught(lambda: None) == ["nothing", ""]


def test_equal_results_are_as_predicted() -> None:
    """All three predictions hold, and the program is shown with one line a class."""
    claims = found(EXPERIMENT, _seen())
    assert {finding.outcome for finding in claims.values()} == {"as predicted"}
    text = program()
    assert text in {finding.detail for finding in claims.values()}
    for line in ("pool.map(function, pages", "ThreadPoolExecutor(workers)", "loky.Process"):
        assert text.count(line) == 1


@pytest.mark.parametrize(
    ("odd", "claim"),
    [
        ({"process": {"checksum": "odd"}}, "same results"),
        ({"thread": {"errors": 1}}, "same results"),
        ({"loky": {"notes": {"raised": [["a.B", "page 7"]], "cancelled": True}}}, "travels"),
        ({"map": {"notes": {"raised": [["builtins.LookupError", "page 8"]]}}}, "travels"),
        ({"loky": {"notes": {"raised": RAISED, "cancelled": False}}}, "cancelled"),
        ({"loky": {"notes": {"raised": RAISED}}}, "cancelled"),
    ],
)
def test_a_difference_is_found(odd: dict[str, dict[str, Any]], claim: str) -> None:
    """Other results, another exception, a task not cancelled: that prediction fails, no other."""
    claims = found(EXPERIMENT, _seen(**odd))
    assert outcome(claims, claim) == "otherwise"
    assert [f.outcome for f in claims.values()].count("otherwise") == 1


def test_a_failed_or_missing_turn_voids_all() -> None:
    """Equality is of all executors or is not shown."""
    failed = _seen(loky={"failure": "exit code 1"})
    missing = observed(EXPERIMENT, setting(), [r for r in _turns() if r.arm != "loky"])
    for seen in (failed, missing):
        assert {f.outcome for f in found(EXPERIMENT, seen).values()} == {"invalid"}


PURE = ["map (likeness)", "process (likeness)", "interpreter (likeness)"]


def test_interpreters_run_pure_python_and_the_parser_where_it_loads() -> None:
    """Both claim equal work with `map`; a parser that does not load has no arm."""
    loads, refuses = setting(version="3.14.0"), setting(version="3.14.0", parser_refusal="no")
    arms = {arm.name: arm.equal for arm in EXPERIMENT.arms(loads)}
    assert arms["interpreter"] == "page"
    assert [name for name, equal in arms.items() if equal == "likeness"] == PURE
    assert [arm.name for arm in EXPERIMENT.arms(refuses)] == ["map", *POOLS, *PURE]


def test_that_the_parser_does_not_load_is_told() -> None:
    """Pure Python is held against `map` of the same, and a difference is found."""
    where = setting(version="3.14.0", parser_refusal="module ada does not load")
    notes = {"raised": RAISED, "cancelled": True}
    runs = [*_turns(), *(run(name, 1, checksum="pure", notes=notes) for name in PURE)]
    claims = found(EXPERIMENT, observed(EXPERIMENT, where, runs))
    assert "module ada does not load" in claims["the parser runs in subinterpreters, too"].text
    assert outcome(claims, "same results") == "as predicted"
    odd = [*runs[:-1], run(PURE[-1], 1, checksum="other", notes=notes)]
    assert outcome(found(EXPERIMENT, observed(EXPERIMENT, where, odd)), "results") == "otherwise"


def test_one_core_runs_the_same_arms() -> None:
    """Equality needs no second core."""
    assert [a.name for a in EXPERIMENT.arms(setting(1))] == ["map", *POOLS]


def test_the_chart_leaves_out_what_failed() -> None:
    """A bar for each executor that gave an answer."""
    (chart,) = EXPERIMENT.charts(_seen(loky={"failure": "exit code 1"}))
    assert isinstance(chart, Bars)
    assert list(chart.groups) == ["map", "thread", "process"]
