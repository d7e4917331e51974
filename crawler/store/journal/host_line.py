"""The state of a host as a line of the journal.

Waits have their end as Unix time and their length in seconds, and are clamped to it when they are
read: a clock that was set back does not prolong them.
"""

from __future__ import annotations

from math import inf
from typing import Any

import orjson

from crawler.core.host_state import BreakerState, HostState, ThrottleState
from crawler.formats.robots import RobotsRules, RobotsVerdict
from crawler.formats.robots_patterns import Patterns, Rule
from crawler.model.outcome import Kind

_LONGEST = 65_536
"""Bytes of rules that are kept; a host with more is asked for its robots.txt again."""
_LEARNED = 86_400.0
"""Seconds that what was learned of a host matters, as its robots.txt does."""


def host_line(state: HostState, now: float) -> bytes:
    """Return the line of a state at Unix time `now`, with its line end."""
    rules = _rules_values(state.rules) if state.rules is not None else None
    known = rules is not None and len(orjson.dumps(rules)) <= _LONGEST
    values = {
        "pause": _wait(state.pause, now),
        "down": state.down and (state.down[0].value, state.down[1]),
        "down_for": _wait(state.down_for, now),
        "rules": rules if known else None,
        "rules_for": _wait(state.rules_for if known else 0.0, now),
        "no_tls": state.no_tls,
        "throttle": state.throttle and tuple(state.throttle),
        "breaker": state.breaker and tuple(state.breaker),
    }
    longest = max(_LEARNED, state.pause, state.down_for, state.rules_for)
    return b"%b %.3f %b\n" % (state.key.encode(), now + longest, orjson.dumps(values))


def host_state(line: bytes, now: float) -> HostState:
    """Return the state of a line, at Unix time `now`."""
    key, _, text = line.split(b" ", 2)
    values = orjson.loads(text)
    down, rules = values["down"], values["rules"]
    return HostState(
        key=key.decode(),
        pause=_left(values["pause"], now),
        down=(Kind(down[0]), down[1]) if down else None,
        down_for=_left(values["down_for"], now),
        rules=_rules(rules) if rules else None,
        rules_for=_left(values["rules_for"], now),
        no_tls=values["no_tls"],
        throttle=ThrottleState(*map(_never, values["throttle"])) if values["throttle"] else None,
        breaker=BreakerState(*map(_never, values["breaker"])) if values["breaker"] else None,
    )


def _wait(seconds: float, now: float) -> tuple[float, float]:
    return now + seconds, seconds


def _left(wait: tuple[float, float], now: float) -> float:
    until, length = wait
    return max(0.0, min(until - now, length))


def _never(value: Any) -> Any:
    """Return a value, and inf for null, which JSON has in its place."""
    return inf if value is None else value


def _rules_values(rules: RobotsRules) -> dict[str, Any]:
    return {
        "allows": list(map(_rule_values, rules.allows.rules)),
        "disallows": list(map(_rule_values, rules.disallows.rules)),
        "delay": rules.crawl_delay,
        "always": rules.always and (rules.always.allowed, rules.always.line, rules.always.rule),
        "cost": rules.cost,
    }


def _rule_values(rule: Rule) -> tuple[int, int, str]:
    return rule.line, rule.octets, rule.pattern.decode("ascii")


def _rules(values: dict[str, Any]) -> RobotsRules:
    """Return rules without the sitemaps, which were taken up when they were read."""
    return RobotsRules(
        allows=_patterns(values["allows"], allow=True),
        disallows=_patterns(values["disallows"], allow=False),
        crawl_delay=values["delay"],
        always=RobotsVerdict(*values["always"]) if values["always"] else None,
        cost=values["cost"],
    )


def _patterns(rules: list[tuple[int, int, str]], *, allow: bool) -> Patterns:
    return Patterns(Rule(allow, line, octets, text.encode()) for line, octets, text in rules)
