"""Why URLs failed: an example and the usual reason of each kind, in little memory."""

from __future__ import annotations

from random import Random

from crawler.core.collector import StatisticsCollector
from crawler.core.end_causes import SLOTS, CauseTally
from crawler.model.outcome import Kind, Skipped


def test_the_usual_reason_is_found_in_bounded_memory() -> None:
    """A reason of every third failure is named among thousands of others, with its own example."""
    reasons = ["usual"] * 3_000 + [f"rare {number}" for number in range(6_000)]
    Random(1).shuffle(reasons)
    tally = CauseTally()
    for number, reason in enumerate(reasons):
        tally.add(f"http://{reason.replace(' ', '-')}.test/{number}", reason)
        assert len(tally._slots) <= SLOTS
    cause = tally.cause()
    assert (cause.number, cause.reason) == (9_000, "usual")
    assert cause.url.startswith("http://usual.test/")


def test_examples_have_no_credentials() -> None:
    """A password in a URL of the list is not told."""
    tally = CauseTally()
    tally.add("http://me:s3cret@a.test/", "why")
    assert "s3cret" not in tally.cause().url


def test_texts_of_servers_are_kept_short() -> None:
    """What a server or a list can make long is cut before it is kept."""
    tally = CauseTally()
    tally.add("http://a.test/" + "x" * 10**6, "y" * 10**6)
    assert len(tally.cause().url) == len(tally.cause().reason) == 300


def test_the_collector_tells_causes_by_kind() -> None:
    """Each kind of failure and skip has its number, and pages have none."""
    collector = StatisticsCollector()
    for number in range(3):
        skipped = Skipped(
            url=f"http://a.test/{number}", input="", kind=Kind.ROBOTS, reason="line 2"
        )
        collector.add_records([skipped])
    taken = collector.snapshot(0.0)
    assert list(taken.causes) == ["robots"] and taken.succeeded == 0
    cause = taken.causes["robots"]
    assert (cause.number, cause.url, cause.reason) == (3, "http://a.test/0", "line 2")
