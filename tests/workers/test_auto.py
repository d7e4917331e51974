"""The choice between parsing here and handing over follows from what was measured."""

from __future__ import annotations

from crawler.workers.auto import LONGEST_INLINE, START_WORTH, Chooser, ParsePlace


def taught(seconds_per_byte: float, *, hand_over: float = 100e-6) -> Chooser:
    """A chooser that has seen many pages of 80 KB at this cost."""
    chooser = Chooser()
    chooser.hand_over = hand_over
    for _ in range(500):
        chooser.observe(80_000, 10e-6 + 80_000 * seconds_per_byte)
    return chooser


def test_what_is_cheaper_here_stays_here() -> None:
    """A page whose parsing costs less than its hand-over is never handed over."""
    chooser = taught(5e-9)
    chooser.pool_ready = True
    assert chooser.place(1_400) is ParsePlace.HERE
    assert chooser.place(80_000) is ParsePlace.POOL


def test_the_threshold_is_where_both_cost_the_same() -> None:
    """Just below the threshold a page stays, just above it goes."""
    chooser = taught(5e-9)
    chooser.pool_ready = True
    threshold = chooser.threshold()
    assert chooser.place(threshold - 100) is ParsePlace.HERE
    assert chooser.place(threshold + 100) is ParsePlace.POOL


def test_a_dear_hand_over_keeps_pages_here() -> None:
    """The measured hand-over decides, not an assumed one."""
    chooser = taught(5e-9, hand_over=1.0)
    chooser.pool_ready = True
    assert chooser.place(80_000) is ParsePlace.HERE


def test_a_pool_is_wanted_once_it_would_have_paid() -> None:
    """Small pages never ask for a pool; large ones do after enough of them."""
    chooser = taught(5e-9)
    for _ in range(10_000):
        chooser.place(1_400)
    assert not chooser.pool_wanted
    chooser.hand_over = 100e-6
    pages = 0
    while not chooser.pool_wanted:
        chooser.place(80_000)
        pages += 1
    saved = chooser.estimate(80_000) - chooser.hand_over
    assert abs(pages - START_WORTH / saved) <= 2


def test_no_page_blocks_the_loop_for_long() -> None:
    """A page above the longest time for the loop goes aside while there is no pool."""
    chooser = taught(10e-9)
    assert chooser.estimate(2_000_000) > LONGEST_INLINE
    assert chooser.place(2_000_000) is ParsePlace.ASIDE


def test_an_isolated_parser_never_runs_here() -> None:
    """A parser of the user's own goes to the pool whatever it costs, from the first page on."""
    chooser = Chooser(isolate=True)
    assert chooser.pool_wanted
    assert chooser.place(1) is ParsePlace.POOL


def test_estimates_follow_the_pages() -> None:
    """When pages become ten times dearer the estimate does, too."""
    chooser = taught(1e-9)
    for _ in range(500):
        chooser.observe(80_000, 80_000 * 10e-9)
    assert 0.9 < chooser.estimate(80_000) / (80_000 * 10e-9) < 1.1


def test_a_cold_start_is_not_taken_for_the_cost() -> None:
    """A first page that takes a hundred times longer moves the estimate by a tenth at most."""
    chooser = Chooser()
    before = chooser.estimate(80_000)
    chooser.observe(80_000, 100 * before)
    assert chooser.estimate(80_000) < 1.11 * before


def test_a_dear_hand_over_is_tried_again_later() -> None:
    """One bad measurement does not keep pages here for the rest of the crawl."""
    chooser = taught(25e-9)
    chooser.pool_ready = True
    chooser.observe_hand_over(1e-3)
    assert chooser.place(1_400) is ParsePlace.HERE
    places = [chooser.place(1_400) for _ in range(10_000)]
    assert places[-1] is ParsePlace.POOL


def test_pages_of_a_few_bytes_teach_nothing() -> None:
    """A tiny page that took long (a cold start) does not make large ones look dear."""
    chooser = taught(5e-9)
    before = chooser.estimate(80_000)
    chooser.observe(10, 1.0)
    assert chooser.estimate(80_000) == before
