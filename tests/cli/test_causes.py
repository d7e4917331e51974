"""What failed and what bound a crawl, as the summary tells it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crawler.cli.bound import bound_by
from crawler.cli.causes import MOST_KINDS, explained
from crawler.core.bottleneck import Bound, Held, Limit
from crawler.core.collector import Snapshot
from crawler.core.end_causes import Cause
from crawler.model.command_config import CommandConfig
from crawler.model.outcome import Kind
from tests.cli.fakes import SNAPSHOT
from tests.cli.test_summary import report


def cause(reason: str = "why", number: int = 1, url: str = "http://a.test/") -> Cause:
    """A kind's failures."""
    return Cause(number=number, url=url, reason=reason)


@pytest.mark.parametrize(
    ("kind", "reason", "cure"),
    [
        (Kind.BLOCKED_ADDRESS, "10.0.0.1 is private (--allow-private opens it)", "--allow-private"),
        (
            Kind.BLOCKED_ADDRESS,
            "port 81 is ... (--allow-port 81 opens it)",
            "--allow-port 81 opens",
        ),
        (Kind.DNS, "no such name", "check the spelling"),
        (Kind.TLS, "self-signed", "--insecure"),
        (Kind.TIMEOUT, "no answer", "--timeout 120s waits longer"),
        (Kind.CONNECT_TIMEOUT, "no answer", "--connect-timeout 20s"),
        (Kind.PARSE_TIMEOUT, "slow", "--parse-timeout 20s"),
        (Kind.TOO_LARGE, "too large", "--max-body 105MB"),
        (Kind.ROBOTS, "line 2", "--robots ignore"),
        (Kind.REDIRECT, "more than 10 redirects", "--max-redirects"),
        (Kind.HOST_DOWN, "20 failures", "--breaker-give-up 1800s waits longer"),
        (Kind.THROTTLED, "429, 8 pauses", "--host-patience 3600s waits longer"),
        (Kind.THROTTLED, "Retry-After of 9999 s", "--retry-after-max 7200s waits longer"),
    ],
)
def test_a_kind_of_failure_has_its_cure(kind: Kind, reason: str, cure: str) -> None:
    """Number, cure, example and reason of each kind stand in the summary (field T3)."""
    lines = list(explained({kind.value: cause(reason, 200)}, CommandConfig(), 68))
    said = " ".join(" ".join(lines).split())
    assert said.startswith(f"{kind.value} 200: ") and cure in said
    assert f"e.g. http://a.test/: {reason}" in said


def test_the_most_frequent_kinds_come_first_and_the_rest_is_counted() -> None:
    """However many kinds there are, the summary stays a page; each has its number above."""
    causes = {kind.value: cause(number=n) for n, kind in enumerate(Kind, 1)}
    lines = list(explained(causes, CommandConfig(), 68))
    assert lines[0].startswith(list(Kind)[-1].value)
    assert lines[-1] == f"and {len(Kind) - 1 - MOST_KINDS} other kinds"
    assert not list(explained({"interrupted": cause()}, CommandConfig(), 68))


@pytest.mark.parametrize("text", ["x" * 5_000, "\x1b[2J\u202e" * 100, "a b " * 100, "\n" * 50])
def test_what_servers_say_neither_acts_nor_wraps(text: str) -> None:
    """Reasons and URLs are escaped, cut and kept within 80 columns."""
    causes = {kind.value: cause(text, 10**9, f"http://a.test/{text}") for kind in Kind}
    taken = replace(SNAPSHOT, causes=causes, held={limit: Held(2.0, 2e6) for limit in Limit})
    lines = report(taken).text().splitlines()
    assert max(map(len, lines)) <= 80 and all(line.isprintable() for line in lines)


def test_a_parser_that_fails_on_every_page_is_said_aloud() -> None:
    """Where no page was parsed the summary ends with it, and names the parser."""
    taken = replace(SNAPSHOT, outcomes={"parse": 998}, causes={"parse": cause("TypeError", 998)})
    lines = report(taken, config=CommandConfig(parser="own:parse")).text().splitlines()
    assert "NOT ONE PAGE WAS PARSED: own:parse failed on each" in lines


@pytest.mark.parametrize(
    ("limit", "options", "said"),
    [
        (Limit.DELAY, {}, "--delay 0.25 on 1 host: at most 4 requests/s"),
        (Limit.DELAY, {"delay": 30.0}, "--delay 30 on 1 host: at most 0.033 requests/s"),
        (Limit.DELAY, {"hosts": "a.test: delay=2"}, "the delay of 1 host (--delay, --hosts)"),
        (Limit.IP_DELAY, {}, "--ip-delay 0.05 at an address: at most 20 requests/s"),
        (Limit.PER_HOST, {}, "--per-host 4 on 1 host"),
        (Limit.PER_IP, {}, "--per-ip 16"),
        (Limit.CONCURRENCY, {}, "--concurrency 256"),
        (Limit.SERVERS, {}, ""),
    ],
)
def test_what_binds_a_crawl_names_its_option(
    limit: Limit, options: dict[str, Any], said: str
) -> None:
    """The option that binds the crawl is told with its value and what it allows (field T3)."""
    assert bound_by(Bound(limit=limit, hosts=1), CommandConfig(**options)) == said


def test_every_limit_has_words_that_fit() -> None:
    """Whatever binds a crawl of millions of hosts is told in one row of 80 columns."""
    for limit in Limit:
        if limit is not Limit.SERVERS:
            assert 0 < len(bound_by(Bound(limit=limit, hosts=10**7), CommandConfig())) <= 66
    assert bound_by(None, CommandConfig()) == ""


def test_a_server_of_ones_own_need_not_be_spared() -> None:
    """Where private addresses are open and politeness binds, --unlimited is named (field T3)."""
    held = {Limit.IP_DELAY: Held(2.0, 2.0)}
    taken = Snapshot(elapsed=2.0, held=held)
    own = report(taken, config=CommandConfig(allow_private=True)).text()
    assert "bound by  --ip-delay 0.05 at an address: at most 20 requests/s" in own
    assert "--unlimited lifts such limits for a server of your own" in own
    assert "--unlimited" not in report(taken).text()
