"""What a core tells of while it decides: retries, pauses, outages, a machine that lags."""

from __future__ import annotations

from crawler.core.capacity import WINDOW, Capacity
from crawler.model.event import NO_EVENTS, Event, Events, Level
from crawler.model.outcome import Kind
from crawler.model.request import Request
from tests.core.play import Ended, Play, failed, page
from tests.core.test_outages import HOST, Site, pages


def told(play: Play, *entries: str, level: Level = Level.DEBUG) -> list[Event]:
    """The events of a crawl."""
    found: list[Event] = []
    play.core.tell_events(Events(level=level, receive=found.append))
    play.run(*entries)
    return found


def test_a_retry_is_told_without_the_query() -> None:
    """With its kind, reason and attempt; a query may be a secret, and so may a user."""

    def once(request: Request, _now: float) -> Ended:
        return failed(request, Kind.TIMEOUT) if request.attempt == 1 else page(request)

    (event,) = told(Play(once, retries=2), "http://me:secret@a.example/x?key=hidden")
    assert (event.name, event.level) == ("retry", Level.INFO)
    assert event.fields == {
        "url": "http://***@a.example/x?...",
        "kind": "timeout",
        "reason": "it failed",
        "attempt": 2,
    }


def test_a_pause_is_told_with_its_length_and_cause() -> None:
    """A 429 with a time, or without one; a host that asks for too long is left."""

    def busy(request: Request, now: float) -> Ended:
        if now < 1.0:
            return failed(request, Kind.UNAVAILABLE, status=429, retry_after=7.0)
        return failed(request, Kind.UNAVAILABLE, status=429, retry_after=10**6)

    found = told(Play(busy, retries=2, per_host=1), f"{HOST}/1")
    paused, left = found[0], next(each for each in found if each.name == "host_left")
    assert (paused.name, paused.fields["host"], paused.fields["why"]) == (
        *("host_paused", HOST, "retry_after"),
    )
    assert paused.fields["seconds"] == 7.35  # with jitter
    assert (left.name, left.level, left.fields["kind"]) == (
        *("host_left", Level.WARNING, "throttled"),
    )


def test_an_outage_is_told_at_both_ends() -> None:
    """The breaker opens and closes once; whoever wants warnings alone hears of the first."""
    names = [e.name for e in told(_away(), *pages(300)) if e.name != "retry"]
    assert names == ["breaker_opened", "breaker_closed"]
    warned = told(_away(), *pages(300), level=Level.WARNING)
    assert [(e.name, e.fields["host"]) for e in warned] == [("breaker_opened", HOST)]


def _away() -> Play:
    return Play(Site((1.0, 11.0), kind=Kind.CONNECT), delay=0.01, retries=0)


def test_a_lost_network_is_told_at_both_ends() -> None:
    """Three hosts that had worked fall silent."""
    play = Play(Site((1.0, 9.0), kind=Kind.CONNECT_TIMEOUT), delay=0.1, retries=0)
    found = told(play, *(f"http://{n}.example/{m}" for m in range(40) for n in "abcd"))
    names = [each.name for each in found if each.name.startswith("network")]
    assert names == ["network_lost", "network_back"]


def test_a_machine_that_lags_is_told() -> None:
    """When the limit of requests in flight is lowered, and when it rises again."""
    found: list[Event] = []
    capacity = Capacity(90)
    capacity.events = Events(level=Level.DEBUG, receive=found.append)
    for at in range(4):
        capacity.look(0.5, WINDOW * at)
        capacity.look(0.5, WINDOW * at + 0.1)
    capacity.look(0.0, WINDOW * 9)
    capacity.look(0.0, WINDOW * 19)
    limits = [each.fields["limit"] for each in found]
    assert limits[0] == 60 and limits[-1] > min(limits)
    assert found[0].level is Level.WARNING and found[-1].level is Level.INFO


def test_nobody_wants_to_know() -> None:
    """By default nothing is even made."""
    NO_EVENTS.tell(Level.ERROR, "never")
    assert Play(_away()._answer).core._events.level is Level.OFF
