"""Progress: the right numbers, within 80 columns."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from crawler.cli.display import frame
from crawler.cli.progress import (
    Rates,
    RateWindow,
    figures,
    line,
    share_done,
    time_left,
)
from crawler.core.collector import Snapshot
from tests.cli.fakes import SNAPSHOT


def drawn(snapshot: Snapshot, expected: int | None, width: int = 80) -> list[str]:
    """What a terminal of this width shows, two seconds into a crawl."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    window = RateWindow()
    window.add(Snapshot())
    with console.capture() as capture:
        console.print(frame(snapshot, expected, window))
    return capture.get().splitlines()


def test_two_lines_tell_how_far_the_crawl_is() -> None:
    """A bar with share and time left, then done, failed, rates and in flight."""
    running = replace(SNAPSHOT, in_flight=256)
    bar, text = drawn(running, 2_000)
    assert bar.endswith("50%  0:02 left")
    assert text == "998 done  7 failed  495 pages/s  8.0 MB/s  256 in flight"


def test_without_a_known_length_there_is_no_bar() -> None:
    """A list from a pipe shows the figures alone."""
    assert len(drawn(SNAPSHOT, None)) == 1


@pytest.mark.parametrize("width", [40, 80])
def test_it_stays_within_the_terminal(width: int) -> None:
    """Even after a hundred million URLs no line wraps: the moving part would leave trails."""
    huge = replace(SNAPSHOT, records=10**8, read=10**8, failed=10**7, in_flight=10**5)
    lines = drawn(huge, 3 * 10**8, width)
    assert len(lines) == 2
    assert max(map(len, lines)) <= width
    large = replace(huge, records=10**7, failed=10**6)
    assert len(figures(large, Rates(pages=12_345, wire_bytes=1e9))) <= 80
    assert figures(replace(large, hosts_away=2), Rates()).endswith("2 hosts away")


def test_rates_are_those_of_the_last_seconds() -> None:
    """A crawl that slows down shows its present rate, not the average of all time."""
    window = RateWindow()
    for second in range(20):
        pages = 100 * second if second < 10 else 1_000
        rates = window.add(Snapshot(elapsed=float(second), outcomes={"page": pages}))
    assert rates.pages == 0


def test_the_first_look_has_no_rates() -> None:
    """One snapshot makes no rate, and no division by zero."""
    assert RateWindow().add(SNAPSHOT) == Rates()


def test_time_left_and_share_need_a_length_and_a_rate() -> None:
    """What is not known is not guessed."""
    assert time_left(SNAPSHOT, None, Rates(entries=5)) is None
    assert time_left(SNAPSHOT, 2_000, Rates()) is None
    assert time_left(SNAPSHOT, 2_000, Rates(entries=100)) == 10.0
    assert time_left(SNAPSHOT, 500, Rates(entries=100)) == 0
    assert share_done(SNAPSHOT, None) is None
    assert share_done(SNAPSHOT, 4_000) == 0.25
    assert share_done(SNAPSHOT, 500) == 1


def test_a_plain_line_tells_the_same() -> None:
    """Share, figures and time left stand in one line of at most 80 columns, for a log."""
    text = line(SNAPSHOT, 2_000, Rates(entries=500, pages=495, wire_bytes=8e6))
    assert text == "50%  998 done  7 failed  495 pages/s  8.0 MB/s  0 in flight  0:02 left"
    assert line(SNAPSHOT, None, Rates()).startswith("998 done")
