"""robots.txt by RFC 9309: the rules of a host for one crawler. No fetching, no clock, no cache.

    rules = RobotsRules.parse(body, "crawler/0.1.0")
    rules.verdict("https://a.example/private/x").allowed

The cost of a file is bounded: `MAX_BYTES` are read; `MAX_RULES` rules and wildcards are kept of
the groups that apply, and a file with more refuses everything; `MAX_SITEMAPS` sitemaps are kept;
`robots_patterns.MAX_WORK` bounds a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from crawler.formats import robots_file
from crawler.formats.robots_file import MAX_RULES
from crawler.formats.robots_patterns import PathTarget, Patterns, Rule, path_and_query
from crawler.model.value import value


@value(frozen=True, slots=True)
class RobotsVerdict:
    """Permission for a URL, and the line that decided (from 1; 0 if none did).

    `rule` is that line, such as `Disallow: /private/`, or the reason why no line was consulted.
    """

    allowed: bool
    line: int = 0
    rule: str = ""

    @property
    def reason(self) -> str:
        """The reason, such as `robots.txt line 3: Disallow: /private/`; "" if nothing decided."""
        return f"robots.txt line {self.line}: {self.rule}" if self.line else self.rule


_FREE = RobotsVerdict(True)


@value(frozen=True, slots=True, kw_only=True, eq=False)
class RobotsRules:
    """The rules of one host for one crawler.

    `crawl_delay` is in seconds, None if not given. `sitemaps` are as written and may be relative.
    `always` is the verdict for every URL, if no rule needs to be consulted. `cost` is the
    approximate memory in bytes.
    """

    allows: Patterns = field(default_factory=Patterns)
    disallows: Patterns = field(default_factory=Patterns)
    crawl_delay: float | None = None
    sitemaps: tuple[str, ...] = ()
    always: RobotsVerdict | None = None
    cost: int = 0

    @classmethod
    def parse(cls, body: bytes, agent: str) -> RobotsRules:
        """Read a file for a crawler with the User-Agent `agent` (`crawler/0.1.0`); never raises."""
        said = robots_file.read(body, agent)
        always = None
        if said.too_many_at:
            always = RobotsVerdict(
                False, said.too_many_at, f"more than {MAX_RULES} rules and wildcards"
            )
        rules = () if always else said.rules
        return cls(
            allows=Patterns(rule for rule in rules if rule.allow),
            disallows=Patterns(rule for rule in rules if not rule.allow),
            crawl_delay=said.crawl_delay,
            sitemaps=said.sitemaps,
            always=always,
            cost=_cost(rules, said.sitemaps),
        )

    @classmethod
    def allow_all(cls, reason: str) -> RobotsRules:
        """Return rules that allow everything; the reason is each verdict's `rule`."""
        return cls(always=RobotsVerdict(True, 0, reason), cost=_BASE_COST)

    @classmethod
    def disallow_all(cls, reason: str) -> RobotsRules:
        """Return rules that refuse all but `/robots.txt`; the reason is each verdict's `rule`."""
        return cls(always=RobotsVerdict(False, 0, reason), cost=_BASE_COST)

    def verdict(self, url: str) -> RobotsVerdict:
        """Return the verdict on an absolute URL, or a path and query; never raises.

        The longest matching rule decides, Allow if two are equally long (RFC 9309, 2.2.2).
        """
        if "/robots.txt" in url and path_and_query(url) == "/robots.txt":
            return _FREE
        if self.always:
            return self.always
        target = PathTarget.read(url)
        against = self.disallows.longest(target.forbidding)
        decides = self.allows.longest(target.allowing)
        if against and (decides is None or decides.octets < against.octets):
            decides = against
        return RobotsVerdict(decides.allow, decides.line, decides.text) if decides else _FREE


# Bytes, measured with tracemalloc: the whole object; a rule and its place in a
# dictionary; extra for two spellings, or for parts; each part; a text.
_BASE_COST, _RULE_COST, _ESCAPED_COST, _STARRED_COST, _PART_COST = 1_500, 200, 130, 130, 50
_TEXT_COST = 80


def _cost(rules: Iterable[Rule], sitemaps: Iterable[str]) -> int:
    texts = sum(_TEXT_COST + len(sitemap) for sitemap in sitemaps)
    return _BASE_COST + texts + sum(map(_rule_cost, rules))


def _rule_cost(rule: Rule) -> int:
    stars = rule.pattern.count(b"*")
    escaped = _ESCAPED_COST * (b"%" in rule.pattern)
    starred = _STARRED_COST + _PART_COST * stars if stars else 0
    return _RULE_COST + 2 * len(rule.pattern) + escaped + starred


ALLOW_ALL = RobotsRules.allow_all("no robots.txt")
"""The rules of a host without a robots.txt: 4xx (RFC 9309, 2.3.1.3)."""

DISALLOW_ALL = RobotsRules.disallow_all("robots.txt cannot be read")
"""The rules of a host whose robots.txt is unavailable: 5xx, unreachable (RFC 9309, 2.3.1.4)."""
