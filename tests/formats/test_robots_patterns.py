"""Patterns of robots.txt: spelled alike, compared by the longest, and never at length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.formats.robots_patterns import (
    MAX_TEXT,
    MAX_WORK,
    PathTarget,
    Patterns,
    Rule,
    Wildcard,
    path_and_query,
)
from crawler.model.glob import fits
from crawler.model.url import Url, parse

PATTERNS = st.text("/ab*$", max_size=12).map(lambda text: f"/{text}")
PATHS = st.text("/ab", max_size=16).map(lambda text: f"/{text}")
ESCAPED = st.lists(
    st.sampled_from(
        ["/", "a", "%61", "%2f", "%2F", "?", ":", "%3a", "*", "$", "é", "%C3%a9", "{", "%7b", "'"]
    ),
    max_size=8,
).map(lambda parts: "/" + "".join(parts))


class CountedPath(bytes):
    """A path that counts how many of its octets were looked at."""

    octets = 0

    def find(self, part: bytes, at: int = 0) -> int:  # type: ignore[override]
        found = super().find(part, at)
        self.octets += (found + len(part) if found >= 0 else len(self)) - at
        return found

    def startswith(self, part: bytes) -> bool:  # type: ignore[override]
        self.octets += len(part)
        return super().startswith(part)

    def endswith(self, part: bytes) -> bool:  # type: ignore[override]
        self.octets += len(part)
        return super().endswith(part)


def rule(pattern: str | bytes, *, allow: bool = False, line: int = 1) -> Rule:
    octets = pattern if isinstance(pattern, bytes) else pattern.encode()
    return Rule.read(allow=allow, line=line, pattern=octets)


def matches(pattern: str, url: str, *, allow: bool = False) -> bool:
    target = PathTarget.read(url)
    patterns = Patterns([rule(pattern, allow=allow)])
    return patterns.longest(target.allowing if allow else target.forbidding) is not None


def by_brute_force(pattern: str, path: str) -> bool:
    """Every place at which the pattern may stand, one character of it after the other."""
    anchored = pattern.endswith("$")
    places = {0}
    for sign in pattern[:-1] if anchored else pattern:
        if sign == "*":
            places = set(range(min(places), len(path) + 1)) if places else set()
        else:
            places = {at + 1 for at in places if path[at : at + 1] == sign}
    return len(path) in places if anchored else bool(places)


def wildcard(pattern: str) -> Wildcard:
    (found,) = Patterns([rule(pattern)])._wildcards
    return found


@pytest.mark.slow
@given(PATTERNS, PATHS)
def test_a_pattern_matches_what_brute_force_says(pattern: str, path: str) -> None:
    """Whatever stars and anchors stand where, for both kinds of rule."""
    wanted = by_brute_force(pattern, path)
    assert matches(pattern, path) == matches(pattern, path, allow=True) == wanted


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("/ab*b$", "/ab", False),
        ("/ab*b$", "/abb", True),
        ("/a*a", "/a", False),
        ("/a*b*b", "/ab", False),
        ("/a*$", "/axx", True),
        ("/$", "/", True),
        ("/$", "/a", False),
        ("*", "/a", True),
        ("**b", "/ab", True),
    ],
)
def test_parts_do_not_overlap(pattern: str, path: str, wanted: bool) -> None:
    """A pattern needs every octet of its parts, and its end only where it is marked."""
    assert matches(pattern, path) is wanted


@pytest.mark.parametrize("patterns", [["/a", "/a**", "/a*"], ["/a**", "/a*", "/a"]])
def test_stars_at_the_end_count(patterns: list[str]) -> None:
    """They match nothing more, but make a rule longer, whatever the order of the lines."""
    found = Patterns(map(rule, patterns)).longest([b"/abc"])
    assert found is not None
    assert found.pattern == b"/a**"


@pytest.mark.slow
@given(st.lists(PATTERNS, max_size=8), PATHS)
def test_the_longest_that_matches_is_found(patterns: list[str], path: str) -> None:
    """Of several rules the one with the most octets decides, in whatever way each is kept."""
    rules = [rule(pattern, line=number) for number, pattern in enumerate(patterns)]
    fitting = [r.octets for r, p in zip(rules, patterns, strict=True) if by_brute_force(p, path)]
    found = Patterns(rules).longest(PathTarget.read(path).forbidding)
    assert (found.octets if found else None) == max(fitting, default=None)


@pytest.mark.parametrize(
    ("pattern", "path", "same"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", True),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7A", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/%62%61%7A", True),
        ("/a%2Fb", "/a/b", False),
        ("/a/b", "/a%2Fb", False),
        ("/a%3Fb", "/a?b", False),
        ("/A", "/a", False),
        ("/a b", "/a%20b", True),
        ("/star%2A", "/star*", True),
        ("/star%2A", "/starry", False),
        ("/money%24", "/money$", True),
        ("/money%24", "/money", False),
        ("/a$b", "/a$b", True),
        ("/a%", "/a%zz", True),
        ("/raw/{id}", "/raw/%7Bid%7D", True),
        ("/raw/%7bid%7d", "/raw/{id}", True),
        ('/raw/"name"', "/raw/%22name%22", True),
        ("/*/{*}$", "/a/%7Bb%7D", True),
        ("/a?q='b'", "/a?q=%27b%27", True),
        ("/%257Bid", "/%7Bid", False),
        ("/%5B", "/[", False),
    ],
)
def test_spellings(pattern: str, path: str, same: bool) -> None:
    """RFC 9309, 2.2.2 and 2.2.3: its table of equal octets, and its special characters."""
    assert matches(pattern, path) is matches(pattern, path, allow=True) is same


@pytest.mark.parametrize("place", ["/x/", "/x?y="])
@pytest.mark.parametrize("sign", sorted({*map(chr, range(0x20, 0x7F)), "é"} - set("#*$%/?.\\")))
def test_what_a_url_escapes_a_rule_may_have_raw(sign: str, place: str) -> None:
    """A rule matches the URL of its own text, whatever the URL parser escapes (RFC 9309, 2.2.2)."""
    url = parse(f"https://a.example{place}{sign}z")
    assert isinstance(url, Url)
    for allow in (False, True):
        assert matches(f"{place}{sign}z", url.href, allow=allow)
    escaped = "".join(f"%{octet:02x}" for octet in sign.encode())
    assert sign in RESERVED or matches(f"{place}{escaped}z", url.href)


RESERVED = frozenset("!&()+,;=@:[]")
"""Of RFC 3986, 2.2: with an escape they may mean another thing than without."""


def test_where_readings_differ_both_must_allow() -> None:
    """An Allow keeps its escapes of unreserved octets, a Disallow means both spellings."""
    assert matches("/%62%61%7A", "/baz") is True
    assert matches("/%62%61%7A", "/baz", allow=True) is False
    assert matches("/*=https%3A%2F%2Fb", "/a?u=https%3A%2F%2Fb") is True


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://a.example/x?y#z", "/x?y"),
        ("https://a.example", "/"),
        ("https://a.example?x=/y", "/?x=/y"),
        ("https://a.example/?u=http://b.example/c", "/?u=http://b.example/c"),
        ("http://[::1]:80/x", "/x"),
        ("/x?y#z", "/x?y"),
        ("//x/y", "//x/y"),
        ("", "/"),
    ],
)
def test_path_and_query(url: str, wanted: str) -> None:
    """Rules are compared with path and query, from the slash that follows the authority."""
    assert path_and_query(url) == wanted


@pytest.mark.slow
@given(st.text("/ab*", min_size=1, max_size=60), st.text("ab", max_size=200), st.booleans())
def test_no_pattern_reads_a_path_twice(stars: str, path: str, anchored: bool) -> None:
    """A match looks at each octet once, and at the ends of the pattern once more."""
    for found in Patterns([rule(f"/{stars}{'$' * anchored}")])._wildcards:
        counted = CountedPath(f"/{path}".encode())
        fits(found.parts, counted, anchored=found.anchored)
        assert counted.octets <= len(counted) + len(found.parts[0]) + len(found.parts[-1])


def test_a_hostile_pattern_reads_a_path_once() -> None:
    """Twenty thousand stars, which would take a backtracking matcher for ever."""
    counted = CountedPath(b"/" + b"a" * 65_000)
    found = wildcard("/" + "*a" * 19_990 + "*b$")
    assert not fits(found.parts, counted, anchored=found.anchored)
    assert counted.octets <= len(counted) + 2


def test_too_much_work_is_refused_and_not_done() -> None:
    """Beyond the bound a Disallow counts as far as its first star, and an Allow not at all."""
    patterns = [f"/private*{'a' * 60}{number:04}" for number in range(1000)]
    path = "/" + "a" * (MAX_WORK // 64_000)
    forbidding = Patterns(rule(pattern) for pattern in patterns)
    allowing = Patterns(rule(pattern, allow=True) for pattern in patterns)
    whole = f"/private{path}0001"
    assert forbidding._work * len(path) > MAX_WORK
    assert forbidding.longest([path.encode()]) is None
    assert forbidding.longest([f"/private{path}".encode()]) is not None
    assert allowing.longest([whole.encode()]) is None
    assert allowing.longest([whole[:8].encode() + whole[-100:].encode()]) is not None


def test_a_rule_is_shown_as_printable_ascii() -> None:
    """What a record or a terminal is shown has no control characters and an end."""
    assert rule("/private/").text == "Disallow: /private/"
    assert rule("/*.php$", allow=True).text == "Allow: /*.php$"
    assert rule(b"/\x1b[2J\xff ").text == "Disallow: /%1B[2J%FF%20"
    assert len(rule("/" + "a" * 10_000).text) == len("Disallow: ...") + MAX_TEXT


@pytest.mark.slow
@given(ESCAPED, ESCAPED)
def test_a_disallow_stands_for_all_that_an_allow_does(pattern: str, path: str) -> None:
    """However a path is escaped, the kind of rule that forbids never matches less."""
    if matches(pattern, path, allow=True):
        assert matches(pattern, path)
