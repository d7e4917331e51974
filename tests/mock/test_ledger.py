"""The ledger, by one process and merged from the logs of several."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock.judge import event_log
from crawler.mock.judge import ledger as module
from crawler.mock.judge.event_log import EventLog, merged
from crawler.mock.judge.ledger import (
    OTHERS,
    Ledger,
    LedgerRow,
    LedgerSnapshot,
    check,
)


def ask(
    recorder: Ledger | EventLog, begin: float, end: float, *, retry_after: float | None = None
) -> None:
    recorder.begin("a", "127.0.0.1", begin, forbidden=False)
    recorder.end("a", "127.0.0.1", end, retry_after)


def test_gap_and_width() -> None:
    """The gap lies between starts that follow one another; the width counts all at one time."""
    ledger = Ledger()
    for now in (1.0, 3.0, 3.5, 7.0):
        ledger.begin("a", "127.0.0.1", now, forbidden=now == 7.0)
    ledger.begin("b", "127.0.0.1", 7.25, forbidden=False)
    ledger.end("a", "127.0.0.1", 8.0, None)
    found = ledger.snapshot()
    assert found.hosts["a"] == LedgerRow(
        requests=4, smallest_gap=0.5, largest_in_flight=4, in_flight=3, robots_violations=1
    )
    assert found.hosts["b"] == LedgerRow(requests=1, largest_in_flight=1, in_flight=1)
    assert found.addresses["127.0.0.1"].smallest_gap == 0.25
    assert found.addresses["127.0.0.1"].largest_in_flight == 5


def test_retry_after_opens_a_window_for_the_host() -> None:
    """Who comes before the named time violates it; a later, shorter wish does not shorten it."""
    ledger = Ledger()
    ask(ledger, 1.0, 2.0, retry_after=5.0)
    ask(ledger, 3.0, 3.5, retry_after=1.0)
    ask(ledger, 6.9, 7.0)
    ask(ledger, 7.0, 7.5)
    ledger.begin("b", "127.0.0.1", 3.0, forbidden=False)
    found = ledger.snapshot()
    assert found.hosts["a"].retry_after_violations == 2
    assert found.hosts["b"].retry_after_violations == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit, hosts share a row that counts requests alone."""
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    ledger = Ledger()
    for number in range(10):
        ledger.begin(f"h{number}", "127.0.0.1", float(number), forbidden=True)
        ledger.end(f"h{number}", "127.0.0.1", number + 0.5, 100.0)
    found = ledger.snapshot().hosts
    assert list(found) == ["h0", "h1", "h2", OTHERS]
    assert found[OTHERS] == LedgerRow(requests=7)


def test_a_reset_forgets() -> None:
    """After a reset nothing is left, and the end of a request from before does no harm."""
    ledger = Ledger()
    ledger.begin("a", "127.0.0.1", 1.0, forbidden=False)
    ledger.reset()
    ledger.end("a", "127.0.0.1", 2.0, None)
    assert ledger.snapshot() == LedgerSnapshot()


def test_json_there_and_back() -> None:
    """A snapshot survives JSON, as it crosses the wire to `crawler mock ledger`."""
    ledger = Ledger()
    ask(ledger, 1.0, 2.0, retry_after=5.0)
    found = ledger.snapshot()
    assert LedgerSnapshot.of(json.loads(json.dumps(found.json))) == found


def test_check_names_each_breach() -> None:
    """One line for each host and kind; limits count only if given."""
    good = LedgerRow(requests=9, smallest_gap=0.1, largest_in_flight=3)
    bad = LedgerRow(requests=9, retry_after_violations=2, robots_violations=1)
    snapshot = LedgerSnapshot(hosts={"good": good, "bad": bad}, truncated=True)
    assert check(snapshot) == [
        "the ledger is truncated: its log was full",
        "bad: 2 requests within a Retry-After",
        "bad: 1 requests that robots.txt forbids",
    ]
    assert check(LedgerSnapshot(hosts={"good": good}), max_in_flight=2, min_gap=0.2) == [
        "good: 3 in flight, more than 2",
        "good: a gap of 0.100000 s, less than 0.2 s",
    ]
    assert check(LedgerSnapshot(hosts={"good": good}), max_in_flight=3, min_gap=0.1) == []


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),  # process
        st.integers(0, 2),  # host
        st.integers(0, 1),  # address
        st.sampled_from(["begin", "forbidden", "end", "refuse"]),
    ),
    max_size=60,
)


def tell(recorder: Ledger | EventLog, host: str, address: str, now: float, what: str) -> None:
    if what in ("begin", "forbidden"):
        recorder.begin(host, address, now, forbidden=what == "forbidden")
    else:
        recorder.end(host, address, now, 4.0 if what == "refuse" else None)


@pytest.mark.slow
@given(events=EVENTS)
def test_merged_logs_are_one_ledger(events: list[tuple[int, int, int, str]]) -> None:
    """However events fall on processes, the merged ledger is that of one that saw them all."""
    whole = Ledger()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        logs = [EventLog(directory, process) for process in range(3)]
        for now, (process, host, address, what) in enumerate(events):
            for recorder in (whole, logs[process]):
                tell(recorder, f"h{host}", f"a{address}", float(now), what)
        for log in logs:
            log.flush()
        assert merged(directory).snapshot() == whole.snapshot()
        for log in logs:
            log.close()


def test_a_log_is_read_while_it_grows_and_after_a_reset(tmp_path: Path) -> None:
    """What is flushed is seen, also names that are new since; a reset empties the log."""
    log = EventLog(tmp_path, 0)
    for host in ("a", "b"):
        log.begin(host, "127.0.0.1", 1.0, forbidden=False)
        log.flush()
    assert list(merged(tmp_path).snapshot().hosts) == ["a", "b"]
    log.reset()
    assert merged(tmp_path).snapshot() == LedgerSnapshot()
    ask(log, 2.0, 3.0)
    log.close()
    assert merged(tmp_path).snapshot().hosts["a"].requests == 1


def test_a_full_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its size a log is cut off: the ledger holds what came before and is marked."""
    monkeypatch.setattr(event_log, "MAX_BYTES", 600)
    log = EventLog(tmp_path, 0)
    for number in range(100):
        ask(log, float(number), number + 0.5)
        log.flush()
    log.close()
    found = merged(tmp_path, truncated=log.truncated).snapshot()
    assert found.truncated
    assert found.hosts["a"].requests == 10
    assert (tmp_path / "events-0").stat().st_size < 700


def test_a_disk_that_is_full_cuts_the_log_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing write ends the log, not the server, and a reader learns of it."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    log = EventLog(tmp_path, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        ask(log, 1.0, 2.0)
        log.flush()
    ask(log, 3.0, 4.0)
    log.close()
    assert merged(tmp_path, truncated=log.truncated).snapshot() == LedgerSnapshot(truncated=True)
