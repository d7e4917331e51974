"""What partitions hand over: visible once committed, read once, whole after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from crawler.model.errors import ConfigurationError
from crawler.model.request import Arrivals, Hop, Position, Request
from crawler.model.url import Url
from crawler.store.journal import handover
from crawler.store.journal.handover import Inbox, Outbox, line_of, read_offer, segments
from crawler.store.journal.journal import unsynced

Closed = Callable[[Any], Any]


def requested(number: int) -> Request:
    """Return a request with all that has to move with it."""
    return Request(
        url=Url(f"http://a.test/{number}"),
        seed="http://b.test/",
        input="b.test",
        hops=(Hop(url="http://b.test/", status=301),),
        attempts=3,
        depth=2,
        found_on="http://c.test/",
        origin="http://d.test",
    )


def sent(outbox: Outbox, receiver: int, *numbers: int) -> None:
    """Write a block for one receiver, and one line for another."""
    lines = {9: [b"http://z.test/ 0.0\n"], receiver: [line_of(requested(n)) for n in numbers]}
    outbox.write(lines, unsynced)


@pytest.fixture
def until_end() -> Iterator[Closed]:
    """Close at the end of the test what it is given."""
    with ExitStack() as stack:
        yield lambda opened: stack.enter_context(closing(opened))


def taken(inbox: Inbox, most: int = 100) -> list[str]:
    """Return the URLs that are there."""
    found: list[str] = []
    while (arrivals := inbox.take(most)) is not None:
        found += [each.href if isinstance(each, Url) else each.url.href for each in arrivals]
    return found


def test_a_block_is_visible_once_it_is_offered(tmp_path: Path, until_end: Closed) -> None:
    """Nobody sees what its sender's frame does not count yet, nor what is for another."""
    outbox, inbox = until_end(Outbox(tmp_path, 0, {})), until_end(Inbox(1, {0: tmp_path}, {}))
    sent(outbox, 1, 1, 2)
    assert taken(inbox) == []
    outbox.publish({})
    assert taken(inbox) == ["http://a.test/1", "http://a.test/2"]
    assert taken(inbox) == []
    assert taken(until_end(Inbox(9, {0: tmp_path}, {}))) == ["http://z.test/"]


def test_a_request_moves_with_all_that_it_carries(tmp_path: Path, until_end: Closed) -> None:
    """Seed, hops, attempts, depth and origin are those that it had; a URL of the scope is one."""
    outbox, inbox = until_end(Outbox(tmp_path, 0, {})), until_end(Inbox(1, {0: tmp_path}, {}))
    outbox.write({1: [line_of(requested(5)), line_of(Url("http://e.test/"))]}, unsynced)
    outbox.publish({})
    arrivals = inbox.take(9)
    assert isinstance(arrivals, Arrivals)
    request, url = arrivals
    assert repr(request) == repr(requested(5))
    assert url == Url("http://e.test/")


@pytest.mark.parametrize("most", [1, 2, 5])
def test_reading_goes_on_at_any_position(tmp_path: Path, until_end: Closed, most: int) -> None:
    """After any portion, a new reader at its position gets the rest, each line once."""
    outbox = until_end(Outbox(tmp_path, 0, {}))
    sent(outbox, 1, 1, 2, 3)
    outbox.write({9: [b"http://z.test/ 0.0\n"]}, unsynced)
    sent(outbox, 1, 4, 5)
    outbox.publish({})
    positions, found = dict[int, Position](), list[str]()
    while (arrivals := until_end(Inbox(1, {0: tmp_path}, positions)).take(most)) is not None:
        positions = {0: arrivals.position}
        found += [each.url.href for each in arrivals if isinstance(each, Request)]
    assert found == [f"http://a.test/{n}" for n in range(1, 6)]


def test_what_was_not_committed_is_cut_and_what_was_is_offered_again(
    tmp_path: Path, until_end: Closed
) -> None:
    """A sender that is killed before or after its frame goes on with what the frame says."""
    outbox = until_end(Outbox(tmp_path, 0, {}))
    sent(outbox, 1, 1)
    committed = outbox.length
    sent(outbox, 1, 2)
    again = until_end(Outbox(tmp_path, committed, {3: Position(7, 1)}))
    assert read_offer(tmp_path) == (committed, {3: 7})
    sent(again, 1, 3)
    again.publish({})
    assert taken(until_end(Inbox(1, {0: tmp_path}, {}))) == ["http://a.test/1", "http://a.test/3"]


def test_segments_that_were_not_committed_are_gone(
    tmp_path: Path, until_end: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that began after the last frame, or with it, leaves nothing that a reader could take."""
    monkeypatch.setattr(handover, "SEGMENT", 1)
    outbox = until_end(Outbox(tmp_path, 0, {}))
    sent(outbox, 1, 1)
    committed = outbox.length
    for number in (2, 3):
        sent(outbox, 1, number)
    again = until_end(Outbox(tmp_path, committed, {}))
    assert segments(tmp_path) == [0]
    sent(again, 1, 4)
    again.publish({})
    assert taken(until_end(Inbox(1, {0: tmp_path}, {}))) == ["http://a.test/1", "http://a.test/4"]


def test_a_file_shorter_than_committed_is_refused(tmp_path: Path, until_end: Closed) -> None:
    """Committed blocks that are gone are damage, for the sender and for a receiver."""
    outbox = until_end(Outbox(tmp_path, 0, {}))
    sent(outbox, 1, 1, 2)
    outbox.publish({})
    path = tmp_path / "handed.0"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ConfigurationError, match=r"has .* bytes, and had"):
        until_end(Outbox(tmp_path, outbox.length, {}))
    with pytest.raises(ConfigurationError, match="is damaged at byte 0"):
        until_end(Inbox(1, {0: tmp_path}, {})).take(9)


def test_segments_are_deleted_once_all_others_have_committed_their_reading(
    tmp_path: Path, until_end: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody still needs stays, and reading goes on from one segment to the next."""
    monkeypatch.setattr(handover, "SEGMENT", 1)
    sender, near, far = (tmp_path / name for name in ("p0", "p1", "p2"))
    for folder in (sender, near, far):
        folder.mkdir()
    outbox = until_end(Outbox(sender, 0, {}, own=0, receivers=[near, far]))
    starts = []
    for number in range(4):
        starts.append(outbox.length)
        sent(outbox, 1, number)
        outbox.publish({})
    assert segments(sender) == starts
    inbox = until_end(Inbox(1, {0: sender}, {}))
    assert taken(inbox) == [f"http://a.test/{n}" for n in range(4)]
    until_end(Outbox(near, 0, inbox.positions))  # offers how far it has come
    outbox.publish({})
    assert segments(sender) == starts
    until_end(Outbox(far, 0, {0: Position(starts[2])}))
    outbox.publish({})
    assert segments(sender) == starts[2:]
    late = until_end(Inbox(9, {0: sender}, {0: Position(starts[2])}))
    assert taken(late) == ["http://z.test/"] * 2
    again = until_end(Outbox(sender, outbox.length, {}, own=0, receivers=[near, far]))
    assert segments(sender) == starts[2:] and again.length == outbox.length
