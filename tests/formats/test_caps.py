"""A page as long as a server likes makes a record of bounded length, and the record says so."""

from __future__ import annotations

import struct
import threading

import pytest

from crawler.formats import caps, links
from crawler.formats.follow import Following
from crawler.formats.page import page
from crawler.model.document import Document, RawResponse

BASE = "http://a.example/d/page"
FOLLOWING = Following(drop_params=(), token="crawler")


def parsed(body: str, tag: str = "", following: Following | None = None) -> Document:
    response = RawResponse(
        url=BASE, status=200, content_type="text/html", body=body.encode(), robots_tag=tag
    )
    return page(response, following)


def anchors(number: int) -> str:
    return "".join(f"<a href=p{n}>" for n in range(number))


def test_links_up_to_the_cap_are_all_there() -> None:
    """A page with as many links as are kept has them all, and nothing says that any is missing."""
    fields = parsed(anchors(caps.LINKS)).fields
    assert len(fields["links"]) == caps.LINKS
    assert "links_left_off" not in fields


@pytest.mark.parametrize("end", ["", "<a href='p0 '>"])
def test_links_beyond_the_cap_are_counted(end: str) -> None:
    """The first links are kept in their order; the record tells how many others there are."""
    fields = parsed(f"<a href=mailto:x><a href=x:y>{end}{anchors(caps.LINKS + 7)}").fields
    assert fields["links"] == [f"http://a.example/d/p{n}" for n in range(caps.LINKS)]
    assert fields["links_left_off"] == 7


def test_a_url_is_kept_up_to_the_cap() -> None:
    """A link of just the length allowed is kept, one of a character more is left off."""
    room = caps.URL - len("http://a.example/d/")
    fields = parsed(f"<a href={'x' * room}><a href={'y' * (room + 1)}><a href=z>").fields
    assert fields["links"] == [f"http://a.example/d/{'x' * room}", "http://a.example/d/z"]
    assert fields["links_left_off"] == 1


@pytest.mark.slow
def test_a_short_page_makes_no_long_record() -> None:
    """A base of 2,000 characters before many short links is not multiplied beyond the cap."""
    document = parsed(f"<base href='/{'b' * 2_000}/'>{anchors(30_000)}", following=FOLLOWING)
    fields = document.fields
    assert len("".join(fields["links"])) <= caps.LINK_CHARACTERS
    assert len(document.json) < caps.LINK_CHARACTERS + 100_000
    assert len(fields["links"]) + fields["links_left_off"] == 30_000
    assert document.leads is not None
    assert len(document.leads.links) == 8 * len(fields["links"])


def test_links_that_are_too_long_take_room_too() -> None:
    """Joining ends after so many long URLs, too: time is bounded, not only what is kept."""
    hrefs = [f"?{n}{'x' * caps.URL}" for n in range(5_000)]
    found = links.capped(hrefs, BASE)
    assert found == links.Links([], 5_000)


def test_a_base_beyond_the_cap_is_none() -> None:
    """A base as long as a page moves no link."""
    assert parsed(f"<base href='/{'b' * caps.URL}/'><a href=x>").fields["links"] == [
        "http://a.example/d/x"
    ]


@pytest.mark.slow
def test_texts_end_at_their_caps() -> None:
    """Title, description and language are cut, which their last character shows."""
    long = "t " * 500_000
    body = f"<html lang='{long}'><title>{long}</title><meta name=description content='{long}'>"
    fields = parsed(body).fields
    assert [len(fields[name]) for name in ("title", "description", "language")] == [
        caps.TITLE,
        caps.DESCRIPTION,
        caps.LANGUAGE,
    ]
    assert fields["title"].endswith("t…")


def test_a_title_of_just_the_length_is_whole() -> None:
    """What fits is not touched."""
    title = "t" * caps.TITLE
    assert parsed(f"<title>{title}</title>").fields["title"] == title


def test_a_canonical_link_beyond_the_cap_is_none() -> None:
    """Half a URL would be another one."""
    assert parsed(f"<link rel=canonical href='/{'c' * caps.URL}'>").fields["canonical"] is None


def test_directives_are_kept_up_to_the_caps() -> None:
    """Number and length of robots directives are bounded, from markup and header together."""
    names = [f"{n}{'x' * 500}" for n in range(500)]
    body = f"<meta name=robots content='{','.join(names)}'>"
    robots = parsed(body, tag="noindex").fields["robots"]
    assert len(robots) == caps.DIRECTIVES
    assert max(map(len, robots)) == caps.DIRECTIVE


def test_a_directive_beyond_the_cap_is_still_obeyed() -> None:
    """Manners do not end where the record does: nofollow as the last of many closes the page."""
    names = ",".join(f"x{n}" for n in range(1_000))
    body = f"<meta name=robots content='{names},nofollow'><a href=x>"
    document = parsed(body, following=FOLLOWING)
    assert "nofollow" not in document.fields["robots"]
    assert document.leads is not None
    assert struct.unpack("Q", document.leads.links) == (0,)


@pytest.mark.slow
def test_nesting_takes_no_stack() -> None:
    """A million open elements are read in a thread of 128 KB of stack: nothing recurses on them."""
    found: list[Document] = []
    before = threading.stack_size(128 * 1024)
    try:
        body = "<div>" * 1_000_000 + "<a href=x>"
        thread = threading.Thread(target=lambda: found.append(parsed(body, following=FOLLOWING)))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert found[0].fields["links"] == ["http://a.example/d/x"]
