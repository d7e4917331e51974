"""Stalls and brown-outs: what may be written, and when they are on."""

from __future__ import annotations

import pytest

from crawler.mock import MockWeb
from crawler.model.errors import ConfigurationError
from crawler.model.windows import Brownout, Stall


@pytest.mark.parametrize(
    ("now", "left"), [(-1, 0), (0, 0), (8.5, 0), (8.75, 1.25), (9.5, 0.5), (10, 0), (19, 1)]
)  # fmt: skip
def test_a_stall_ends_each_period(now: float, left: float) -> None:
    """The stall is the last part of every period, so a server begins without one."""
    assert Stall.read("1250ms every 10s").left(now) == left


def test_no_stall() -> None:
    """An empty text is a stall that never comes, and is false."""
    assert not Stall.read("")
    assert Stall.read("").left(9.9) == 0
    assert Stall.read(" 1s  every 1m ").period == 60


@pytest.mark.parametrize(
    ("now", "left"), [(0, 0), (9.9, 0), (10, 10), (15, 5), (20, 0), (69, 0), (70, 10), (80, 0)]
)  # fmt: skip
def test_a_brownout_repeats(now: float, left: float) -> None:
    """It is on from its begin up to its end, and again after each period."""
    brownout = Brownout.read("10s..20s latency lognormal:0.5,0.4 errors 0.2 every 60s")
    assert brownout.left(now) == left


def test_a_brownout_without_a_period_comes_once() -> None:
    """Latency alone or errors alone are enough; once over it stays over."""
    once = Brownout.read("0s..500ms errors 1")
    assert (once.latency, once.errors) == (None, 1)
    assert once.left(0.4) > 0 and not once.left(0.5)
    slow = Brownout.read("0..1m latency 0.5")
    assert slow.latency is not None
    assert (slow.latency.fixed, slow.errors, slow.end) == (0.5, 0, 60)


@pytest.mark.parametrize("text", ["1.4s every 10s", ""])
def test_a_stall_gives_its_text_back(text: str) -> None:
    """What is read can be written and read again."""
    assert str(Stall.read(text)) == text
    assert Stall.read(Stall.read(text)) == Stall.read(text)


@pytest.mark.parametrize(
    "text",
    ["1s", "every 10s", "10s every 1s", "0s every 1s", "1s each 10s", "1y every 2y", "nan every 1s",
     5, "1s every 99999999999s", "-1s every 10s", "1s every 10s x"],
)  # fmt: skip
def test_a_wrong_stall_is_named(text: object) -> None:
    """An invalid stall is an error of the option, in words."""
    with pytest.raises(ConfigurationError, match=r"stall: .*"):
        MockWeb(stall=text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty text"), ("10s", "has no time"), ("10s..5s errors 1", "ends before"),
        ("1s..2s", "changes nothing"), ("1s..2s errors 2", "not a share above"),
        ("1s..2s errors", "a value"),
        ("1s..2s errors x", "not a share"), ("1s..2s speed 1", "'speed' is not a setting"),
        ("1s..2s errors 1 errors 1", "repeats a setting"),
        ("1s..9s errors 1 every 8s", "longer than its period"),
        ("1s..2s latency what:1", "not a distribution"), ("a..b errors 1", "not a duration"),
    ],
)  # fmt: skip
def test_a_wrong_brownout_is_named(text: str, problem: str) -> None:
    """The options refuse an invalid brown-out and say what is wrong with it."""
    with pytest.raises(ConfigurationError, match=f"brownout: .*{problem}"):
        MockWeb(brownout=("1s..2s errors 1", text))


def test_options_take_both_as_text() -> None:
    """As a scenario writes them; the options then hold a stall and the brown-outs' texts."""
    options = MockWeb.of({"stall": "1s every 5s", "brownout": ["1s..2s errors 1"]})
    assert (options.stall.length, options.brownout) == (1, ("1s..2s errors 1",))
