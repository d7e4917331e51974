"""The pure parts of the benchmark: the order of play, medians, verdicts, quarters, profiles."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from tests.bench.measure import (
    Contestant,
    NotDone,
    Sample,
    median_rate,
    play,
    rate_ratio,
    run,
    turns,
)
from tests.bench.profile import largest
from tests.bench.report import Row, Target, table
from tests.bench.work_closed import Look, quarter_rates


def _sample(pages: int, elapsed: float) -> Sample:
    return Sample(pages=pages, elapsed=elapsed, wall=elapsed, cpu=0.0)


def _row(value: float, target: Target | None) -> Row:
    return Row(work="w", ours="1", peer="2", value=value, target=target)


def test_every_other_round_is_played_backwards() -> None:
    """No contestant is always first: the order turns round after every round."""
    ab = [Contestant(name=name, turn=lambda: _sample(1, 1)) for name in "ab"]
    assert [contestant.name for contestant in turns(ab, 3)] == list("abbaab")


def test_rates_are_compared_within_their_round() -> None:
    """A minute in which the machine is slow for both does not count against either."""
    ours = [_sample(100, 1), _sample(20, 1), _sample(60, 1)]
    peer = [_sample(50, 1), _sample(10, 1), _sample(30, 1)]
    assert rate_ratio(ours, peer) == 2.0


@pytest.mark.slow
def test_the_cpu_of_a_command_is_that_of_all_its_processes() -> None:
    """One that the command has left behind counts, too: workers of a fork server outlive it."""
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {burn!r}])"
    assert run([sys.executable, "-S", "-c", leave]).cpu >= 0.2


def test_play_keeps_every_sample_of_each_contestant() -> None:
    """Each contestant has one sample a round, in the order of the rounds."""
    left = iter([_sample(1, 1), _sample(2, 1)])
    right = iter([_sample(3, 1), _sample(4, 1)])
    contestants = [
        Contestant(name="left", turn=lambda: next(left)),
        Contestant(name="right", turn=lambda: next(right)),
    ]
    played = play(contestants, 2, lambda _: None)
    assert {name: [s.pages for s in samples] for name, samples in played.items()} == {
        "left": [1, 2],
        "right": [3, 4],
    }


def test_a_median_ignores_one_bad_round() -> None:
    """One slow round of three does not move the figure."""
    assert median_rate([_sample(100, 1.0), _sample(100, 50.0), _sample(100, 0.8)]) == 100


def test_a_failed_command_is_no_measurement() -> None:
    """A command that fails raises its last line; it yields no time."""
    with pytest.raises(NotDone, match=r"ended with 3: no room"):
        run([sys.executable, "-c", "import sys; print('no room', file=sys.stderr); sys.exit(3)"])


@pytest.mark.parametrize(
    ("value", "target", "missed"),
    [
        (12.0, Target(bound=12, unit="x"), False),
        (11.9, Target(bound=12, unit="x"), True),
        (20.0, Target(bound=20, unit=" ms", at_least=False), False),
        (20.1, Target(bound=20, unit=" ms", at_least=False), True),
        (0.1, None, False),
    ],
)
def test_a_verdict_follows_from_the_bound_alone(
    value: float, target: Target | None, missed: bool
) -> None:
    """A target is met at its bound and missed beyond it; no target is never missed."""
    assert _row(value, target).missed is missed


def test_a_missed_target_is_said_with_its_profile() -> None:
    """The table names what was missed, and only that."""
    target = Target(bound=2, unit="x")
    missed = dataclasses.replace(_row(1.0, target), work="slow", profile=("70.0%  hot",))
    closing = table([missed, _row(3.0, target)]).splitlines()[-3:]
    assert closing == ["MISSED: slow", "  own time in our main process:", "    70.0%  hot"]


def test_quarters_are_of_the_output_and_not_of_the_time() -> None:
    """A run whose last quarter takes twice as long is half as fast there."""
    sizes = [*range(1, 301), *(301 + step / 2 for step in range(201))]
    looks = [Look(at=float(at), size=int(2 * size), memory=0) for at, size in enumerate(sizes)]
    first, last = quarter_rates(looks)
    assert last / first == pytest.approx(0.5, rel=0.02)


def test_a_run_too_short_for_quarters_is_refused() -> None:
    """A handful of looks is no basis for a comparison."""
    with pytest.raises(NotDone, match="too short"):
        quarter_rates([Look(at=float(at), size=at, memory=0) for at in range(5)])


def test_a_profile_counts_innermost_frames() -> None:
    """A function's own share is that of the stacks that end in it, however they began."""
    stacks = ["main;a;hot 3", "main;b;hot 4", "main;a 3"]
    assert largest(stacks) == ("70.0%  hot", "30.0%  a")
