"""`crawler compare demo`: the picture of who ran when."""

from __future__ import annotations

import pytest

from crawler.compare.experiments.demo import EXPERIMENT, picture, spans_of, together, work
from tests.compare.made import SETTING
from tests.compare.turns import Looking, observed, turn


def test_spans_end_where_nobody_looked_at_the_clock() -> None:
    """Looks 20 us apart are one stretch; 5 ms without one are another's turn."""
    stamps = [0.0, 0.00002, 0.00004, 0.006, 0.00602, 0.012]
    assert spans_of(stamps) == [(0.0, 0.00004), (0.006, 0.00602), (0.012, 0.012)]


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ([(0.0, 1.0)], [(0.0, 1.0)], 1.0),
        ([(0.0, 0.5)], [(0.5, 1.0)], 0.0),
        ([(0.0, 0.6)], [(0.4, 1.0)], 0.2),
    ],
)
def test_what_ran_together(
    one: list[tuple[float, float]], other: list[tuple[float, float]], share: float
) -> None:
    """All of the time, none of it, or a fifth."""
    assert together([one, other]) == pytest.approx(share)


def test_turns_are_seen_in_the_picture() -> None:
    """Each row is filled where its worker ran, in the first tenth of a second."""
    lines = picture("thread", [[(0.0, 0.05)], [(0.05, 0.2)]]).splitlines()
    assert lines[0] == "thread 1 " + "█" * 25 + "·" * 25
    assert lines[1] == "thread 2 " + "·" * 25 + "█" * 25
    assert lines[2].endswith("100 ms")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["threads", "processes", "asyncio"])
def test_the_same_work_is_done_by_each(kind: str) -> None:
    """Two workers look at the clock equally often; their spans are from the first look on."""
    watch = Looking()
    done = work({"kind": kind}, watch)
    assert watch.entered == 1 and done.checksum == "[5001, 5001]"
    assert len(done.notes["spans"]) == 2 and min(s[0][0] for s in done.notes["spans"]) == 0


def test_the_picture_is_a_finding() -> None:
    """One for each kind that ran, with its picture for terminal and page; nothing is predicted."""
    spans = [[(0.0, 0.005)], [(0.005, 0.01)]]
    runs = [turn("threads", notes={"spans": spans}, figures={"together": 0.0}, checksum="x")]
    (finding,) = EXPERIMENT.checks(observed(EXPERIMENT, SETTING, runs))
    assert finding.outcome == "told" and "█" in finding.detail
    assert finding.text.startswith("both at once for 0% of 10 ms; they ran in 2 stretches")
