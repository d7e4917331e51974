"""What robots.txt files say, by RFC 9309, whatever bytes they are made of."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.formats.robots import ALLOW_ALL, DISALLOW_ALL, RobotsRules, RobotsVerdict
from crawler.formats.robots_file import MAX_BYTES, MAX_RULES, MAX_SITEMAPS, product_token
from crawler.mock.judge.robots_rules import Rules

AGENT = "FooBot/1.0 (+http://foo.example/bot)"
LINES = st.sampled_from(
    [
        *("User-agent: FooBot", "user-agent: barbot/2", "User-agent: *", "", "# nothing"),
        *("Sitemap: http://a.example/s.xml", "Crawl-delay: 2", "unknown: /"),
        *("Disallow: /", "Disallow: /a", "Disallow: /a*b$", "Disallow: /*?u=http://", "Disallow:"),
        *("Allow: /a", "Allow: /ab", "Allow: /%61b", "Allow: /*b", "Allow: /a?u=%2F", "Allow: /$"),
    ]
)
PATHS = st.lists(
    st.sampled_from(["a", "b", "/", "%61", "?u=", "http:", "%2F", "é", "*", "$"]), max_size=6
).map(lambda parts: "/" + "".join(parts))


def rules(text: str | bytes, agent: str = AGENT) -> RobotsRules:
    return RobotsRules.parse(text if isinstance(text, bytes) else text.encode(), agent)


def allowed(text: str | bytes, *paths: str, agent: str = AGENT) -> list[bool]:
    found = rules(text, agent)
    return [found.verdict(path).allowed for path in paths]


# -- groups


def test_groups_of_one_agent_are_merged() -> None:
    """Several groups for an agent count as one, and everybody's is then not asked."""
    text = "User-agent: FooBot\nDisallow: /a\nUser-agent: *\nDisallow: /c\n\nuser-AGENT: foobot/1\n"
    text += "Disallow: /b\n"
    assert allowed(text, "/a", "/b", "/c") == [False, False, True]
    assert allowed(text, "/a", "/b", "/c", agent="Other") == [True, True, False]


def test_an_own_group_without_rules_allows_all() -> None:
    """Who is named is not everybody, even if nothing is said to him."""
    assert allowed("User-agent: FooBot\nDisallow:\n\nUser-agent: *\nDisallow: /\n", "/x") == [True]


def test_agents_in_a_row_share_their_rules() -> None:
    """Comments, empty lines, unknown records and sitemaps end no group (RFC 9309, 2.2.4)."""
    text = "User-agent: FooBot\n# x\n\nSitemap: http://a/s.xml\nfoo: bar\nUser-agent: BarBot\n"
    text += "Disallow: /a\nSitemap: http://a/t.xml\nDisallow: /b\n"
    for agent in ("FooBot", "BarBot"):
        assert allowed(text, "/a", "/b", "/c", agent=agent) == [False, False, True]


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("crawler/0.1.0", "crawler"),
        ("Crawler/2.1 foo", "crawler"),
        ("Foo-Bot_x9", "foo-bot_x"),
        ("*", "*"),
        ("* # x", "*"),
        ("*bot", ""),
        ("", ""),
        ("9bot", ""),
        ("ﬀbot", ""),
    ],
)
def test_product_tokens(text: str, token: str) -> None:
    """The letters, hyphens and underscores that a name begins with, whatever their case."""
    assert product_token(text) == token


def test_a_token_is_compared_whole() -> None:
    """A group for `foo` or for `foobot-news` is none for FooBot."""
    text = "User-agent: foo\nDisallow: /\nUser-agent: foobot-news\nDisallow: /\n"
    assert allowed(text, "/x") == [True]


# -- lines


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark(start: bytes, end: bytes) -> None:
    """Every line end counts once, and a byte order mark is not part of the first name."""
    lines = [b"User-agent: *", b"", b"\x00\xff: junk", b" \tDISALLOW :\t/b \t# x", b"Allow: /b/c"]
    found = rules(start + end.join(lines))
    assert found.verdict("/b") == RobotsVerdict(False, 4, "Disallow: /b")
    assert found.verdict("/b/c/d") == RobotsVerdict(True, 5, "Allow: /b/c")
    assert found.verdict("/a") == RobotsVerdict(True)


