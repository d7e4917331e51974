"""The schedule of an open loop: what leaves when, by arithmetic alone."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.load.load_config import Arrivals, LoadConfig
from crawler.load.pace import Pace, Stage
from crawler.model.option import OptionError

rates = st.floats(0.5, 5_000)
lengths = st.one_of(st.just(0.0), st.floats(0.01, 3))
stages = st.lists(st.builds(Stage, lengths, st.one_of(st.just(0.0), rates)), min_size=1, max_size=5)
arrivals: st.SearchStrategy[Arrivals] = st.sampled_from(("constant", "poisson"))


def sends(found: list[Stage]) -> bool:
    """Whether the stages send anything, and no more than a test should look at."""
    hits = sum(stage.seconds * stage.rate for stage in found)
    return any(stage.seconds and stage.rate for stage in found) and hits < 5_000


scheduled = stages.filter(sends)


def rate_at(found: list[Stage], moment: float) -> float:
    """The rate that the options' words give, read off them one stage after the other."""
    last = found[0].rate
    for number, stage in enumerate(found):
        if moment < stage.seconds:
            share = 1.0 if number == 0 else moment / stage.seconds
            return last + (stage.rate - last) * share
        moment -= stage.seconds
        last = stage.rate
    return last


def integrated(found: list[Stage], until: float, steps: int = 20_000) -> float:
    """Hits due until a moment, by adding up the rate in small steps."""
    width = until / steps
    return math.fsum(rate_at(found, (n + 0.5) * width) for n in range(steps)) * width


@pytest.mark.slow
@given(rates, st.floats(0.05, 2))
def test_a_constant_rate_has_equal_gaps(rate: float, seconds: float) -> None:
    """Hit n leaves at n / rate, from 0 on, and none at or after the end."""
    times = list(Pace([Stage(seconds, rate)]).times())
    assert times == pytest.approx([n / rate for n in range(len(times))], rel=1e-9, abs=1e-12)
    assert len(times) == math.ceil(seconds * rate - 1e-6)
    assert not times or times[-1] < seconds


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["1s:100,2s:1000", "2s:100,0s:900,1s:900", "1s:0,2s:500", "1s:500,1s:0,1s:0,1s:300", "3s:7"],
)
def test_hits_are_the_integral_of_the_rate(text: str) -> None:
    """Ramps, jumps, and stretches in which nothing is sent: as numeric integration has it."""
    found = list(Stage.read_all(text))
    pace = Pace(found)
    for share in (0.1, 0.33, 0.5, 0.77, 1.0):
        moment = share * pace.seconds
        expected = integrated(found, moment)
        assert pace.due(moment) == pytest.approx(expected, rel=1e-3, abs=0.2)


@pytest.mark.slow
@given(scheduled, arrivals, st.integers(0, 2**32))
def test_times_rise_and_stay_within_the_run(found: list[Stage], kind: Arrivals, seed: int) -> None:
    """Whatever the stages, no hit leaves before one ahead of it, or after the end."""
    pace = Pace(found, arrivals=kind, seed=seed)
    times = list(pace.times())
    assert all(before <= after for before, after in pairwise(times))
    assert all(0 <= moment <= pace.seconds for moment in times)


@pytest.mark.slow
@given(scheduled)
def test_each_hit_leaves_when_it_is_due(found: list[Stage]) -> None:
    """At the time of hit n exactly n hits are due: the two ways to ask agree."""
    pace = Pace(found)
    for n, moment in enumerate(pace.times()):
        assert pace.due(moment) == pytest.approx(n, rel=1e-6, abs=1e-4)


@pytest.mark.slow
@given(scheduled, arrivals, st.integers(1, 7), st.integers(0, 60))
def test_processes_share_a_schedule_exactly(
    found: list[Stage], kind: Arrivals, processes: int, most: int
) -> None:
    """The shares of all processes together are the schedule of one, hit by hit."""
    pace = Pace(found, arrivals=kind, most=most, seed=3)
    whole = list(pace.times())
    shares = [list(pace.times(number, processes)) for number in range(processes)]
    assert sorted(moment for share in shares for moment in share) == whole
    assert all(share == whole[number::processes] for number, share in enumerate(shares))


