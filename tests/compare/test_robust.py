"""`robust`: what a guilty task costs is seen as it is, and nothing stays behind."""

from __future__ import annotations

import math
import resource
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from crawler.compare.design import Bars
from crawler.compare.executors import left_behind
from crawler.compare.experiments import robust_apart
from crawler.compare.experiments.robust import EXPERIMENT
from crawler.compare.experiments.robust_apart import INNOCENT, NOTHING, apart, trial, work
from crawler.compare.experiments.robust_tasks import CASES, Unreadable, do, fragile
from crawler.compare.observation import Observed, Run
from crawler.model.document import RawResponse
from tests.compare.made import found, outcome, setting
from tests.compare.pools import in_child, observed, run, worked
from tests.patience import PATIENCE

ENDED = {"process": "BrokenProcessPool: x", "loky": "TerminatedWorkerError: x"}
FATAL = ("killed", "crashed", "unreadable")


# -- real pools -----------------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No task is overdue, where none is to be."""
    monkeypatch.setattr(robust_apart, "PATIENCE", PATIENCE)
    monkeypatch.setattr(robust_apart.ExecutorBench, "patience", PATIENCE)


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_a_pool_of_processes_loses_the_innocent_with_the_guilty() -> None:
    """A kill loses tasks, a result that cannot be sent loses none; then no process is left."""
    before = left_behind(0)
    done = worked(work, kind="process", cases=["none", "killed", "result", "argument"])
    assert done.figures["lost, none"] == 0
    assert 0 < done.figures["lost, killed"] <= INNOCENT
    assert done.notes["killed"]["said"].startswith("BrokenProcessPool")
    for case in ("result", "argument"):
        assert done.figures[f"lost, {case}"] == 0
        assert "cannot pickle" in done.notes[case]["said"]
    assert min(done.figures[f"recovery, {case}"] for case in ("none", "killed", "result")) > 0
    assert left_behind() <= before


@pytest.mark.slow
def test_a_loop_is_ended_with_its_pool() -> None:
    """What never returns is overdue, its worker is killed, and a new pool answers."""
    before = left_behind(0)
    done = worked(work, kind="process", cases=["looping"])
    assert done.notes["looping"]["said"] == "overdue"
    assert done.figures["recovery, looping"] >= 0.5
    assert left_behind() <= before


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_the_crawlers_pool_loses_the_guilty_page_alone() -> None:
    """Killed, out of memory, no JSON, an exception that cannot be unpickled: one page each."""
    before = left_behind(0)
    cases = ["killed", "hungry", "result", "unreadable"]
    done = worked(work, kind="crawler", cases=cases)
    assert {done.figures[f"lost, {case}"] for case in cases} == {0}
    assert all(done.notes[case]["said"].startswith("PageFailed: parse") for case in cases)
    assert left_behind() <= before


@pytest.mark.slow
def test_a_thread_that_is_killed_ends_its_process() -> None:
    """What was not answered by then is lost; recovery is another process's first answer."""
    ended = apart("thread", "killed")
    assert ended.ended and 0 < ended.lost <= INNOCENT
    assert ended.said.endswith("SIGKILL") and ended.recovery > 0


@pytest.mark.slow
def test_a_thread_needs_no_pickle() -> None:
    """What processes cannot send, threads hand over; nothing is lost and the process stays."""
    kept = apart("thread", "argument")
    assert (kept.lost, kept.said, kept.ended) == (0, "answered", False)


@pytest.mark.slow
def test_loky_runs_in_a_fresh_process() -> None:
    """Its arm, as the runner starts it, loses tasks by a kill and leaves no process."""
    answer = in_child(EXPERIMENT, "loky", cases=["killed"])
    assert answer["failure"] == ""
    assert answer["figures"]["lost, killed"] > 0
    assert answer["figures"]["left behind"] == 0


def test_a_process_that_answers_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process apart that cannot even begin is no lost task but a failed turn."""
    monkeypatch.setattr(robust_apart, "__name__", "crawler.compare.experiments.no_such_module")
    with pytest.raises(RuntimeError, match="did not begin"):
        apart("thread", "none")


# -- the tasks ------------------------------------------------------------------------------------


def test_a_hungry_task_meets_a_limit_and_lifts_it_again() -> None:
    """It ends with a MemoryError, and the process has the limit that it had before."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError):
        do("guilty hungry")
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_page_says_which_task_it_is() -> None:
    """As the crawler's parser the tasks are the same."""

    def page(body: bytes) -> Any:
        return fragile(RawResponse(url="http://a/", status=200, content_type="", body=body))

    assert page(b"innocent 6") == {"answer": 36}
    assert page(b"guilty none") == {"answer": 1}
    with pytest.raises(Unreadable, match="no title"):
        page(b"guilty unreadable")


# -- a trial --------------------------------------------------------------------------------------


class _Bench:
    """A pool whose tasks are done at once, but for what the test breaks."""

    patience = 0.0

    def __init__(self, *, broken: int = 0, wrong: int = 0, hangs: bool = False) -> None:
        self.broken, self.wrong = broken, wrong
        self.gave_up = self.probed = 0
        self.accused: Future[Any] = Future()
        if not hangs:
            self.accused.set_exception(ValueError("first line\nsecond"))

    def submit(self, task: str) -> Future[Any]:
        kind, _, detail = task.partition(" ")
        if kind == "guilty":
            return self.accused
        future: Future[Any] = Future()
        number = int(detail)
        if number >= INNOCENT - self.broken:
            future.set_exception(BrokenProcessPool())
        else:
            future.set_result(number * number + (number < self.wrong))
        return future

    def give_up(self, waiting: Future[Any]) -> None:
        self.gave_up += 1
        waiting.cancel()

    def probe(self) -> None:
        self.probed += 1

    def close(self) -> None:
        """Nothing runs."""