@pytest.mark.parametrize(
    ("line", "forbids"),
    [
        ("disallow /a", True),
        ("disallow\t/a # x", True),
        ("disallow /a b", False),
        ("disallow /a:b", False),
        ("dissallow: /a", True),
        ("disallows: /a", False),
        ("x disallow: /a", False),
        ("Disallow: a", False),
        ("Disallow: *a", True),
        ("Disallow: #/a", False),
        ("Disallow:/a", True),
    ],
)
def test_lines_as_real_files_have_them(line: str, forbids: bool) -> None:
    """A colon may be missing and Disallow misspelled, as Google's parser has it; no more."""
    assert allowed(f"User-agent: *\n{line}\n", "/a") == [not forbids]


def test_rules_before_the_first_agent_are_nobodys() -> None:
    """They forbid nothing."""
    assert allowed("Disallow: /\nUser-agent: BarBot\nDisallow: /\n", "/x") == [True]


def test_the_longest_wins_and_a_tie_allows() -> None:
    """Whatever the order of the lines."""
    lines = ["Disallow: /x", "Allow: /x", "Disallow: /x/y", "Allow: /x/y/z"]
    for ordered in (lines, lines[::-1]):
        text = "\n".join(["User-agent: *", *ordered])
        assert allowed(text, "/x", "/x/a", "/x/y", "/x/y/z") == [True, True, False, True]


def test_robots_txt_itself_is_always_allowed() -> None:
    """By its very path, whatever forbids it."""
    for found in (rules("User-agent: *\nDisallow: /robots.txt\nDisallow: /"), DISALLOW_ALL):
        verdicts = [found.verdict(path).allowed for path in ("/robots.txt", "/a/robots.txt", "/")]
        assert verdicts == [True, False, False]
        assert found.verdict("https://a.example/robots.txt").allowed


# -- other records


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("1", 1.0), ("0.5", 0.5), (".25 # x", 0.25), ("10.", 10.0), ("0", 0.0)),
        *(("", None), ("-1", None), ("nan", None), ("inf", None), ("1e9", None), ("1_0", None)),
        *(("5s", None), ("1,5", None), ("9" * 400, None), ("٣", None)),
    ],
)
def test_crawl_delay(value: str, seconds: float | None) -> None:
    """Seconds and fractions of them; nonsense is as good as nothing."""
    assert rules(f"User-agent: *\nCrawl-delay: {value}\n").crawl_delay == seconds


def test_a_crawl_delay_belongs_to_the_agents_above_it() -> None:
    """Neither everybody's nor that of an agent with nothing but a delay is another's."""
    text = "User-agent: SlowBot\nCrawl-delay: 60\n\nUser-agent: FooBot\nCrawl-delay: 2\n"
    text += "Disallow: /a\nCrawl-delay: 3\nUser-agent: *\nCrawl-delay: 9\n"
    delays = [rules(text, agent).crawl_delay for agent in ("SlowBot", "FooBot", "BarBot")]
    assert delays == [60, 3, 9]


def test_sitemaps_may_stand_anywhere() -> None:
    """Each counts once, for every agent; a colon in its value is no end."""
    text = "Sitemap: http://a.example/1.xml\nUser-agent: BarBot\nDisallow: /\n"
    text += "SITEMAP: /2.xml # x\nsitemap: http://a.example/1.xml\nSitemap:\n"
    assert rules(text).sitemaps == ("http://a.example/1.xml", "/2.xml")


# -- bounds


def test_what_ends_at_the_limit_counts() -> None:
    """A rule that ends at 500 KiB counts (RFC 9309, 2.5), one that is cut there does not."""
    head, rule = b"User-agent: *\n", b"Disallow: /a"
    whole = head + b"#" * (MAX_BYTES - len(head) - len(rule) - 1) + b"\n" + rule
    assert len(whole) == MAX_BYTES
    assert allowed(whole, "/a") == [False]
    assert allowed(whole + b"\nDisallow: /b", "/a", "/b") == [False, True]
    assert allowed(whole + b"bc\n", "/a", "/abc") == [True, True]


