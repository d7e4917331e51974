"""A page for which a parser takes memory without end costs itself alone."""

from __future__ import annotations

import sys

import pytest

from crawler.model.config import CrawlConfig
from crawler.model.document import Document
from crawler.model.outcome import Kind, ParseFault
from crawler.runtime.event_loop import loop_factory
from crawler.workers import recovery
from crawler.workers.recovery import Batch, BatchOrder, Break, PageResult
from tests.workers.test_hand_over import HOSTILE, HTML, config, in_threads, on_a_loop

LIMIT = 400
REASON = f"MemoryError: {LIMIT} MB are allowed"
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel counts no such thing")


def limited(**options: object) -> CrawlConfig:
    return config(parser=HOSTILE, parse_memory=LIMIT, **options)


@pytest.mark.slow
@linux
@pytest.mark.parametrize("face", ["asyncio", "threads"])
def test_a_page_without_end_costs_itself_alone(face: str) -> None:
    """Of 60 pages the three that take all memory fail, as that; none of the others is harmed."""
    parse = in_threads if face == "threads" else on_a_loop(loop_factory("asyncio"))
    bodies = [b"good %d" % number for number in range(57)]
    for place, body in ((0, b"hoard"), (20, b"huge"), (40, b"hoard")):
        bodies.insert(place, body)
    parsed = parse(bodies, limited())
    for body, result in zip(bodies, parsed, strict=True):
        if body in (b"hoard", b"huge"):
            assert result == ParseFault(kind=Kind.PARSE, reason=REASON)
        else:
            assert isinstance(result, Document), (body, result)


@pytest.mark.slow
@linux
def test_the_crawlers_own_parser_is_limited_too() -> None:
    """A page that takes the HTML library beyond the limit fails, however the library ends."""
    page = b"".join(b"<a href=%x>" % number for number in range(2_000_000))
    parsed = in_threads([HTML, page, HTML], config(parse_memory=150, parse_workers=1))
    assert [isinstance(result, Document) for result in parsed] == [True, False, True]


@pytest.mark.slow
@linux
def test_a_parser_that_forgets_nothing_goes_on() -> None:
    """Where each page leaves 20 MB behind the worker is replaced, and every page is parsed."""
    parsed = in_threads([b"leak"] * 40, limited(parse_workers=1, parse_batch=4))
    pids = {result.fields["parsed"]["pid"] for result in parsed if isinstance(result, Document)}
    assert all(isinstance(result, Document) for result in parsed), parsed
    assert len(pids) > 1


def test_no_limit_where_none_is_wanted() -> None:
    """0 leaves the worker as it is; and a page of petabytes fails even then, by itself."""
    parsed = in_threads([b"good", b"huge"], config(parser=HOSTILE, parse_memory=0))
    assert isinstance(parsed[0], Document)
    assert isinstance(parsed[1], ParseFault) and parsed[1].kind is Kind.PARSE
    assert parsed[1].reason.startswith("MemoryError (parsers.py:")


def _pages(number: int) -> BatchOrder:
    return BatchOrder([(f"http://a.example/{n}", 200, "", b"", "", "", ()) for n in range(number)])


def test_in_a_batch_nobody_is_blamed() -> None:
    """Which of several pages took the memory is unknown: they run one by one, in their order."""
    first, second = Batch(_pages(3), range(3)), Batch(_pages(2), range(2))
    ruling = recovery.unfit({4: first, 5: second}, 4, REASON, Break(1, 0))
    assert ruling.failed == []
    assert ruling.again == [*first.singles(), second]
    assert not first.order.suspects


def test_alone_it_fails_the_second_time() -> None:
    """A page by itself is suspected once, for the memory may have been another's; then it fails."""
    batch = Batch(_pages(2), (1,))
    assert recovery.unfit({4: batch}, 4, REASON, Break(1, 0)) == ([], [batch])
    assert recovery.unfit({1: batch}, 1, REASON, Break(2, 0)) == (
        [PageResult(batch.order, 1, ParseFault(kind=Kind.PARSE, reason=REASON))],
        [],
    )