def test_a_trial_counts_what_has_no_right_answer() -> None:
    """Broken tasks and wrong answers are lost; each event is told once."""
    events: list[str] = []
    bench = _Bench(broken=3, wrong=2)
    ended = trial(bench, "result", events.append)
    assert (ended.lost, ended.said, bench.probed) == (5, "ValueError: first line", 1)
    assert [events.count(each) for each in ("submitted", "answered", "recovered")] == [1, 17, 1]


def test_a_task_that_fails_and_says_nothing_is_seen() -> None:
    """None is the result of no case: whoever is given it does not hear of the failure."""
    bench = _Bench(hangs=True)
    bench.accused.set_result(None)
    assert trial(bench, "hungry").said == NOTHING


def test_only_an_overdue_task_is_given_up() -> None:
    """A pool whose guilty task ends by itself is left alone."""
    hanging, ending = _Bench(hangs=True), _Bench()
    assert trial(hanging, "looping").said == "overdue"
    trial(ending, "result")
    assert (hanging.gave_up, ending.gave_up) == (1, 0)


# -- the verdict ----------------------------------------------------------------------------------


def _turn(arm: str, **odd: dict[str, Any]) -> Run:
    """A turn as it should be, but for the trials in `odd`."""
    notes = {}
    for case in CASES:
        ends = arm in ENDED and case in FATAL
        said = ENDED[arm] if ends else "PageFailed: parse: x" if arm == "crawler" else "x"
        usual = {"lost": 12 * ends, "recovery": 0.1, "said": said}
        usual["ended"] = arm == "thread" and case in (*FATAL[:2], "looping")
        notes[case] = {**usual, **odd.get(case, {})}
    figures = {f"lost, {case}": note["lost"] for case, note in notes.items()}
    figures |= {f"recovery, {case}": note["recovery"] for case, note in notes.items()}
    return run(arm, 1, checksum="", notes=notes, figures={**figures, "left behind": 0})


def _seen(*others: Run) -> Observed:
    changed = {each.arm for each in others}
    arms = ("thread", *ENDED, "crawler")
    usual = [_turn(arm) for arm in arms if arm not in changed]
    return observed(EXPERIMENT, setting(), [*usual, *others])


def test_what_was_predicted_is_as_predicted() -> None:
    """Ready-made pools lose tasks, threads end the process, the crawler's pool loses none."""
    claims = found(EXPERIMENT, _seen())
    assert [f.outcome for f in claims.values()].count("as predicted") == 8
    assert {f.outcome for f in claims.values()} == {"as predicted", "told"}


@pytest.mark.parametrize(
    ("odd", "claim"),
    [
        (_turn("process", killed={"lost": 0}), "the standard library's pool of processes loses"),
        (_turn("loky", crashed={"lost": 0}), "loky's pool loses"),
        (_turn("process", unreadable={"lost": 0}), "breaks the standard library's pool"),
        (_turn("thread", looping={"ended": False}), "a worker of a pool of threads"),
        (_turn("crawler", looping={"lost": 1}), "the crawler's parser"),
        (_turn("crawler", hungry={"said": "answered"}), "the crawler's parser"),
        (_turn("thread", hungry={"said": NOTHING}), "who waits for a guilty task"),
    ],
)
def test_the_opposite_is_found(odd: Run, claim: str) -> None:
    """A pool that does better or worse than predicted breaks that prediction, and no other."""
    claims = found(EXPERIMENT, _seen(odd))
    assert outcome(claims, claim) == "otherwise"
    assert [f.outcome for f in claims.values()].count("otherwise") == 1


def test_a_process_left_behind_is_found() -> None:
    """One process in one turn is enough."""
    turn = _turn("loky")
    seen = _seen(run("loky", 1, notes=turn.notes, figures={**turn.figures, "left behind": 1}))
    assert outcome(found(EXPERIMENT, seen), "left behind") == "otherwise"


def test_failed_and_missing_turns_show_nothing() -> None:
    """A turn that failed voids what rests on its pool; without turns all is void."""
    claims = found(EXPERIMENT, _seen(run("crawler", 1, failure="exit code 1")))
    assert outcome(claims, "the crawler's parser") == "invalid"
    assert outcome(claims, "a worker of a pool of threads") == "as predicted"
    nothing = found(EXPERIMENT, observed(EXPERIMENT, setting(), []))
    assert {f.outcome for f in nothing.values()} == {"invalid", "told"}


def test_arms_follow_from_the_interpreter() -> None:
    """Pages are bytes and text, so that the crawler has no argument that cannot be pickled."""
    arms = {arm.name: arm.parameters["cases"] for arm in EXPERIMENT.arms(setting(1))}
    assert list(arms) == ["thread", "process", "loky", "crawler"]
    assert set(arms["process"]) - set(arms["crawler"]) == {"argument"}
    new = setting(version="3.14.0", gil=False)
    assert "interpreter" in {arm.name for arm in EXPERIMENT.arms(new)}


def test_the_charts_have_a_group_for_each_case() -> None:
    """What was not tried is left out as nan, an arm that failed is left out as a whole."""
    crawler = _turn("crawler")
    figures = {name: x for name, x in crawler.figures.items() if "argument" not in name}
    charts = EXPERIMENT.charts(
        _seen(run("crawler", 1, figures=figures), run("loky", 1, failure="exit code 1"))
    )
    for chart in charts:
        assert isinstance(chart, Bars)
        assert list(chart.values) == ["thread", "process", "crawler"]
        assert {len(values) for values in chart.values.values()} == {len(chart.groups)}
        assert math.isnan(chart.values["crawler"][CASES.index("argument")])