@pytest.mark.slow
def test_too_many_rules_forbid_everything() -> None:
    """The line of the first one too many is named; other agents' rules do not count."""
    others = "User-agent: BarBot\n" + "Allow: /x\n" * (MAX_RULES + 1)
    most = "User-agent: *\n" + "Allow: /x\n" * MAX_RULES
    assert allowed(others + most, "/y") == [True]
    refused = rules(f"{most}Disallow: /z\n").verdict("/y")
    assert refused == RobotsVerdict(False, MAX_RULES + 2, "more than 20000 rules and wildcards")
    assert allowed(f"User-agent: *\nAllow: /{'*a' * MAX_RULES}\n", "/y") == [False]


@pytest.mark.slow
def test_an_agent_named_twice_is_named_once() -> None:
    """Its rules are not counted twice."""
    text = "User-agent: FooBot\nUser-agent: foobot\n" + "Allow: /x\n" * MAX_RULES
    assert allowed(text, "/y") == [True]


def test_sitemaps_are_bounded() -> None:
    """The first ones are kept."""
    text = "".join(f"Sitemap: /{number}.xml\n" for number in range(MAX_SITEMAPS + 50))
    assert rules(text).sitemaps[-1] == f"/{MAX_SITEMAPS - 1}.xml"


def _full(line: Callable[[int], bytes]) -> bytes:
    lines = [b"User-agent: *", *(line(number) for number in range(MAX_RULES - 10))]
    return b"\n".join(lines)[:MAX_BYTES]


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        _full(lambda number: b"Disallow: /%%61%%3A?%x%%3A" % number),
        b"User-agent: *\n" + b"".join(b"Disallow: /*%%61%x\n" % n for n in range(9_000)),
        _full(lambda number: b"Disallow: /" + b"a" * (number % 1000)),
        _full(lambda number: b"Sitemap: http://a.example/%x" % number),
        b"User-agent: *\nDisallow: /" + b"*ab" * (MAX_RULES - 10),
        b"User-agent: *\nDisallow: /private/\nAllow: /private/open\nDisallow: /*?sort=\n",
        b"",
    ],
)
def test_the_cost_is_about_the_memory(body: bytes) -> None:
    """What a cache adds up is never far less than what is held, and never over 9 MB."""
    rules(body)
    gc.collect()
    tracemalloc.start()
    found = rules(body)
    gc.collect()  # and what the interpreter keeps for later
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / 1.2 <= found.cost < 9_000_000


# -- values


def test_values_for_hosts_without_rules() -> None:
    """4xx allows, 5xx and unreachable refuse, each with a reason for the record."""
    assert ALLOW_ALL.verdict("https://a.example/x") == RobotsVerdict(True, 0, "no robots.txt")
    assert DISALLOW_ALL.verdict("/x") == RobotsVerdict(False, 0, "robots.txt cannot be read")
    assert RobotsRules.disallow_all("status 503").verdict("/x").reason == "status 503"


def test_a_verdict_says_why() -> None:
    """A record names the line and the rule."""
    found = rules("User-agent: *\n\nDisallow: /private/\n").verdict("/private/x")
    assert found.reason == "robots.txt line 3: Disallow: /private/"
    assert RobotsVerdict(True).reason == ""


@pytest.mark.slow
@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_nothing_raises(body: bytes, agent: str, url: str) -> None:
    """Any bytes are a robots.txt, and any text an agent and a URL."""
    found = RobotsRules.parse(body, agent)
    verdict = found.verdict(url)
    assert verdict.line <= body.count(b"\n") + body.count(b"\r") + 1
    assert found.verdict(url) == verdict


@pytest.mark.slow
@given(st.lists(LINES, max_size=14), PATHS)
def test_never_allows_what_the_mock_webs_judge_forbids(lines: list[str], path: str) -> None:
    """Two readers of the RFC that share no code agree, or this one refuses what the other allows.

    They may differ only where a pattern or a path has escapes.
    """
    text = "\n".join(lines)
    ours = allowed(text, path)[0]
    judges = Rules.read(text.encode()).allows(AGENT, path)
    assert ours <= judges
    if path.isascii() and "%" not in path + text:
        assert ours == judges
