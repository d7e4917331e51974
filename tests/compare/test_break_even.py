"""`break-even`: the same work by every executor, where a pool begins to pay, and its map."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from crawler.compare.design import Bars, Lines, Map
from crawler.compare.executors import left_behind
from crawler.compare.experiments.break_even import EXPERIMENT, crossing
from crawler.compare.experiments.break_even_work import Cell, grid, tasks, work
from crawler.compare.observation import Observed, Run
from tests.compare.made import found, outcome, setting
from tests.compare.pools import ROUNDS, in_child, observed, run, worked

SMALL = [[10, 0, 1], [10, 100, 8], [300_000, 0, 1]]
Cost = Callable[[Cell], float]


def _inline(cell: Cell) -> float:
    return cell.steps * 80e-9


def _thread(cell: Cell) -> float:
    return _inline(cell) + 30e-6 / cell.batch


def _process(cell: Cell) -> float:
    """A hand-over of 100 us a submission and 1 ns a byte; two cores."""
    return 100e-6 / cell.batch + cell.payload * 1e-9 + _inline(cell) / 2


def _turns(arm: str, cost: Cost) -> list[Run]:
    """Turns with a noise of a thousandth."""
    (parameters,) = {str(a.parameters["cells"]): a for a in EXPERIMENT.arms(setting())}.values()
    cells = [Cell(*cell) for cell in parameters.parameters["cells"]]
    return [
        run(arm, n, figures={c.figure: cost(c) * (1 + n / 1_000) for c in cells})
        for n in range(1, ROUNDS + 1)
    ]


def _seen(process: Cost, *, cores: int = 2, thread: Cost = _thread, gil: bool = True) -> Observed:
    costs = {"inline": _inline, "thread": thread, "process": process, "loky": process}
    runs = [each for arm, cost in costs.items() for each in _turns(arm, cost)]
    return observed(EXPERIMENT, setting(cores, gil=gil), runs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["inline", "thread", "process"])
def test_the_work_is_the_same_by_each_executor(kind: str) -> None:
    """One checksum, a figure for each cell, no error, and no process left."""
    before = left_behind(0)
    done = worked(work, kind=kind, workers=2, cells=SMALL)
    reference = worked(work, kind="inline", workers=1, cells=SMALL)
    assert (done.checksum, done.errors) == (reference.checksum, 0)
    assert set(done.figures) == {Cell(*cell).figure for cell in SMALL}
    assert left_behind() <= before


@pytest.mark.slow
def test_other_work_has_another_checksum() -> None:
    """Another length, payload or batch shows."""
    sums = {
        worked(work, kind="inline", workers=1, cells=[cell]).checksum
        for cell in ([10, 0, 1], [11, 0, 1], [10, 1, 1], [10, 0, 2])
    }
    assert len(sums) == 4


@pytest.mark.slow
def test_a_turn_runs_in_a_fresh_process() -> None:
    """loky's arm, as the runner starts it, answers without a failure."""
    answer = in_child(EXPERIMENT, "loky", cells=SMALL)
    assert (answer["failure"], answer["errors"]) == ("", 0)


def test_a_task_reads_its_payload() -> None:
    """Its result tells size and content of what it was given."""
    assert len({tasks(5, [load])[0] for load in (b"", b"a", b"b", b"aa")}) == 4


def test_large_batches_are_left_out() -> None:
    """Each length and payload is there one by one; batches end where they show nothing."""
    cells = grid([100, 100_000], [0, 1_000_000], [1, 64])
    assert [cell for cell in cells if cell.batch == 64] == [Cell(100, 0, 64)]
    assert len([cell for cell in cells if cell.batch == 1]) == 4


def test_a_submission_is_never_alone() -> None:
    """Each worker has several to do, two at least, and never so many that memory minds."""
    assert Cell(100_000, 0, 1).submissions(4) == 16
    assert Cell(1, 1_000_000, 8).submissions(2) == 4
    assert Cell(1, 0, 1).submissions(2) == 256
    assert Cell(1, 1_000_000, 1).submissions(2) == 16


def test_where_two_curves_cross() -> None:
    """Halfway between two lengths, on logarithmic scales; and the ends of the grid."""
    assert crossing([1, 100], [10, 0.1]) == pytest.approx(10)
    assert crossing([1, 10, 100], [4, 2, 0.5]) == pytest.approx(math.sqrt(1_000))
    assert crossing([1, 100], [0.9, 0.5]) == 0
    assert crossing([1, 100], [0.9, 1.1]) == math.inf
    assert math.isnan(crossing([1, 100], [math.nan, 0.5]))
    assert math.isnan(crossing([], []))


@pytest.mark.slow
def test_a_pool_that_pays_for_long_tasks_is_as_predicted() -> None:
    """All predictions hold, and the break-even is what the costs say: 200 us of computing."""
    claims = found(EXPERIMENT, _seen(_process))
    assert {finding.outcome for finding in claims.values()} == {"as predicted"}
    (detail,) = (f.detail for claim, f in claims.items() if "on processes pay" in claim)
    first = detail.splitlines()[0]
    assert first.startswith("no payload, one by one: pays from 2") and first.endswith("µs on")


