"""The search for the highest rate that keeps a threshold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crawler.load.find import LEAST_RATE, MOST_TRIALS, Search, Trial


def searched(kept: Callable[[float, int], bool], first: float, most: float = 1e6) -> Search:
    """A search against a server that keeps the threshold as `kept(rate, number of trial)` says."""
    search = Search(first=first, most=most)
    while (rate := search.rate) is not None:
        search.tell(Trial(rate=rate, kept=kept(rate, len(search.trials)), values=(rate,)))
    return search


@pytest.mark.parametrize("first", [50, 100, 1000, 40_000])
@pytest.mark.parametrize("limit", [12, 37, 1000, 1234.5, 9_999, 40_000, 99_000])
def test_a_clear_limit_is_found_in_twelve_steps(first: float, limit: float) -> None:
    """From anywhere near; the answer is kept, twice, and at most a fifth under the limit."""
    search = searched(lambda rate, _: rate <= limit, first)
    assert search.found is not None and limit / 1.2 <= search.found <= limit
    assert search.broken is not None and limit < search.broken <= search.found * 1.2
    assert search.limited_by == "threshold" and search.confirmed
    assert len(search.trials) <= MOST_TRIALS == 12


@pytest.mark.parametrize("limit", [130, 1000, 5_000, 20_000])
def test_the_usual_limits_are_found_within_five_per_cent(limit: float) -> None:
    """From 100/s, where a search begins by itself, up to 20,000/s."""
    search = searched(lambda rate, _: rate <= limit, 100)
    assert search.found is not None and limit / 1.1 <= search.found <= limit


def test_the_answer_was_kept_twice() -> None:
    """One lucky trial is no answer."""
    search = searched(lambda rate, _: rate <= 1000, 100)
    assert sum(trial.rate == search.found for trial in search.trials) == 2


def test_a_rate_that_is_kept_once_only_counts_as_broken() -> None:
    """What was kept by luck is broken when it is confirmed; the answer lies below."""
    lucky: set[float] = set()

    def kept(rate: float, _: int) -> bool:
        if rate <= 1000:
            return True
        luck = rate <= 1100 and rate not in lucky
        lucky.add(rate)
        return luck

    search = searched(kept, 100)
    assert search.found is not None and 940 <= search.found <= 1000
    assert lucky


def test_a_server_that_keeps_nothing_has_no_limit() -> None:
    """The search ends at one request a second, with no answer."""
    search = searched(lambda _rate, _number: False, 1000)
    assert search.found is None and search.broken == LEAST_RATE


def test_a_server_that_keeps_everything_ends_at_the_most() -> None:
    """The highest rate allowed is tried, twice, and is said to be the limit."""
    search = searched(lambda _rate, _number: True, 300, most=5000)
    assert search.found == 5000 and search.limited_by == "most"
    assert search.trials[-1].rate == search.trials[-2].rate == 5000


def test_chance_cannot_keep_it_going() -> None:
    """Trials are bounded, whatever comes of them."""
    search = searched(lambda _rate, number: number % 3 != 1, 1000)
    assert len(search.trials) <= MOST_TRIALS


def test_the_first_step_that_cannot_be_judged_ends_the_search() -> None:
    """What was kept before it is the answer, the generator its limit, and why is there (LD11)."""
    search = Search(first=100, most=1e6)
    while (rate := search.rate) is not None:
        search.tell(Trial(rate=rate, kept=True, doubt="" if rate <= 5000 else "late"))
    assert [trial.rate for trial in search.trials] == [100, 400, 1600, 6400]
    assert (search.found, search.confirmed, search.limited_by) == (1600, False, "generator")
    assert search.unjudged is not None and search.unjudged.doubt == "late"


def test_a_first_step_that_cannot_be_judged_is_no_answer() -> None:
    """Nothing was found, and not because a threshold was broken (LD11)."""
    search = Search(first=100, most=1e6)
    search.tell(Trial(rate=100, kept=False, doubt="late"))
    assert search.rate is None and search.found is None and search.limited_by == "generator"


def test_a_search_that_cannot_begin_is_refused() -> None:
    """No rate at all, or one above the most, is a ValueError that says both."""
    with pytest.raises(ValueError, match="begin at 0/s"):
        Search(first=0, most=10)
    with pytest.raises(ValueError, match="begin at 20/s and end at 10/s"):
        Search(first=20, most=10)
