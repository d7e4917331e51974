"""Hosts that nothing may be asked of, or all: the truth follows what robots.txt amounts to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock import MockWeb
from crawler.mock.graph import robots_forms
from crawler.mock.graph.robots_forms import Stance, Stances
from crawler.mock.judge.score import Score
from crawler.mock.judge.truth import entries, front
from crawler.model.distribution import Distribution
from tests.mock.graph.walk import allowed, walk

SMALL = Distribution.read("pareto:1200,2")
ALL, NONE = "none", "server-error"


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a form amounts to, by its name alone."""

    form: str

    def allows(self, user_agent: str, target: str) -> bool:
        return self.form == ALL or (self.form == "plain" and allowed(f"http://x{target}"))


@pytest.fixture
def fake_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def rules(options: MockWeb, host: int) -> _Rules:
        return _Rules(options.robots_forms[host % len(options.robots_forms)])

    monkeypatch.setattr(robots_forms, "rules", rules)


def _web(*forms: str, hosts: int = 11) -> MockWeb:
    return MockWeb(
        seed=51, pages=900, hosts=hosts, port=8080, size=SMALL, robots_forms=forms
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("fake_rules")
@pytest.mark.parametrize(
    "forms",
    [
        (ALL,), ("plain", ALL), ("plain", NONE), (ALL, NONE, NONE),
        ("plain", ALL, NONE, NONE, NONE), (NONE, "plain"), (NONE,),
    ],
)  # fmt: skip
def test_a_crawl_that_obeys_each_host_finds_the_reachable_pages(forms: tuple[str, ...]) -> None:
    """All of closed hosts is disallowed, nothing of open ones; what is left is still reached."""
    options = _web(*forms)

    def may(url: str) -> bool:
        host = options.host_number(urlsplit(url).netloc) or 0
        return _Rules(forms[host % len(forms)]).allows("*", urlsplit(url).path)

    found, truth = walk(options, front(options, 0), may=may), list(entries(options))
    assert found.keys() == {entry.url for entry in truth if entry.reachable}
    assert all(entry.disallowed is not may(entry.url) for entry in truth)
    if forms[0] != NONE:
        open_hosts = {host for host in range(11) if forms[host % len(forms)] != NONE}
        assert {entry.host for entry in truth if entry.reachable} == open_hosts
    score = Score(options)
    for url, seen in found.items():
        score.add({"url": url, "status": seen.status, "title": seen.title})
    result = score.result()
    assert result.recall == result.precision == 1.0 and not result.robots_violations
    for entry in truth:
        score.add({"url": entry.url})
    assert score.result().robots_violations == sum(entry.disallowed for entry in truth)


@pytest.mark.slow
@given(st.lists(st.sampled_from(Stance), min_size=1, max_size=8), st.integers(1, 2000))
def test_the_tree_reaches_every_host_that_may_be_entered(forms: list[Stance], size: int) -> None:
    """From host 0, unless it is closed, each host is linked to once and no closed one is a way."""
    stances = Stances(*forms)
    linked = [child for host in range(size) for child in stances.children(host) if child < size]
    assert len(linked) == len(set(linked)) and 0 not in linked[: size * (forms[0] != "closed")]
    reached, waiting = set[int](), [0]
    while waiting and not stances.closed(0):
        host = waiting.pop()
        reached.add(host)
        waiting += [child for child in stances.children(host) if child < size]
    if not stances.closed(0):
        assert reached >= {host for host in range(size) if not stances.closed(host)}


@pytest.mark.usefixtures("fake_rules")
def test_a_stance_follows_from_what_the_rules_allow() -> None:
    """All, nothing, or what the lines say; the default in its plain form needs no probe."""
    assert robots_forms.stances(MockWeb())[5] is Stance.LINES
    assert robots_forms.stances(_web(ALL))[5] is Stance.OPEN
    assert robots_forms.stances(_web("plain", NONE))[5] is Stance.CLOSED


@pytest.mark.slow
@pytest.mark.parametrize("form", robots_forms.FORMS)
def test_the_truth_follows_every_form(form: str) -> None:
    """What the truth calls disallowed is what the rules in force forbid, page by page."""
    options = MockWeb(pages=300, hosts=3, port=8080, robots_forms=("plain", form))
    rules = [robots_forms.rules(options, host) for host in range(3)]
    for entry in entries(options):
        parts = urlsplit(entry.url)
        assert entry.disallowed is not rules[entry.host].allows("*", parts.path)