@pytest.mark.slow
def test_a_pool_that_never_pays_is_found() -> None:
    """A hand-over of a second: the boundary is not there, and the longest task is not faster."""
    claims = found(EXPERIMENT, _seen(lambda cell: 1.0 + _inline(cell)))
    assert outcome(claims, "on processes pay") == "otherwise"
    assert outcome(claims, "at least 1.5 times as fast by processes") == "otherwise"
    assert outcome(claims, "batches of eight") == "otherwise"


@pytest.mark.slow
def test_a_pool_that_always_pays_is_found() -> None:
    """A hand-over for nothing: no task is too short for it."""
    claims = found(EXPERIMENT, _seen(lambda cell: _inline(cell) / 2))
    assert outcome(claims, "on processes pay") == "otherwise"
    assert outcome(claims, "the shortest task is done inline") == "otherwise"


def _shaken(turn: Run) -> dict[str, float]:
    """In each third round processes take a part of their time."""
    factor = 0.6 if turn.arm == "process" and turn.round % 3 == 0 else 1.0
    return {name: factor * value for name, value in turn.figures.items()}


@pytest.mark.slow
def test_medians_that_may_be_chance_decide_nothing() -> None:
    """A pool that is a little slower in most rounds, and faster in others, is not told to lose."""
    seen = _seen(lambda cell: _inline(cell) * 1.05 + 1e-6)
    shaken = [replace(each, figures=_shaken(each)) for each in seen.runs]
    claims = found(EXPERIMENT, structs.replace(seen, runs=shaken))
    assert outcome(claims, "from which on processes pay") == "undecided"
    assert outcome(found(EXPERIMENT, seen), "from which on processes pay") == "otherwise"


@pytest.mark.slow
def test_threads_that_help_under_the_lock_are_found() -> None:
    """That they do not is a prediction; without the lock it is the other way round."""
    quick = _seen(_process, thread=lambda cell: _inline(cell) / 2)
    assert outcome(found(EXPERIMENT, quick), "no faster by threads") == "otherwise"
    free = _seen(_process, thread=lambda cell: _inline(cell) / 2 + 1e-5, gil=False)
    assert outcome(found(EXPERIMENT, free), "as fast by threads") == "as predicted"


@pytest.mark.slow
def test_with_one_core_a_pool_is_predicted_not_to_pay() -> None:
    """The longest task is then to be no faster; that it is, is found."""
    where = setting(1)
    assert {c.expect for c in EXPERIMENT.contrasts(where)} == {"faster", "not faster"}
    alike = found(EXPERIMENT, _seen(lambda cell: _inline(cell) + 1e-4, cores=1))
    assert outcome(alike, "no faster by processes") == "as predicted"
    assert not any("pay" in claim for claim in alike)
    faster = found(EXPERIMENT, _seen(_process, cores=1))
    assert outcome(faster, "no faster by processes") == "otherwise"


def test_interpreters_take_part_where_there_are_any() -> None:
    """They have an arm and a prediction from 3.14 on."""
    where = setting(version="3.14.0")
    assert "interpreter" in {arm.name for arm in EXPERIMENT.arms(where)}
    assert "interpreter" in {each.other for each in EXPERIMENT.contrasts(where)}


@pytest.mark.slow
def test_other_work_voids_the_comparison() -> None:
    """A pool with another checksum has no ratio and no break-even."""
    seen = _seen(_process)
    odd = [run("process", r.round, figures=r.figures, checksum="odd") for r in seen.of("process")]
    runs = [each for each in seen.runs if each.arm != "process"] + odd
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), runs))
    assert outcome(claims, "on processes pay") == "invalid"
    assert outcome(claims, "batches of eight") == "invalid"
    assert outcome(claims, "as fast by processes") == "invalid"


def test_the_map_has_a_boundary() -> None:
    """Short tasks are inline's, long ones the pool's, by as many times as they differ."""
    one, batched, *rest = EXPERIMENT.charts(_seen(_process))
    assert isinstance(one, Map) and isinstance(batched, Map)
    assert [row[0][0] for row in one.cells] == ["inline", "inline", "process", "process"]
    assert one.cells[-1][0][1] == pytest.approx(8e-3 / 4.1e-3, rel=0.01)
    assert batched.cells[1][0][0] == "process"
    assert len(one.rows) == 4 and len(one.columns) == 3
    assert [type(chart) for chart in rest] == [Lines, Bars]


def test_the_map_names_nobody_in_a_draw() -> None:
    """Where pool and inline cost the same nobody wins."""
    one, *_ = EXPERIMENT.charts(_seen(_inline, thread=_inline))
    assert isinstance(one, Map)
    assert {kind for row in one.cells for kind, _ in row} == {None}


def test_charts_do_without_what_failed() -> None:
    """A pool that failed is left out; without inline there is nothing to hold it against."""
    runs = [*_turns("inline", _inline), *_turns("process", _process)]
    failed = [run("loky", 1, failure="exit code 1")]
    charts = EXPERIMENT.charts(observed(EXPERIMENT, setting(), [*runs, *failed]))
    assert all("loky" not in chart.values for chart in charts if isinstance(chart, Bars))
    assert charts
    broken = [run("inline", 1, failure="exit code 1"), *_turns("process", _process)]
    assert EXPERIMENT.charts(observed(EXPERIMENT, setting(), broken)) == []
