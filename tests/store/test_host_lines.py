"""Lines of hosts and of retries: what comes back, and clocks that are changed meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace
from math import inf

import pytest

from crawler.core.host_state import BreakerState, HostState, ThrottleState
from crawler.formats.robots import ALLOW_ALL, RobotsRules
from crawler.model.outcome import Kind
from crawler.model.request import Postponed, Request
from crawler.model.url import Url
from crawler.store.journal import host_lines
from crawler.store.journal.host_line import host_line, host_state
from crawler.store.journal.host_lines import HostLines
from crawler.store.journal.lines import waiting_line, waiting_of

NOW = 1_800_000_000.0
STATE = HostState(
    key="http://a.example",
    pause=40.0,
    down=(Kind.THROTTLED, "its host asked for it"),
    down_for=90.0,
    rules=ALLOW_ALL,
    rules_for=3_600.0,
    no_tls=True,
    throttle=ThrottleState(2.5, 4.0, 0.2, 3, 2, 12.0, inf),
    breaker=BreakerState(worked=True, failures=7, probes=2, unreached=True, open_for=9.0),
)
ROBOTS = b"""
User-agent: *
Crawl-delay: 3
Disallow: /private/
Disallow: /*?sort=
Disallow: /%7Ejoe/
Disallow: /caf\xc3\xa9
Allow: /private/open$
Allow: /
Sitemap: /sitemap.xml
"""
PATHS = (
    *("/", "/private/x", "/private/open", "/private/opened", "/a?sort=1", "/~joe/", "/%7Ejoe/x"),
    *("/caf%C3%A9", "/café/1", "/robots.txt"),
)


def test_a_state_comes_back_from_its_line() -> None:
    """What is written at one moment is the same when it is read at that moment."""
    back = host_state(host_line(STATE, NOW), NOW)
    assert replace(back, rules=None) == replace(STATE, rules=None)
    assert back.rules is not None and back.rules.verdict("/x") == ALLOW_ALL.verdict("/x")


def test_rules_of_a_line_decide_as_those_of_the_file() -> None:
    """Wildcards, escapes and ends are kept: each verdict is the same, with its line."""
    rules = RobotsRules.parse(ROBOTS, "crawler/1.0")
    back = host_state(host_line(replace(STATE, rules=rules), NOW), NOW).rules
    assert back is not None and back.crawl_delay == 3
    assert [back.verdict(path) for path in PATHS] == [rules.verdict(path) for path in PATHS]
    assert not back.verdict("/private/x").allowed and back.verdict("/private/open").allowed


@pytest.mark.slow
def test_rules_that_are_too_long_are_asked_for_again() -> None:
    """A line is bounded: it has no rules then, and no time for which they are in force."""
    text = b"User-agent: *\n" + b"".join(b"Disallow: /%d/\n" % n for n in range(9_000))
    rules = RobotsRules.parse(text, "crawler/1.0")
    back = host_state(host_line(replace(STATE, rules=rules), NOW), NOW)
    assert back.rules is None and back.rules_for == 0.0


@pytest.mark.parametrize(
    ("later", "pause", "rules_for"),
    [(10.0, 30.0, 3_590.0), (1_000.0, 0.0, 2_600.0), (-3_600.0, 40.0, 3_600.0)],
    ids=["soon", "late", "the clock was set back an hour"],
)
def test_waits_are_clamped_to_their_length(later: float, pause: float, rules_for: float) -> None:
    """The time between two runs counts; a clock that was set back prolongs nothing."""
    back = host_state(host_line(STATE, NOW), NOW + later)
    assert (back.pause, back.rules_for) == (pause, rules_for)
    assert back.breaker is not None and back.breaker.open_for == 9.0  # only running counts


@pytest.mark.parametrize(
    ("later", "left"), [(0.0, 30.0), (20.0, 10.0), (99.0, 0.0), (-3_600.0, 30.0)]
)
def test_a_retry_waits_for_the_rest_of_its_time(
    monkeypatch: pytest.MonkeyPatch, later: float, left: float
) -> None:
    """Its line has its end and its length; it never waits longer than it would have."""
    href = "http://a.example/1"
    request = Request(url=Url(href), seed=href, input=href, attempt=2, attempts=3, doubtful=1)
    monkeypatch.setattr(time, "time", lambda: NOW)
    line = waiting_line(request, 30.0)
    monkeypatch.setattr(time, "time", lambda: NOW + later)
    back = waiting_of(line)
    assert isinstance(back, Postponed) and back.seconds == pytest.approx(left)
    known = back.request
    assert (known.attempt, known.attempts, known.doubtful) == (2, 3, 1)


def test_the_last_line_of_a_host_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier ones are dropped, and the oldest hosts where there are too many."""
    monkeypatch.setattr(host_lines, "MOST_BYTES", 3 * 220)
    lines = HostLines()
    lines.read(b"".join(b"%d 9.0 {}\n" % key for key in (1, 2, 3)) + b"1 9.0 {1}\n")
    lines.read(b"4 3.0 {}\n")
    assert b"".join(lines.portions()) == b"3 9.0 {}\n1 9.0 {1}\n4 3.0 {}\n"
    lines.drop_before(5.0)
    assert len(lines) == 2 and lines.pop("1") == b"1 9.0 {1}\n" and lines.pop("1") is None
