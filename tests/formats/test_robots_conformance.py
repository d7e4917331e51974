"""Other people's cases for robots.txt: Google's parser and RFC 9309.

Here are the cases about reading and matching. Those about fetching (redirects, statuses, errors of
the network, age of a copy, the path) are the caller's: `FETCHING` names them.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crawler.formats.robots import ALLOW_ALL, DISALLOW_ALL, RobotsRules
from crawler.formats.robots_file import MAX_BYTES

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"

# What goes beyond the RFC, by the name of Google's test: why this parser agrees, where it does.
AGREES = {
    "SystemTest": "an empty agent is nobody, and an empty URL the root",
    "AcceptUserAgentUpToFirstSpace": "a token ends where its letters end",
    "IndexHTMLisDirectory": "without Google's rule the RFC's longest match says the same",
    "LineTooLong": "a long pattern that matches in whole",
    "DocumentationChecks": "the RFC's longest match, star and end",
}
# And by the line of the test, why it differs.
DIFFERS = {
    248: "`Foo Bar` is no product token; it is read as Foo, as in `User-Agent: Foo Bar`",
    506: "`index.html` does not stand for its folder; so this refuses where Google allows",
    540: "no line is too long to be read whole, and the whole pattern does not match",
    566: "the same for an Allow; so this refuses where Google allows",
}

MISSING = "the conformance cases are not beside this checkout, in ../shared/conformance"

FETCHING = {"redirect<=5", "redirect>5", "4xx", "429", "5xx", "network_error", "cache", "path"}


def read(name: str) -> str:
    path = CONFORMANCE / name
    if not path.exists():
        pytest.skip(MISSING)
    return path.read_text(encoding="utf-8")


def google_cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in read("robots_google.jsonl").splitlines()]


def agrees(case: dict[str, Any]) -> bool:
    rules = RobotsRules.parse(base64.b64decode(case["robots_b64"]), case["agent"])
    found: bool = rules.verdict(case["url"]).allowed == case["allowed"]
    return found


def beyond() -> list[Any]:
    if not (CONFORMANCE / "robots_google.jsonl").exists():
        return [pytest.param({}, marks=pytest.mark.skip(MISSING))]
    cases = [case for case in google_cases() if case["google_only"]]
    return [pytest.param(case, id=f"{_name(case)}-{case['line']}") for case in cases]


def _name(case: dict[str, Any]) -> str:
    name: str = case["test"]
    return name.removeprefix("GoogleOnly_")


def allowed(text: str, *paths: str) -> list[bool]:
    rules = RobotsRules.parse(text.encode(), "FooBot/1.0")
    return [rules.verdict(path).allowed for path in paths]


def test_googles_cases_within_the_rfc() -> None:
    """Every case that RFC 9309 decides comes out as in Google's parser; none is left out."""
    cases = [case for case in google_cases() if not case["google_only"]]
    assert len(cases) == 72
    assert [case["line"] for case in cases if not agrees(case)] == []


@pytest.mark.parametrize("case", beyond())
def test_googles_cases_beyond_the_rfc(case: dict[str, Any]) -> None:
    """Each of the others agrees or differs as it is said here, and why."""
    assert AGREES[_name(case)]
    assert agrees(case) is (case["line"] not in DIFFERS)


def test_no_case_beyond_the_rfc_is_passed_over() -> None:
    """All 73 are counted: 69 agree, and each of the four that differ is among them."""
    cases = [case for case in google_cases() if case["google_only"]]
    assert set(DIFFERS) <= {case["line"] for case in cases}
    assert Counter(map(agrees, cases)) == {True: 69, False: len(DIFFERS)}


def test_every_case_of_the_rfc_has_its_place() -> None:
    """What the RFC asks of matching, size and parsing is tested here; the rest is fetching."""
    cases = json.loads(read("rfc9309_rules.json"))
    assert {case["id"] for case in cases["fetch"]} == FETCHING | {"parse_errors", "size"}
    assert {case["section"] for case in cases["match"]} == {"2.2.1", "2.2.2", "2.2.3", "2.2.4"}


def test_user_agents() -> None:
    """2.2.1: tokens in any case, groups merged, else everybody's, else no rules."""
    text = "User-agent: foobot\nDisallow: /a\nUser-agent: *\nDisallow: /c\nUser-Agent: FOOBOT\n"
    assert allowed(f"{text}Disallow: /b\n", "/a", "/b", "/c") == [False, False, True]
    assert allowed("User-agent: *\nDisallow: /c\n", "/a", "/c") == [True, False]
    assert allowed("User-agent: BarBot\nDisallow: /\n", "/a", "/c") == [True, True]


def test_matching() -> None:
    """2.2.2: case counts, most octets win, a tie allows, octets are compared encoded."""
    text = "User-agent: *\nDisallow: /\nAllow: /A\nDisallow: /A/b\nAllow: /c\nDisallow: /c\n"
    assert allowed(text, "/A/c", "/a/c", "/A/b", "/c", "/robots.txt") == [
        *(True, False, False, True, True)
    ]
    text = "User-agent: *\nDisallow: /é\nDisallow: /x?u=https://b\nDisallow: /y%2Fz\n"
    assert allowed(text, "/%C3%A9", "/x?u=https%3A%2F%2Fb", "/y/z") == [False, False, True]


def test_special_characters() -> None:
    """2.2.3: comments, the end, any octets; escaped, they are themselves."""
    text = "User-agent: *\nDisallow: /a*b$ # c\nDisallow: /star%2A\nDisallow: /money%24\n"
    assert allowed(text, "/ab", "/axxb", "/abx", "/a") == [False, False, True, True]
    assert allowed(text, "/star*", "/starx", "/money$", "/money") == [False, True, False, True]


def test_other_records() -> None:
    """2.2.4: a Sitemap between agents and rules ends no group."""
    text = "User-agent: FooBot\nSitemap: http://a/s.xml\nUser-agent: BarBot\nDisallow: /\n"
    assert allowed(text, "/") == [False]


def test_parse_errors() -> None:
    """2.3.1.5: whatever stands between them, the lines that can be read count."""
    text = (
        "<html>\x00\ufffd\nUser-agent: *\n:::\nDisallow: /a\n\x01Disallow: /b\n= 7\nAllow: /a/b\n"
    )
    assert allowed(text, "/a", "/b", "/a/b") == [False, True, True]


def test_size() -> None:
    """2.5: 500 KiB are read, to the last octet."""
    head, rule = "User-agent: *\n", "\nDisallow: /a"
    text = head + "#" * (MAX_BYTES - len(head) - len(rule)) + rule
    assert len(text) == 512_000
    assert allowed(text, "/a", "/b") == allowed(f"{text}\nDisallow: /b\n", "/a", "/b")
    assert allowed(text, "/a") == [False]


def test_values_for_statuses() -> None:
    """2.3.1.3 and 2.3.1.4: the values that a caller takes for 4xx, and for 5xx and unreachable."""
    assert ALLOW_ALL.verdict("/x").allowed
    assert not DISALLOW_ALL.verdict("/x").allowed
