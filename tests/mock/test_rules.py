"""The ledger's judge of robots.txt, against RFC 9309 and other people's cases."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock.judge.robots_rules import MAX_BYTES, Rules, products

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"
GOOGLE = CONFORMANCE / "robots_google.jsonl"
RFC = CONFORMANCE / "rfc9309_rules.json"

# Google compares the octets as they stand; RFC 9309 section 2.2.2 has them made comparable first.
CHOSEN = {
    ("/foo/bar/ツ", True),
    ("/foo/bar/baz", True),
}
# Beyond the RFC: index.html for its folder, lines that are cut, agents that are no product token.
BEYOND = {"GoogleOnly_IndexHTMLisDirectory", "GoogleOnly_LineTooLong", "GoogleOnly_SystemTest",
          "GoogleOnly_AcceptUserAgentUpToFirstSpace"}  # fmt: skip


def allows(text: str | bytes, target: str, agent: str = "FooBot") -> bool:
    body = text if isinstance(text, bytes) else text.encode()
    return Rules.read(body).allows(agent, target)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


@pytest.mark.skipif(not GOOGLE.exists(), reason=f"no {GOOGLE.name} beside the checkout")
def test_google_cases() -> None:
    """Every case of Google's own tests that RFC 9309 decides comes out the same, or is named."""
    cases: list[dict[str, Any]] = [json.loads(line) for line in GOOGLE.read_text().splitlines()]
    decided = [case for case in cases if case["test"] not in BEYOND]
    wrong = {
        (_target(case["url"]), found)
        for case in decided
        if (found := allows(base64.b64decode(case["robots_b64"]), _target(case["url"]),
                            case["agent"])) != case["allowed"]
    }  # fmt: skip
    assert len(decided) == 130
    assert wrong == CHOSEN


@pytest.mark.skipif(not RFC.exists(), reason=f"no {RFC.name} beside the checkout")
def test_rfc_sections_are_covered() -> None:
    """Every matching rule of the RFC has a test of its own below."""
    rules = json.loads(RFC.read_text())
    covered = {"2.2.1", "2.2.2", "2.2.3", "2.2.4"}
    assert {rule["section"] for rule in rules["match"]} == covered
    assert next(rule for rule in rules["fetch"] if rule["id"] == "size")["section"] == "2.5"


def test_groups_of_one_agent_are_merged() -> None:
    """Section 2.2.1: several groups for an agent count as one, and the star's is then not asked."""
    text = "User-agent: FooBot\nDisallow: /a\nUser-agent: *\nDisallow: /c\n\nuser-AGENT: foobot/1\n"
    text += "Disallow: /b\n"
    assert [allows(text, path) for path in ("/a", "/b", "/c")] == [False, False, True]
    assert [allows(text, path, "Other") for path in ("/a", "/b", "/c")] == [True, True, False]


def test_comparison_of_octets() -> None:
    """Section 2.2.2: the RFC's own table of spellings that are the same and that are not."""
    pairs = [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/a%2Fb", "/a/b", False),
        ("/A", "/a", False),
    ]
    for pattern, target, same in pairs:
        assert allows(f"User-agent: *\nDisallow: {pattern}\n", target) != same, pattern
        assert allows("User-agent: *\nDisallow: /caf%C3%A9\n", "/caf\u00c3\u00a9") is False


def test_special_characters() -> None:
    """Section 2.2.3: comment, end and any octets; escaped, they are themselves."""
    text = "User-agent: *\nDisallow: /a*b$ # c\nDisallow: /star%2A\nDisallow: /money%24\n"
    expected = {
        "/ab": False, "/axxb": False, "/abx": True, "/abxb": False, "/a": True,
        "/star*": False, "/starx": True, "/money$": False, "/money": True,
    }  # fmt: skip
    assert {target: allows(text, target) for target in expected} == expected


def test_an_anchored_end_does_not_overlap_what_was_matched() -> None:
    """A pattern needs every octet of its parts: /ab*b$ is not /ab."""
    assert allows("User-agent: *\nDisallow: /ab*b$\n", "/ab")
    assert not allows("User-agent: *\nDisallow: /ab*b$\n", "/abb")


def test_other_records_end_no_group() -> None:
    """Section 2.2.4: a Sitemap between agents and rules changes nothing."""
    text = "User-agent: FooBot\nSitemap: http://a/s.xml\nUser-agent: BarBot\nDisallow: /\n"
    assert not allows(text, "/", "FooBot")
    assert not allows(text, "/", "BarBot")


def test_the_longest_wins_and_a_tie_allows() -> None:
    """Whatever the order of the lines."""
    lines = ["Disallow: /x", "Allow: /x", "Disallow: /x/y", "Allow: /x/y/z"]
    for ordered in (lines, lines[::-1]):
        text = "\n".join(["User-agent: *", *ordered])
        found = [allows(text, target) for target in ("/x", "/x/a", "/x/y", "/x/y/z")]
        assert found == [True, True, False, True]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark(start: bytes, end: bytes) -> None:
    """Every line end of the RFC is one, and a byte order mark is not part of the first key."""
    body = start + end.join([b"User-agent: *", b"Disallow: /a", b"\x00\xff: junk", b"Disallow: /b"])
    assert [allows(body, path) for path in ("/a", "/b", "/c")] == [False, False, True]


def test_the_limit() -> None:
    """Section 2.5: a rule that ends at 500 KiB counts, one that is cut there or later does not."""
    head, rule = b"User-agent: *\n", b"Disallow: /a"
    filler = b"#" * (MAX_BYTES - len(head) - len(rule) - 1) + b"\n"
    whole = head + filler + rule
    assert len(whole) == MAX_BYTES
    assert not allows(whole, "/a")
    assert not allows(whole + b"\nDisallow: /b", "/a")
    assert allows(whole + b"\nDisallow: /b", "/b")
    assert allows(whole + b"bc\n", "/a")


def test_what_is_never_forbidden() -> None:
    """robots.txt itself and what is declared free may always be asked for."""
    rules = Rules.nothing(free=("/hop/",))
    found = {t: rules.allows("x", t) for t in ("/robots.txt", "/robots.txt?a", "/hop/1", "/", "/x")}
    assert list(found.values()) == [True, True, True, False, False]


def test_products() -> None:
    """A client goes by its product tokens, wherever they stand, and not by Mozilla."""
    assert products("FooBot") == ("foobot",)
    assert products("Foo-Bot/1.0 (+http://foo.test/bot)") == ("foo-bot",)
    assert products("Mozilla/5.0 (compatible; FooBot/2.1; +http://foo.test)") == ("foobot",)
    assert products("") == ()


def test_agents_are_not_remembered_for_ever() -> None:
    """As many User-Agent fields as a hostile client likes take no memory to speak of."""
    rules = Rules.read(b"User-agent: *\nDisallow: /a\n")
    for number in range(1000):
        assert not rules.allows(f"bot{number}", "/a")
    assert len(rules._agents) <= 64


def test_many_wildcards_are_quick() -> None:
    """No pattern backtracks: this one would take a naive regular expression for ever."""
    text = f"User-agent: *\nDisallow: /{'*a' * 200}b$\n"
    assert allows(text, "/" + "a" * 5000)


@pytest.mark.slow
@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_nothing_raises(body: bytes, agent: str, target: str) -> None:
    """Any bytes are a robots.txt, and any text an agent and a target."""
    assert Rules.read(body).allows(agent, target) in (True, False)