@pytest.mark.slow
@given(scheduled, arrivals, st.integers(1, 500), st.floats(0, 0.5))
def test_no_more_than_asked_for_after_the_warm_up(
    found: list[Stage], kind: Arrivals, most: int, warmup: float
) -> None:
    """`most` counts the hits of the measurement alone, and all of them if there are enough."""
    bounded = list(Pace(found, arrivals=kind, warmup=warmup, most=most).times())
    free = list(Pace(found, arrivals=kind, warmup=warmup).times())
    assert bounded == free[: len(bounded)]
    counted = sum(moment >= warmup - 1e-9 for moment in bounded)
    assert counted <= most + 1  # one may fall on the very start, but for rounding
    if len(bounded) < len(free):
        assert counted >= most


@pytest.mark.slow
@given(rates.filter(lambda rate: rate < 1_000), st.floats(0.1, 1))
def test_the_warm_up_runs_at_the_first_rate(rate: float, warmup: float) -> None:
    """It is ahead of the stages, whose hits come later by as much and stay as many."""
    warmed = Pace([Stage(1.0, rate), Stage(1.0, 2 * rate)], warmup=warmup)
    plain = Pace([Stage(1.0, rate), Stage(1.0, 2 * rate)])
    assert warmed.seconds == pytest.approx(2 + warmup)
    assert warmed.due(warmup) == pytest.approx(rate * warmup)
    counted = warmed.due(warmed.seconds) - warmed.due(warmup)
    assert counted == pytest.approx(plain.due(2.0))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["20s:500", "10s:200,10s:800"])
def test_poisson_arrivals_are_as_many_as_the_rate_says(text: str) -> None:
    """Over 40 seeds the mean count strays from the integral by no more than chance allows."""
    counts = []
    for seed in range(40):
        pace = Pace(Stage.read_all(text), arrivals="poisson", seed=seed)
        counts.append(sum(1 for _ in pace.times()))
    expected = pace.due(pace.seconds)
    mean = sum(counts) / len(counts)
    assert abs(mean - expected) < 4 * math.sqrt(expected / len(counts))
    spread = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
    assert 0.5 < spread / expected < 1.8  # a Poisson count's variance is its mean


def test_poisson_gaps_are_exponential() -> None:
    """Of 20,000 gaps the shares beyond 0.5, 1, 2 and 3 means are those of e**-x."""
    times = list(Pace([Stage(20.0, 1_000)], arrivals="poisson", seed=2).times())
    gaps = [after - before for before, after in pairwise([0.0, *times])]
    for means in (0.5, 1, 2, 3):
        share = sum(gap > means / 1_000 for gap in gaps) / len(gaps)
        assert share == pytest.approx(math.exp(-means), abs=0.012)


def test_another_seed_has_other_times() -> None:
    """Equal seeds give equal times in every process, others do not."""
    first, same, other = (
        list(Pace([Stage(1.0, 100)], arrivals="poisson", seed=seed).times()) for seed in (5, 5, 6)
    )
    assert first == same != other


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10s:1000,30s:5000", [(10, 1000), (30, 5000)]),
        (" 500ms:1.5 , 2m:7,1h:1 ,3:4", [(0.5, 1.5), (120, 7), (3600, 1), (3, 4)]),
    ],
)
def test_stages_are_read(text: str, found: list[tuple[float, float]]) -> None:
    """Lengths in ms, s, m or h, seconds without a unit; spaces do not matter."""
    assert [(stage.seconds, stage.rate) for stage in Stage.read_all(text)] == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a stage; expected SECONDS:RATE"),
        ("10s", "'10s' is not a stage"),
        ("10s:1000,", "'' is not a stage"),
        ("10x:5", "'10x' is not a duration"),
        ("10s:-5", "neither time nor rate can be below 0"),
        ("10s:1e9", "at most 1,000,000 requests/s"),
        ("10s:1000001", "at most 1,000,000 requests/s"),
        ("25h:1", "takes more than a day"),
        ("10s:0", "sends nothing"),
        ("0s:100", "sends nothing"),
    ],
)
def test_stages_that_cannot_be_say_why(text: str, said: str) -> None:
    """One line that shows the stage and what is wrong."""
    with pytest.raises(OptionError) as caught:
        Stage.read_all(text)
    assert caught.value.option == "stages" and said in str(caught.value)


def test_the_options_make_a_pace() -> None:
    """Rate and duration are one stage; a closed loop has no schedule."""
    pace = Pace.read(LoadConfig(rate=50, duration=2, warmup=1, requests=30))
    assert (pace.stages, pace.warmup, pace.most) == ((Stage(2, 50),), 1, 30)
    assert len(list(pace.times())) == 80
    with pytest.raises(OptionError, match="needs a rate"):
        Pace.read(LoadConfig())
