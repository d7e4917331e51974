"""What a line of a list says of its request next to the URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from crawler.core.redirects import onward
from crawler.model.outcome import Redirect
from crawler.model.payload import MAX_BODY, Payload, marked
from crawler.model.request import Hop, Request
from crawler.model.transfer import Exchange
from crawler.model.url import Url
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.request_line import lined, request_of

JSON = ("Content-Type", "application/json")
HERE = "http://a.test/api"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"method": None, "body": None}, None),
        ({"method": "DELETE"}, Payload("DELETE")),
        ({"body": "a=1"}, Payload("POST", (), b"a=1")),
        ({"body": {"a": [1]}}, Payload("POST", (JSON,), b'{"a":[1]}')),
        ({"body": [], "method": "PUT"}, Payload("PUT", (JSON,), b"[]")),
        (
            {"body": {}, "headers": {"content-type": "application/ld+json", "X": 1}},
            Payload("POST", (("content-type", "application/ld+json"), ("X", "1")), b"{}"),
        ),
        ({"headers": ["X-Run: 2"]}, Payload("GET", (("X-Run", "2"),))),
        ({"body_file": "given"}, Payload("POST", (), b"\x00\xff")),
    ],
)
def test_fields_become_a_request(
    tmp_path: Path, values: dict[str, Any], expected: Payload | None
) -> None:
    """Method, headers and body are as in `crawler load`; a body alone is posted."""
    (tmp_path / "given").write_bytes(b"\x00\xff")
    assert Payload.read({"url": HERE, **values}, tmp_path) == expected


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"method": "HEAD"}, "method: expected one of GET, POST"),
        ({"method": 3}, "method: expected a string, got 3"),
        ({"body": True}, "body: expected a string, an object or an array, got true"),
        ({"body": "x", "body_file": "y"}, "body and body_file are both given"),
        ({"body": "x" * (MAX_BODY + 1)}, "the body is longer than"),
        ({"body_file": "missing"}, "body_file: cannot read"),
        ({"headers": {"X": "1\r\nY: 2"}}, "headers: X has a character"),
        ({"headers": {"X Y": "1"}}, "headers: 'X Y' is not the name"),
        ({"headers": {"Content-Length": "1"}}, "headers: Content-Length is set by the crawler"),
        ({"headers": {"X": [1]}}, "headers: X: expected a string"),
    ],
)
def test_what_cannot_be_sent_is_refused(
    tmp_path: Path, values: dict[str, Any], reason: str
) -> None:
    """A field that is not as expected is one error that names it."""
    with pytest.raises(ValueError, match=reason):
        Payload.read({"url": HERE, **values}, tmp_path)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "link", "pipe", ".", "/dev/zero"])
def test_a_list_of_a_stranger_reads_no_other_files(tmp_path: Path, name: str) -> None:
    """Neither above its directory, nor through a link, nor what would be waited for."""
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "link").symlink_to("../secret")
    os.mkfifo(folder / "pipe")
    with pytest.raises(ValueError, match=r"body_file: cannot read .*(outside of|not a file)"):
        Payload.read({"url": HERE, "body_file": name}, folder)


def test_method_and_body_tell_requests_apart() -> None:
    """Headers do not, and a GET without a body counts as its URL alone does."""
    others = [Payload("POST"), Payload("PUT"), Payload("POST", (), b"x"), Payload("GET", (), b"x")]
    assert len({HERE, *(marked(HERE, each) for each in others)}) == 5
    assert marked(HERE, Payload("GET", (("X", "1"),))) == marked(HERE, None) == HERE
    assert marked(HERE, Payload("POST", (("X", "1"),))) == marked(HERE, Payload("POST"))


def request(payload: Payload, *hops: tuple[str, int]) -> Request:
    """Return a request that redirects have led back to its URL."""
    return Request(
        url=Url(HERE),
        seed=HERE,
        input=HERE,
        payload=payload,
        hops=tuple(Hop(url=url, status=status) for url, status in hops),
    )


POST = Payload("POST", (("X-Run", "1"), JSON), b"{}")


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ((), POST),
        (((HERE, 307), (HERE, 308)), POST),
        (((HERE, 307), (HERE, 303)), Payload("GET", (("X-Run", "1"),))),
        (((HERE, 301),), Payload("GET", (("X-Run", "1"),))),
        (((HERE, 302), ("http://b.test/", 302)), None),
        (((HERE, 307), ("https://a.test/", 307)), None),
    ],
)
def test_redirects_leave_less_to_send(
    hops: tuple[tuple[str, int], ...], expected: Payload | None
) -> None:
    """307 and 308 keep method and body, others make it a GET; nothing goes to another origin."""
    assert request(POST, *hops).sending == expected


def test_a_body_is_not_sent_to_another_origin() -> None:
    """A redirect that would have to take it there is not followed; one that drops it is."""

    def led(status: int, location: str) -> Request | str:
        exchange = Exchange(status=status, started_at=0.0)
        redirect = Redirect(request=request(POST), exchange=exchange, location=location)
        return onward(redirect, 10, 0.0, PublicSuffixes())

    refused = led(308, "http://b.test/")
    assert refused == "redirect (308) to another origin, where method and body are not sent"
    followed = led(303, "http://b.test/")
    assert isinstance(followed, Request)
    assert followed.sending is None
    assert followed.payload == POST
    same = led(303, HERE)  # a form that answers at its own URL
    assert isinstance(same, Request)
    assert led(307, HERE) == f"redirect loop back to {HERE}"


def test_a_line_of_a_request_has_all_of_it() -> None:
    """What waits outside of memory comes back with method, headers and body."""
    given = request(Payload("POST", (("X", "1"),), b"\x00\xff\n"), (HERE, 307))
    assert request_of(lined(given)).payload == given.payload
